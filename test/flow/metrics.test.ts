// Pins that every metric that the gateway promises exists at the admin port and moves with what really happens: requests,
// active ones, bytes, attempts, pool, retries, health, restarts, reloads, and requests refused below JavaScript, whose
// answers are those of the table of errors. Counters that a worker had reported survive its death.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { errorKinds, publicCode, type ErrorCode } from '../../ts/shared/errors.ts'
import { parseExposition } from '../control/fixture/prometheus.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { readBody, startUpstream } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

type Labels = Readonly<Record<string, string>>

class Metrics {
  readonly #gateway: RunningGateway

  constructor(gateway: RunningGateway) {
    this.#gateway = gateway
  }

  /** Sum over the samples with these labels; undefined where there is none. */
  async value(name: string, labels: Labels = {}): Promise<number | undefined> {
    const text = await (await fetch(`${this.#gateway.adminUrl}/metrics`)).text()
    const found = [...parseExposition(text).values()]
      .flatMap(family => family.samples)
      .filter(sample => sample.name === name)
      .filter(sample => Object.entries(labels).every(([key, wanted]) => sample.labels.get(key) === wanted))
    return found.length === 0 ? undefined : found.reduce((sum, sample) => sum + sample.value, 0)
  }

  /** Workers report each second, and nothing says when: asks until it is so. */
  async becomes(wanted: number, name: string, labels: Labels = {}): Promise<void> {
    let last: number | undefined
    const reached = async (): Promise<void> => {
      while ((last = await this.value(name, labels)) !== wanted) await new Promise(resolve => setTimeout(resolve, 50))
    }
    await within(10_000, `${name} ${JSON.stringify(labels)}`, reached()).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: expected ${wanted}, found ${last}`)
    })
  }
}

const post = (gateway: RunningGateway, path: string, body: string): Promise<Response> =>
  fetch(gateway.url + path, { method: 'POST', body })

async function running(scope: Scope): Promise<{ gateway: RunningGateway; metrics: Metrics; held: ServerResponse[] }> {
  const held: ServerResponse[] = []
  const upstream = await startUpstream(scope, (request, response) => {
    if (request.url === '/hold') return void held.push(response)
    void readBody(request).then(body => response.end(`${body.length} bytes`))
  })
  const dead = await freePort()
  const gateway = await startGateway(
    scope,
    `upstreams:
  echo: { peers: [ { url: "${upstream.url}" } ] }
  half: { peers: [ { url: "http://127.0.0.1:${dead}" }, { url: "${upstream.url}" } ], retries: 1 }
  dead: { peers: [ { url: "http://127.0.0.1:${dead}" } ], retries: 0 }
routes:
  - { name: echo, match: { path: "/echo/*" }, upstream: echo }
  - { name: hold, match: { path: /hold }, upstream: echo }
  - { name: half, match: { path: /half }, upstream: half }
  - { name: dead, match: { path: /dead }, upstream: dead }
`,
  )
  return { gateway, metrics: new Metrics(gateway), held }
}

describe('metrics', () => {
  test('requests, bytes and attempts, by route and upstream', async t => {
    const { gateway, metrics } = await running(t)
    for (let i = 0; i < 3; i++)
      assert.equal(await (await post(gateway, '/echo/x', 'a'.repeat(100))).text(), '100 bytes')
    const served = { http_route: 'echo', http_request_method: 'POST', http_response_status_code: '200' }
    await metrics.becomes(3, 'http_server_request_duration_seconds_count', served)
    await metrics.becomes(300, 'http_server_request_body_bytes_total', { http_route: 'echo' })
    await metrics.becomes(27, 'http_server_response_body_bytes_total', { http_route: 'echo' })
    const attempts = { upstream: 'echo', http_response_status_code: '200' }
    await metrics.becomes(3, 'http_client_request_duration_seconds_count', attempts)
    await metrics.becomes(3, 'http_server_request_duration_seconds_bucket', { ...served, le: '+Inf' })
    const sum = (await metrics.value('http_server_request_duration_seconds_sum', served)) ?? 0
    assert.ok(sum > 0 && sum < 60, `${sum} s`)
    assert.equal((await fetch(`${gateway.url}/nowhere`)).status, 404)
    const lost = { http_route: '_other', http_request_method: 'GET', http_response_status_code: '404' }
    await metrics.becomes(1, 'http_server_request_duration_seconds_count', lost)
    await metrics.becomes(1, 'polygate_front_end_rejections_total', { reason: 'no_route' })
  })

  test('active requests and the pool: one in flight, then none', async t => {
    const { gateway, metrics, held } = await running(t)
    const used = { upstream: 'echo', state: 'used' }
    const idle = { upstream: 'echo', state: 'idle' }
    const answer = fetch(`${gateway.url}/hold`)
    await metrics.becomes(1, 'http_server_active_requests')
    await metrics.becomes(1, 'polygate_upstream_pool_connections', used)
    assert.equal(await metrics.value('polygate_upstream_pool_connections', idle), 0)
    held[0]!.end('done')
    assert.equal(await (await answer).text(), 'done')
    await metrics.becomes(0, 'http_server_active_requests')
    await metrics.becomes(1, 'polygate_upstream_pool_connections', idle)
    assert.equal(await metrics.value('polygate_upstream_pool_connections', used), 0)
  })

  test('retries, failed attempts and health', async t => {
    const { gateway, metrics } = await running(t)
    assert.equal(
      await metrics.value('polygate_upstream_retries_total', { upstream: 'half' }),
      0,
      'present from the start',
    )
    for (let i = 0; i < 2; i++) assert.equal((await fetch(`${gateway.url}/half`)).status, 200)
    assert.equal((await fetch(`${gateway.url}/dead`)).status, 502)
    await metrics.becomes(1, 'polygate_upstream_errors_total', { upstream: 'dead' })
    // Which peer a request tries first is the balancer's business; each failure was one retry.
    const failures = await metrics.value('polygate_upstream_errors_total', { upstream: 'half' })
    assert.ok(failures === 1 || failures === 2, `${failures}`)
    assert.equal(await metrics.value('polygate_upstream_retries_total', { upstream: 'half' }), failures)
    assert.equal(await metrics.value('polygate_upstream_retries_total', { upstream: 'dead' }), 0)
    assert.equal(await metrics.value('polygate_upstream_endpoint_health', { upstream: 'echo', state: 'up' }), 1)
  })

  test('a killed worker: a restart, and what it had reported stays', async t => {
    const { gateway, metrics } = await running(t)
    assert.equal((await post(gateway, '/echo/x', 'x')).status, 200)
    const bytes = ['http_server_request_body_bytes_total', { http_route: 'echo' }] as const
    await metrics.becomes(1, ...bytes)
    assert.equal(await metrics.value('polygate_worker_restarts_total', { reason: 'signal' }), 0)
    const [worker] = gateway.workers()
    process.kill(worker!, 'SIGKILL')
    await metrics.becomes(1, 'polygate_worker_restarts_total', { reason: 'signal' })
    await metrics.becomes(1, 'polygate_workers_ready')
    assert.equal(await metrics.value(...bytes), 1)
    assert.equal((await post(gateway, '/echo/x', 'xx')).status, 200)
    await metrics.becomes(3, ...bytes)
  })

  test('reloads by result', async t => {
    const { gateway, metrics } = await running(t)
    const reloads = 'polygate_reloads_total'
    assert.deepEqual(
      [await metrics.value(reloads, { result: 'ok' }), await metrics.value(reloads, { result: 'refused' })],
      [0, 0],
    )
    const [before] = await labelsOf(gateway, 'polygate_plan_info')
    assert.match(await gateway.reload('routes: [ { name: a, match: {}, respond: {} } ]\n'), /reloaded/)
    assert.match(await gateway.reload('routes: 1\n'), /refused/)
    await metrics.becomes(1, reloads, { result: 'ok' })
    await metrics.becomes(1, reloads, { result: 'refused' })
    const [after] = await labelsOf(gateway, 'polygate_plan_info')
    assert.notEqual(before, after)
  })
})

async function labelsOf(gateway: RunningGateway, name: string): Promise<string[]> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
  return text.split('\n').filter(line => line.startsWith(`${name}{`))
}

describe('refused below JavaScript', () => {
  const refused: readonly (readonly [kind: ErrorCode, request: string])[] = [
    ['bad_request', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['bad_request', 'GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n'],
    ['head_too_large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`],
    ['version_not_supported', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'],
  ]

  test('is answered as the table of errors says, and counted, each once', async t => {
    const { gateway, metrics } = await running(t)
    for (const [kind, request] of refused) {
      const client = await RawClient.connect(t, gateway.port)
      await client.send(request)
      const { finals } = await client.finals(1)
      const { status, title } = errorKinds[kind]
      assert.equal(statusOf(finals[0]!), status, request.slice(0, 40))
      const { requestId, ...problem } = JSON.parse(finals[0]!.body.toString()) as Record<string, unknown>
      assert.deepEqual(problem, { type: 'about:blank', title, status, code: publicCode(kind) }, request.slice(0, 40))
      assert.match(String(requestId), /^[0-9a-f-]{32,36}$/)
    }
    const name = 'polygate_front_end_rejections_total'
    await metrics.becomes(2, name, { reason: 'bad_request' })
    await metrics.becomes(1, name, { reason: 'head_too_large' })
    await metrics.becomes(1, name, { reason: 'version_not_supported' })
    // A second report brings only what is new.
    const client = await RawClient.connect(t, gateway.port)
    await client.send(refused[3]![1])
    await client.finals(1)
    await metrics.becomes(2, name, { reason: 'version_not_supported' })
    assert.equal(await metrics.value(name, { reason: 'head_too_large' }), 1)
  })
})
