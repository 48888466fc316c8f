// Pins that a worker which is killed, crashes, loops, is stopped or throws costs its own connections at most: it is
// replaced in time, the other serves on, what was counted stays counted, and an error in one request is one 500.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { evaluateIn, inspectable } from '../helpers/inspect.ts'
import { metricsOf, untilMetric } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

const waitMs = 10_000
/** Enough that the kernel gives each of two workers some: all to one has a chance of one in 2^23. */
const clientCount = 24
const replacedWithinMs = 1000
/** A worker that hangs is first found out: five beats of 100 ms. */
const foundOutWithinMs = 600

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const counted = (status: number): string =>
  `http_server_request_duration_seconds_count{http_route="all",http_request_method="GET",http_response_status_code="${status}"}`

async function start(t: TestContext, workers: number): Promise<RunningGateway> {
  const upstream = await startEcho(t)
  const yaml = `
workers: ${workers}
upstreams: { echo: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: echo } ]
`
  return startGateway(t, yaml, { env: inspectable })
}

const connectAll = (t: TestContext, gateway: RunningGateway): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: clientCount }, () => RawClient.connect(t, gateway.port)))

/** One request on each; those that the gateway answered, and those whose connection it has broken. */
async function askAll(
  clients: readonly RawClient[],
  nth: number,
): Promise<{ served: RawClient[]; broken: RawClient[] }> {
  const served: RawClient[] = []
  const broken: RawClient[] = []
  await Promise.all(
    clients.map(async client => {
      await client.send(get)
      const { finals, rest } = await within(waitMs, 'an answer', client.finals(nth))
      assert.equal(rest.length, 0)
      for (const answer of finals) assert.equal(statusOf(answer), 200)
      ;(finals.length === nth ? served : broken).push(client)
    }),
  )
  return { served, broken }
}

/** Resolves with the milliseconds that it took until another process serves in the place of this one. */
async function replaced(gateway: RunningGateway, pid: number, sinceMs: number): Promise<number> {
  const workers = gateway.workers().length
  const asking = async (): Promise<number> => {
    for (;;) {
      const text = await (await fetch(`${gateway.adminUrl}/readyz?verbose`)).text()
      const ready = [...text.matchAll(/^worker \d+ ready pid=(\d+)/gm)].map(([, one]) => Number(one))
      if (ready.length >= workers && !ready.includes(pid)) return performance.now() - sinceMs
    }
  }
  return within(waitMs, 'the replacement', asking())
}

interface Loss {
  readonly tookMs: number
  /** Requests that were answered. */
  readonly answered: number
}

/** Requests on all connections while one worker goes: the other's are all answered. `before`: answered so far. */
async function lose(
  t: TestContext,
  gateway: RunningGateway,
  before: number,
  how: (pid: number) => unknown,
): Promise<Loss> {
  const clients = await connectAll(t, gateway)
  assert.equal((await askAll(clients, 1)).broken.length, 0)
  // What a worker had not reported when it is killed is lost: a second's worth.
  await untilMetric(gateway, counted(200), before + clientCount)
  const [pid] = gateway.workers()
  assert.ok(pid !== undefined)
  await how(pid)
  const sinceMs = performance.now()
  let tookMs = 0
  const replacement = replaced(gateway, pid, sinceMs).then(ms => (tookMs = ms))
  let { served, broken } = await askAll(clients, 2)
  assert.ok(served.length > 0 && broken.length > 0, `${served.length} served, ${broken.length} broken`)
  let answered = clientCount + served.length
  for (let nth = 3; tookMs === 0; nth++) {
    ;({ served, broken } = await askAll(served, nth))
    assert.equal(broken.length, 0, 'a connection of the other worker broke')
    answered += served.length
  }
  await replacement
  const fresh = await connectAll(t, gateway)
  assert.equal((await askAll(fresh, 1)).broken.length, 0)
  for (const client of [...clients, ...fresh]) client.destroy()
  return { tookMs, answered: before + answered + clientCount }
}

