// Pins that ten reloads under load fail no request: each is answered whole by one plan or the other, connections stay
// open, new ones are taken, and a request that waits for its answer meanwhile ends on the plan that it began with.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho, startRawUpstream } from '../helpers/upstream.ts'
import { statusOf, valuesOf, type WireMessage } from '../helpers/wire.ts'

const waitMs = 10_000
const reloads = 10
const clients = 8
/** A client begins anew on another connection after so many requests. */
const requestsPerConnection = 50

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const post = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`

class Load {
  readonly answers = new Map<string, number>()
  #over = false
  #answered: () => void = () => {}
  readonly #loops: Promise<void>[]
  /** Never resolves. */
  readonly #failed: Promise<never>

  constructor(t: TestContext, gateway: RunningGateway) {
    this.#loops = Array.from({ length: clients }, () => this.#loop(t, gateway))
    this.#failed = Promise.race(this.#loops.map(loop => loop.then(() => new Promise<never>(() => {}))))
    // Looked at by `more` and `end`; a rejection must not be one that nobody handles until then.
    this.#failed.catch(() => {})
  }

  async #loop(t: TestContext, gateway: RunningGateway): Promise<void> {
    while (!this.#over) {
      const client = await RawClient.connect(t, gateway.port)
      for (let nth = 1; nth <= requestsPerConnection && !this.#over; nth++) {
        await client.send(nth % 2 === 0 ? get(`/${nth}`) : post(`/${nth}`))
        const { finals, rest } = await within(waitMs, 'an answer', client.finals(nth))
        assert.equal(finals.length, nth, `the connection ended before answer ${nth}: ${rest.toString('latin1')}`)
        this.#take(finals[nth - 1]!, `/${nth}`)
        assert.equal(rest.length, 0)
      }
      client.destroy()
    }
  }

  #take(answer: WireMessage, path: string): void {
    assert.equal(statusOf(answer), 200, answer.body.toString())
    assert.deepEqual(answer.faults, [])
    const plan = valuesOf(answer, 'x-plan').join()
    const seen = JSON.parse(answer.body.toString()) as { url: string; headers: Record<string, string> }
    assert.equal(seen.url, path)
    // Both ends of one request belong to one plan.
    assert.equal(seen.headers['x-plan'], plan)
    this.answers.set(plan, (this.answers.get(plan) ?? 0) + 1)
    this.#answered()
  }

  /** Waits until the plan has answered some more, so that a reload meets requests of it. */
  async more(plan: string): Promise<void> {
    const wanted = (this.answers.get(plan) ?? 0) + 2 * clients
    const enough = new Promise<void>(resolve => {
      this.#answered = () => {
        if ((this.answers.get(plan) ?? 0) >= wanted) resolve()
      }
    })
    await within(waitMs, `answers of ${plan}`, Promise.race([enough, this.#failed]))
  }

  /** Rejects if any request has failed. */
  async end(): Promise<number> {
    this.#over = true
    await Promise.all(this.#loops)
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0)
  }
}

test('ten reloads fail no request', async t => {
  const echo = await startEcho(t)
  let arrived: (socket: Socket) => void = () => {}
  const waiting = new Promise<Socket>(resolve => (arrived = resolve))
  const slow = await startRawUpstream(t, async (socket, received) => {
    await received('\r\n\r\n')
    arrived(socket)
  })
  const plan = (name: string): string => `
workers: 2
upstreams:
  echo: { peers: [ { url: "${echo.url}" } ], pool: { maxConnections: ${name === 'blue' ? 100 : 200} } }
  slow: { peers: [ { url: "${slow.url}" } ] }
routes:
  - name: all
    match: { path: "/*" }
    upstream: echo
    requestHeaders: { set: { x-plan: ${name} } }
    responseHeaders: { set: { x-plan: ${name} } }
  - { name: slow, match: { path: /slow }, upstream: slow, responseHeaders: { set: { x-plan: ${name} } } }
`
  const gateway = await startGateway(t, plan('blue'))
  const load = new Load(t, gateway)
  await load.more('blue')
  const patient = await RawClient.connect(t, gateway.port)
  await patient.send(get('/slow'))
  const socket = await within(waitMs, 'the slow request', waiting)
  const workers = gateway.workers()

  for (let nth = 1; nth <= reloads; nth++) {
    const name = nth % 2 === 0 ? 'blue' : 'green'
    assert.match(await gateway.reload(plan(name)), /reloaded/)
    await load.more(name)
  }
  socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const { finals } = await within(waitMs, 'the answer to the slow request', patient.finals(1))
  assert.equal(finals[0]?.body.toString(), 'ok')
  assert.deepEqual(valuesOf(finals[0], 'x-plan'), ['blue'])
  const answered = await load.end()
  t.diagnostic(`${answered} requests, none failed`)
  assert.deepEqual([...load.answers.keys()].sort(), ['blue', 'green'])
  assert.deepEqual(gateway.workers(), workers)
  await untilMetrics(gateway, 'all requests in the metrics', samples => {
    const counted = ['GET', 'POST'].map(
      method =>
        `http_server_request_duration_seconds_count{http_route="all",http_request_method="${method}",http_response_status_code="200"}`,
    )
    return (
      counted.reduce((sum, series) => sum + (samples.get(series) ?? 0), 0) === answered &&
      samples.get('polygate_reloads_total{result="ok"}') === reloads
    )
  })
})
