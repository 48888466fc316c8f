// What belongs to the gateway as a whole: admin API, limits, timeouts, access log, forwarding headers.
import { adminToken, cidr, ipAddress, logTarget } from '../formats.ts'
import { bytes, flag, list, ms, object, ratio, section, text, toggle, whole } from '../shapes.ts'

export const admin = object(
  'The admin server: /livez, /readyz, /metrics. Off unless it is named. An address that others can reach needs a token.',
  {
    address: text('IP address to listen on.', {
      default: '127.0.0.1',
      check: ipAddress,
      examples: ['127.0.0.1', '::1'],
    }),
    port: whole('TCP port; 0 lets the system choose.', { default: 9901, max: 65535, examples: [9901] }),
    token: text('Wanted as `Authorization: Bearer TOKEN`. Take it from the environment.', {
      optional: true,
      orFile: true,
      check: adminToken,
      examples: ['${POLYGATE_ADMIN_TOKEN}'],
    }),
  },
  { optional: true, examples: [{ address: '127.0.0.1', port: 9901 }] },
)

export const limits = section('Limits on what clients send. Per worker where they count things.', {
  maxHeadBytes: bytes('Request line and headers together; past it 431.', {
    default: 16384,
    min: 1024,
    max: 65536,
    examples: ['16KiB'],
  }),
  maxHeaders: whole('Header lines of a request; past it 431. The HTTP parser takes 98 at most.', {
    default: 98,
    min: 1,
    max: 98,
    examples: [98],
  }),
  maxBodyBytes: bytes('Request body; past it 413. 0 means no limit. A route may set its own.', {
    default: 0,
    examples: ['10MiB', 0],
  }),
  maxRequestsPerConnection: whole('After so many requests a client connection is closed. 0 means no limit.', {
    default: 0,
    examples: [10000, 0],
  }),
  maxConcurrentRequests: whole('Requests in flight in one worker; past it 503. 0 means no limit.', {
    default: 10000,
    max: 1_000_000,
    examples: [10000],
  }),
})

export const timeouts = section('Timeouts of the client side.', {
  drainMs: ms('How long requests in flight may take to end when the gateway stops.', {
    default: 30000,
    examples: [30000],
  }),
  idleMs: ms(
    'How long a client may keep its connection waiting: for a whole request head (from its opening or the last response on), for more of a body, or by taking nothing of a response. A body must also bring 240 bytes a second on average. Kept to the second; 0 means for ever.',
    { default: 60000, min: 0, examples: [60000, 0] },
  ),
})

export const accessLog = toggle(
  'One JSON line a request. true stands for stdout and all requests.',
  {
    target: text('stdout, stderr, or a file.', {
      default: 'stdout',
      check: logTarget,
      examples: ['stdout', './access.log'],
    }),
    sample: ratio('Share of requests that is logged, 0 to 1. Errors (5xx) always are.', {
      default: 1,
      examples: [0.01],
    }),
  },
  { default: false, examples: [false, { target: 'stdout', sample: 1 }] },
)

export const forwarded = section('What upstreams learn about the client, and whom to believe.', {
  trustedProxies: list(
    'Address blocks of proxies in front whose X-Forwarded-* and Forwarded headers are believed.',
    text('An address block.', { check: cidr, examples: ['10.0.0.0/8'] }),
    { default: [], examples: [['10.0.0.0/8', 'fd00::/8']] },
  ),
  rfc7239: flag('Also send `Forwarded` (RFC 7239).', { default: false, examples: [false] }),
  via: flag('Send `Via: 1.1 polygate` both ways (RFC 9110 7.6.3).', { default: true, examples: [true] }),
})