test('killed or crashed: replaced within a second, and nothing else is lost', async t => {
  const gateway = await start(t, 2)
  const killed = await lose(t, gateway, 0, pid => process.kill(pid, 'SIGKILL'))
  const crashed = await lose(t, gateway, killed.answered, pid => process.kill(pid, 'SIGSEGV'))
  t.diagnostic(`replaced after ${killed.tookMs.toFixed(0)} ms (killed), ${crashed.tookMs.toFixed(0)} ms (crashed)`)
  // The machine may be busy with other tests: one of two in time is what is wanted.
  assert.ok(Math.min(killed.tookMs, crashed.tookMs) < replacedWithinMs)
  await untilMetric(gateway, counted(200), crashed.answered)
  await untilMetric(gateway, 'polygate_worker_restarts_total{reason="signal"}', 2)
  assert.equal(gateway.workers().length, 2)
})

test('in an endless loop: found out and replaced, and nothing else is lost', async t => {
  const gateway = await start(t, 2)
  const looped = await lose(t, gateway, 0, pid => evaluateIn(gateway, pid, 'for (;;);'))
  t.diagnostic(`replaced after ${looped.tookMs.toFixed(0)} ms`)
  assert.ok(looped.tookMs < foundOutWithinMs + 3 * replacedWithinMs)
  await untilMetric(gateway, counted(200), looped.answered)
  await untilMetric(gateway, 'polygate_worker_restarts_total{reason="heartbeat"}', 1)
})

test('an error that nobody catches: the worker says so, hands over its counts and is replaced', async t => {
  const gateway = await start(t, 1)
  const [pid] = gateway.workers()
  const client = await RawClient.connect(t, gateway.port)
  await askAll([client], 1)
  await evaluateIn(gateway, pid!, `setImmediate(() => { throw new Error('thrown by a test') })`)
  await within(waitMs, 'what it says', gateway.line(/worker 1: uncaught error .*thrown by a test/))
  await replaced(gateway, pid!, performance.now())
  const samples = await metricsOf(gateway)
  assert.equal(samples.get(counted(200)), 1)
  assert.equal(samples.get('polygate_worker_restarts_total{reason="exception"}'), 1)
})

/** A function that the way of every request needs throws once, where the condition holds. */
const throwOnce = (condition: string): string => `
  const { latin1Slice } = Buffer.prototype
  Buffer.prototype.latin1Slice = function (...range) {
    if (!(${condition})) return latin1Slice.apply(this, range)
    Buffer.prototype.latin1Slice = latin1Slice
    throw new Error('thrown by a test')
  }`

interface Broken {
  readonly name: string
  readonly request: string
  readonly condition: string
  readonly expect: (client: RawClient) => void
}

const brokenRequests: Broken[] = [
  {
    name: 'on the way in: 500 without a stack',
    request: get,
    condition: 'true',
    expect: client => {
      const { finals } = client.answers()
      assert.equal(finals.length, 1)
      assert.equal(statusOf(finals[0]!), 500)
      const text = finals[0]!.body.toString()
      assert.equal((JSON.parse(text) as { code: string }).code, 'internal')
      assert.doesNotMatch(text, /thrown|at /)
    },
  },
  {
    // The slab of the upstream client: the answer's head is being written. Of a request with a body: those without go
    // past the front end, and their heads past JavaScript.
    name: 'on the way out: a broken connection',
    request: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx',
    condition: 'this.length === 1024 * 1024',
    expect: client => assert.deepEqual([client.answers().finals.length, client.closed], [0, true]),
  },
]

for (const { name, request, condition, expect } of brokenRequests) {
  test(`an error in one request, ${name}, and everything else goes on`, async t => {
    const gateway = await start(t, 1)
    const [pid] = gateway.workers()
    const client = await RawClient.connect(t, gateway.port)
    await evaluateIn(gateway, pid!, throwOnce(condition))
    await client.send(request)
    await within(waitMs, 'the answer, or the end', client.finals(1))
    expect(client)
    await within(waitMs, 'the log', gateway.line(/request failed .*thrown by a test/))
    const other = await RawClient.connect(t, gateway.port)
    assert.equal((await askAll([other], 1)).served.length, 1)
    await untilMetric(gateway, 'http_server_active_requests', 0)
    assert.deepEqual(gateway.workers(), [pid])
  })
}
