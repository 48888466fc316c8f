// Pins what a gateway does that may open no more descriptors: new connections wait and cost no processor time, requests
// that need one get 503, everything that is open is served, and all is well again when descriptors are free.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric, untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'

const waitMs = 10_000
/** Enough for control and worker themselves, too few for the clients. */
const descriptors = 80
const clientCount = 100
/** More than the clients that can be waited for at once: a listener's queue is longer. */
const watchMs = 1000
/** Of `watchMs`; a loop would use all of it. */
const idleCpuMs = 200

const ping = 'GET /ping HTTP/1.1\r\nHost: a\r\n\r\n'

async function start(t: TestContext): Promise<RunningGateway> {
  const upstream = await startRawUpstream(t, async (socket, received) => {
    await received('\r\n\r\n')
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const yaml = `
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ], retries: 1 } }
routes:
  - { name: ping, match: { path: /ping }, respond: { body: pong } }
  - { name: proxied, match: { path: /proxied }, upstream: upstream }
`
  return startGateway(t, yaml, { prefix: ['bash', '-c', `ulimit -n ${descriptors} && exec "$@"`, 'bash'] })
}

function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** As many connections as the kernel takes; the gateway has accepted only some of them. */
async function exhaust(t: TestContext, gateway: RunningGateway): Promise<RawClient[]> {
  const clients: RawClient[] = []
  while (clients.length < clientCount) clients.push(await RawClient.connect(t, gateway.port))
  await within(waitMs, 'that it says so', gateway.line(/worker 1: no file descriptor free/))
  return clients
}

const answered = (clients: readonly RawClient[]): RawClient[] =>
  clients.filter(client => client.answers().finals.length > 0)

// Side by side: they wait most of the time.
describe('at the descriptor limit', { concurrency: true }, () => {
  test('new connections wait without costing a core, and are served when others have gone', async t => {
    const gateway = await start(t)
    const [pid] = gateway.workers()
    const clients = await exhaust(t, gateway)
    const before = cpuMsOf(pid!)
    await new Promise(resolve => setTimeout(resolve, watchMs))
    const used = cpuMsOf(pid!) - before
    t.diagnostic(`${used} ms of processor time in ${watchMs} ms`)
    assert.ok(used < idleCpuMs, `${used} ms of processor time in ${watchMs} ms`)

    for (const client of clients) await client.send(ping)
    // Those who are in are served, again and again, while the others wait.
    const first = clients[0]!
    for (let nth = 1; nth <= 20; nth++) {
      const { finals } = await within(waitMs, 'the answer to one who is in', first.finals(nth))
      assert.equal(finals.length, nth)
      await first.send(ping)
    }
    const served = answered(clients)
    assert.ok(served.length > 10 && served.length < clientCount, `${served.length} served`)
    assert.ok(clients.every(client => !client.closed))

    const waiting = clients.filter(client => !served.includes(client))
    for (const client of served) client.destroy()
    await Promise.all(waiting.map(client => within(waitMs, 'the answer to one who waited', client.finals(1))))
    assert.equal(answered(waiting).length, waiting.length)
    await within(waitMs, 'that it says so', gateway.line(/worker 1: new connections are accepted again/))
    assert.deepEqual(gateway.workers(), [pid])
    await untilMetric(gateway, 'http_server_active_requests', 0)
  })

  test('a request that needs a connection to its upstream gets 503, and 200 when there is room', async t => {
    const gateway = await start(t)
    const [pid] = gateway.workers()
    const clients = await exhaust(t, gateway)
    const client = clients[0]!
    await client.send('GET /proxied HTTP/1.1\r\nHost: a\r\n\r\n')
    const { finals } = await within(waitMs, 'the answer', client.finals(1))
    assert.equal(statusOf(finals[0]!), 503, finals[0]!.body.toString())
    const problem = JSON.parse(finals[0]!.body.toString()) as Record<string, unknown>
    assert.equal(problem['code'], 'overloaded')
    assert.deepEqual(valuesOf(finals[0]!, 'retry-after'), ['1'])
    await client.send(ping)
    assert.equal((await within(waitMs, 'the next answer', client.finals(2))).finals[1]?.body.toString(), 'pong')

    for (const other of clients.slice(1)) other.destroy()
    await within(waitMs, 'that there is room', gateway.line(/worker 1: new connections are accepted again/))
    await client.send('GET /proxied HTTP/1.1\r\nHost: a\r\n\r\n')
    assert.equal((await within(waitMs, 'the answer', client.finals(3))).finals[2]?.body.toString(), 'ok')
    await untilMetrics(gateway, 'the failure in the metrics', samples => {
      const failures = samples.get('polygate_upstream_errors_total{upstream="upstream",reason="descriptorLimit"}')
      // Not retried: the next attempt would meet the same limit.
      return failures === 1 && samples.get('polygate_upstream_retries_total{upstream="upstream"}') === 0
    })
    assert.deepEqual(gateway.workers(), [pid])
  })
})
