// A group of servers that answer for routes: peers, balancing, timeouts, retries, health.
import {
  fileName,
  headerName,
  hostHeader,
  name,
  peerUrl,
  requestTarget,
  serverName,
  statuses,
  token,
} from '../formats.ts'
import { upstreamSign as sign } from './upstream-sign.ts'
import { either, flag, list, map, ms, object, ratio, section, text, toggle, whole, word } from '../shapes.ts'

const tlsKeys = {
  ca: text("PEM file of trusted authorities; without it the system's.", {
    optional: true,
    check: fileName,
    examples: ['./tls/internal-ca.pem'],
  }),
  certificate: text('PEM file: client certificate and chain. Together with `key`.', {
    optional: true,
    check: fileName,
    examples: ['./tls/gateway.pem'],
  }),
  key: text('PEM file: key of the client certificate, not encrypted.', {
    optional: true,
    check: fileName,
    examples: ['./tls/gateway.key'],
  }),
  serverName: text('Name to ask for and to verify; without it the host of the URL.', {
    optional: true,
    check: serverName,
    examples: ['internal.example.com'],
  }),
  verify: flag('Verify certificate and name. false takes any certificate, from anyone.', {
    default: true,
    examples: [true],
  }),
}

const tlsAbout = "How to speak TLS to https peers. A peer with its own `tls` uses nothing of its upstream's."

export const peer = object(
  'One server.',
  {
    url: text('http://host:port, https://host:port or unix:///path, without a path behind.', {
      check: peerUrl,
      pattern: '^([Hh][Tt][Tt][Pp][Ss]?://|unix:)',
      examples: ['http://127.0.0.1:9000', 'https://api.internal', 'unix:///run/app.sock'],
    }),
    weight: whole('Share of requests relative to the other peers; 0 takes it out.', {
      default: 1,
      max: 1000,
      examples: [1],
    }),
    tls: object(tlsAbout, tlsKeys, { optional: true, examples: [{ serverName: 'a.internal.example.com' }] }),
  },
  { examples: [{ url: 'http://127.0.0.1:9000', weight: 1 }] },
)

const hashOn = object(
  'What to hash: exactly one of them.',
  {
    header: text('A request header.', { optional: true, check: headerName, examples: ['x-user-id'] }),
    cookie: text('A cookie.', {
      optional: true,
      check: cookie => (token.test(cookie) ? null : 'a cookie name'),
      examples: ['session'],
    }),
    address: flag('true: the address of the client, also behind proxies that are trusted.', {
      optional: true,
      onlyTrue: true,
      examples: [true],
    }),
  },
  { oneOf: ['header', 'cookie', 'address'], examples: [{ header: 'x-user-id' }] },
)

const balance = either(
  'How a peer is chosen.',
  'round-robin, least-connections, or a mapping with kind: consistent-hash',
  [
    {
      shape: word(
        'By turns by weight, or the peer with the fewest requests in flight.',
        ['round-robin', 'least-connections'],
        {
          examples: ['round-robin'],
        },
      ),
      tell: 'text',
    },
    {
      shape: object(
        'The same key always to the same peer, as long as it is there.',
        {
          kind: word('The only balance that is a mapping.', ['consistent-hash'], { examples: ['consistent-hash'] }),
          on: hashOn,
        },
        { examples: [{ kind: 'consistent-hash', on: { header: 'x-user-id' } }] },
      ),
      tell: 'map',
    },
  ],
  { default: 'round-robin', examples: ['least-connections', { kind: 'consistent-hash', on: { cookie: 'session' } }] },
)

export const passive = toggle(
  'Takes a peer out after failures in a row, for longer each time.',
  {
    failures: whole('Failures in a row.', { default: 5, min: 1, max: 1000, examples: [5] }),
    ejectMs: ms('How long the peer is out the first time.', { default: 10000, examples: [10000] }),
    maxEjectMs: ms('How long at most.', { default: 300000, examples: [300000] }),
  },
  { default: true, examples: [{ failures: 3, ejectMs: 5000 }, false] },
)

