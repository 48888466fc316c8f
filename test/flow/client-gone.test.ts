// Pins what happens when a client goes away in the middle: its request to the upstream is cancelled, nothing of it stays
// in flight, it is counted as one that the client ended, and other clients and the upstream's pool are unharmed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilHeldUp } from '../helpers/held-up.ts'
import { untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

const waitMs = 5000
const endless = 1024 ** 4
const piece = Buffer.alloc(256 * 1024, 'x')

type Leave = (client: RawClient) => void
const ways: Record<string, Leave> = {
  'by closing': client => client.socket.destroy(),
  'by a reset': client => client.socket.resetAndDestroy(),
  'by closing its side only': client => client.socket.end(),
}

interface Stage {
  readonly name: string
  readonly path: string
  readonly request: (path: string) => string
  /** What the upstream does with the request's head. */
  readonly upstream: (socket: Socket) => void
  /** The client sends and waits until the exchange is in the state that it is to leave in. */
  readonly client: (client: RawClient, upstream: Socket) => Promise<unknown>
  /** Status in the metrics. */
  readonly status: string
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const post = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${endless}\r\n\r\n`

/** Writes until the other side is gone. */
function pour(socket: Socket): void {
  const more = (): void => {
    while (socket.writable && socket.write(piece));
  }
  socket.on('drain', more)
  more()
}

const stages: Stage[] = [
  {
    name: 'before the answer',
    path: '/waiting',
    request: get,
    upstream: () => {},
    client: () => Promise.resolve(),
    status: '499',
  },
  {
    name: 'in the middle of its body',
    path: '/upload',
    request: post,
    upstream: () => {},
    client: async (client, upstream) => {
      const arrived = once(upstream, 'data')
      await client.send(piece)
      await arrived
    },
    status: '499',
  },
  {
    name: 'in the middle of its body, held up',
    path: '/held-upload',
    request: post,
    upstream: socket => socket.pause(),
    client: async client => {
      pour(client.socket)
      await untilHeldUp(client.socket)
    },
    status: '499',
  },
  {
    name: 'in the middle of an answer of known length',
    path: '/length',
    request: get,
    upstream: socket => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${endless}\r\n\r\n`)
      pour(socket)
    },
    client: client => client.contains('xxxx'),
    status: '200',
  },
  {
    name: 'in the middle of an answer that it does not read',
    path: '/held-length',
    request: get,
    upstream: socket => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${endless}\r\n\r\n`)
      pour(socket)
    },
    client: async (client, upstream) => {
      client.socket.pause()
      await untilHeldUp(upstream)
    },
    status: '200',
  },
  {
    name: 'between the chunks of an answer',
    path: '/chunks',
    request: get,
    upstream: socket => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n'),
    client: client => client.contains('xxxx'),
    status: '200',
  },
]

describe('a client that goes', () => {
  const ends: (() => unknown)[] = []
  const scope: Scope = { after: end => void ends.push(end) }
  const arrivals = new Map<string, (socket: Socket) => void>()
  let gateway: RunningGateway

  before(async () => {
    const upstream = await startRawUpstream(scope, async (socket, received) => {
      const path = (await received('\r\n\r\n')).toString('latin1').split(' ')[1] ?? ''
      const stage = stages.find(one => one.path === path)
      if (!stage) return socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      // Bytes are no longer gathered.
      socket.removeAllListeners('data').on('data', () => {})
      stage.upstream(socket)
      arrivals.get(path)?.(socket)
    })
    const routes = stages.map(
      ({ path }) => `  - { name: ${path.slice(1)}, match: { path: ${path} }, upstream: upstream }\n`,
    )
    gateway = await startGateway(
      scope,
      `
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ] } }
routes:
${routes.join('')}  - { name: good, match: { path: /good }, upstream: upstream }
`,
    )
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  for (const stage of stages) {
    for (const [way, leave] of Object.entries(ways)) {
      test(`${stage.name}, ${way}`, async t => {
        const arrival = new Promise<Socket>(resolve => arrivals.set(stage.path, resolve))
        const other = await RawClient.connect(t, gateway.port)
        const client = await RawClient.connect(t, gateway.port)
        await client.send(stage.request(stage.path))
        const socket = await within(waitMs, 'the request at the upstream', arrival)
        await within(waitMs, 'the state to leave in', stage.client(client, socket))
        const gone = new Promise<void>(resolve => socket.once('end', resolve).once('close', resolve))
        leave(client)
        // A paused socket does not hear of its end.
        socket.resume()
        await within(waitMs, 'the end of the upstream connection', gone)
        await other.send(get('/good'))
        assert.equal((await within(waitMs, 'another client', other.finals(1))).finals[0]?.body.toString(), 'ok')
      })
    }
  }

  test('each is counted once, none stays in flight, and no connection is held', async () => {
    const count = Object.keys(ways).length
    const series = ({ path, request, status }: Stage): string =>
      `http_server_request_duration_seconds_count{http_route="${path.slice(1)}",` +
      `http_request_method="${request('').split(' ')[0]}",http_response_status_code="${status}"}`
    await untilMetrics(
      gateway,
      'the counts',
      samples =>
        samples.get('http_server_active_requests') === 0 &&
        samples.get('polygate_upstream_pool_connections{upstream="upstream",state="used"}') === 0 &&
        samples.get('polygate_upstream_pool_connections{upstream="upstream",state="waiting"}') === 0 &&
        stages.every(stage => samples.get(series(stage)) === count),
    )
  })
})