export const active = toggle(
  'Asks each peer by itself, and takes it out while it answers wrongly.',
  {
    path: text('Path to GET.', { default: '/', check: requestTarget, examples: ['/healthz'] }),
    intervalMs: ms('Time between two questions.', { default: 5000, min: 100, examples: [5000] }),
    timeoutMs: ms('An answer that takes longer is a failure.', { default: 2000, examples: [2000] }),
    healthyAfter: whole('Good answers in a row that bring a peer back.', {
      default: 2,
      min: 1,
      max: 100,
      examples: [2],
    }),
    unhealthyAfter: whole('Bad answers in a row that take it out.', { default: 3, min: 1, max: 100, examples: [3] }),
    statuses: list(
      'Statuses that are good.',
      either(
        'A status or a range.',
        'a status or a range of them, as 204 or "200-299"',
        [
          { shape: whole('A status.', { min: 100, max: 599, examples: [204] }), tell: 'number' },
          { shape: text('A status or a range.', { check: statuses, examples: ['200-299'] }), tell: 'text' },
        ],
        { examples: ['200-299', 204] },
      ),
      { default: ['200-299'], min: 1, examples: [[204], ['200-299', 404]] },
    ),
  },
  { default: false, examples: [{ path: '/healthz' }, false] },
)

const breaker = toggle(
  'Answers 503 at once while too many requests to the upstream fail.',
  {
    errorRatio: ratio('Share of failures in the window that opens it.', { default: 0.5, examples: [0.5] }),
    minRequests: whole('Requests in the window below which it never opens.', {
      default: 20,
      min: 1,
      max: 1_000_000,
      examples: [20],
    }),
    windowMs: ms('Length of the window.', { default: 10000, min: 1000, examples: [10000] }),
    openMs: ms('How long it stays open before one request is let through to try.', { default: 5000, examples: [5000] }),
  },
  { default: false, examples: [{ errorRatio: 0.5, minRequests: 20 }, true] },
)

const upstream = object(
  'A group of servers with the same content.',
  {
    peers: list('The servers.', peer, { min: 1, examples: [[{ url: 'http://127.0.0.1:9000' }]] }),
    balance,
    timeouts: section('Timeouts of one attempt.', {
      connectMs: ms('Until the connection (and TLS) stands.', { default: 1000, examples: [1000] }),
      responseMs: ms('From the sent request to the head of the response.', { default: 30000, examples: [30000] }),
      idleMs: ms('No byte in either direction while a request is in flight.', { default: 60000, examples: [60000] }),
    }),
    retries: whole('How often a failed request may be sent again, to another peer where there is one.', {
      default: 1,
      max: 10,
      examples: [1],
    }),
    retryBudget: section('Bounds retries when much fails, so that they do not multiply the load.', {
      ratio: ratio('Retries as a share of the requests of the last 10 s.', { default: 0.2, examples: [0.2] }),
      minPerSecond: whole('Retries a second that are always allowed.', { default: 10, max: 100_000, examples: [10] }),
    }),
    pool: section('Connections to each peer, per worker.', {
      maxConnections: whole('Open at once.', { default: 1024, min: 1, max: 65535, examples: [1024] }),
      maxWaiting: whole('Requests that wait for one; past it 503.', {
        default: 4096,
        max: 1_000_000,
        examples: [4096],
      }),
      idleMs: ms('How long an unused one is kept.', { default: 60000, examples: [60000] }),
    }),
    health: section('Which peers are fit.', { passive, active }),
    breaker,
    hostHeader: text(
      '`preserve` sends the Host of the client, `peer` that of the URL, anything else is sent as it is.',
      {
        default: 'preserve',
        check: hostHeader,
        examples: ['preserve', 'peer', 'api.example.com'],
      },
    ),
    tls: section(tlsAbout, tlsKeys),
    sign,
  },
  { examples: [{ peers: [{ url: 'http://127.0.0.1:9000' }] }] },
)

export const upstreams = map(
  'Groups of servers, by name.',
  text('Name of the upstream.', { check: name, examples: ['echo'] }),
  upstream,
  { default: {}, examples: [{ echo: { peers: [{ url: 'http://127.0.0.1:9000' }] } }] },
)
