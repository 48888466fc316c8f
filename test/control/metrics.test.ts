// Pins that the totals follow the text format strictly, lose nothing of a dead worker but its gauges, credit no route
// with another's requests over a switch of plans, and stay bounded whatever clients and upstreams send.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exposition } from '../../ts/control/exposition.ts'
import { MetricsTotals } from '../../ts/control/metrics.ts'
import { WorkerMetrics } from '../../ts/gateway/record/metrics.ts'
import { ErrorReason } from '../../ts/shared/native.ts'
import { parseExposition, type Family } from './fixture/prometheus.ts'
import { planOf, upstreamOf } from './fixture/plans.ts'

const methods = ['GET', 'POST']

const textOf = (totals: MetricsTotals): string =>
  exposition({
    totals,
    planVersion: 'abc',
    polygateVersion: '0',
    frontEnd: 'front "end" \\ 1\n2',
    workersReady: 1,
    processes: [{ name: 'control', rssBytes: 4096, cpuSeconds: 0.25 }],
    keySets: [{ url: 'https://a/b?c="d"', keys: 2, ageSeconds: 1.5, ok: 3, failed: 1 }],
  })

function valueOf(families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number | undefined {
  for (const family of families.values()) {
    for (const sample of family.samples) {
      if (sample.name !== name) continue
      if (Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value)) return sample.value
    }
  }
  return undefined
}

test('ten thousand odd methods, routes and statuses add no series', () => {
  const plan = planOf({ routeNames: ['a'], upstreams: [upstreamOf('u', '127.0.0.1')] })
  const worker = new WorkerMetrics(methods)
  const metrics = worker.forPlan(plan)
  worker.use(metrics)
  const totals = new MetricsTotals()
  totals.use(plan)
  const send = (seed: number): void => {
    metrics.begin()
    metrics.record(seed, seed * 7, seed, 1, 1, 1)
    metrics.begin()
    metrics.record(-seed, -seed, -seed, 1, 1, 1)
    metrics.begin()
    metrics.record(0.5 + seed, NaN, NaN, NaN, NaN, NaN)
    metrics.upstream(0, seed, 1)
    metrics.upstreamError(0, seed)
    metrics.upstream(seed, 200, 1)
    metrics.retry(seed)
  }
  for (let seed = 2; seed < 1000; seed++) send(seed)
  totals.merge(1, true, worker.take())
  const before = { lines: textOf(totals).split('\n').length, series: metrics.series }
  for (let seed = 1000; seed < 11_000; seed++) send(seed)
  totals.merge(1, true, worker.take())
  // Names that no plan has, as a worker of another version might send them.
  for (let i = 0; i < 10_000; i++) {
    totals.merge(1, true, {
      server: [[`route-${i}`, 'GET', '200', 0.1, 3, 1]],
      client: [[`upstream-${i}`, '200', 0.1, 3, 1]],
      bytes: [[`route-${i}`, 1, 1]],
      errors: [[`upstream-${i}`, 'reset', 1]],
      retries: [[`upstream-${i}`, 1]],
      guards: [[`route-${i}`, 'key', 'unknown', 1]],
      plugins: [],
      pluginDurations: [],
      rejections: [],
      accessLogDropped: 0,
      gauges: null,
    })
  }
  const families = parseExposition(textOf(totals))
  assert.equal(metrics.series, before.series)
  const extra = textOf(totals).split('\n').length - before.lines
  // `_other` for a route, an upstream (histograms of 20 lines), an error and a retry series: once, not per name.
  assert.ok(extra < 60, `${extra} more lines`)
  assert.equal(valueOf(families, 'polygate_upstream_retries_total', { upstream: '_other' }), 10_000)
})

test('every family has HELP and TYPE, odd names are escaped, buckets add up', () => {
  const odd = 'a "quoted" \\ back\nslash é'
  const plan = planOf({ routeNames: [odd, 'plain'], upstreams: [upstreamOf(odd, '127.0.0.1')] })
  const worker = new WorkerMetrics(methods)
  const metrics = worker.forPlan(plan)
  worker.use(metrics)
  worker.gauges = { pool: () => [[odd, 'idle', 3]], health: () => [[odd, '127.0.0.1:9000', 'up']] }
  worker.accessLogDropped = () => 7
  const totals = new MetricsTotals()
  totals.use(plan)
  for (const durationMs of [0.1, 0.5, 0.7, 4, 90, 20_000]) {
    metrics.begin()
    metrics.record(0, 0, 200, durationMs, 10, 20)
  }
  metrics.begin()
  metrics.upstream(0, 502, 3)
  metrics.upstreamError(0, ErrorReason.reset)
  metrics.retry(0)
  worker.rejected('head_too_large')
  totals.merge(1, true, worker.take())
  totals.restarted('heartbeat')
  totals.reloaded('ok')
  const families = parseExposition(textOf(totals))
  const labels = { http_route: odd, http_request_method: 'GET', http_response_status_code: '200' }
  const bucket = (le: string) => valueOf(families, 'http_server_request_duration_seconds_bucket', { ...labels, le })
  assert.deepEqual(['0.0005', '0.001', '0.005', '0.1', '10', '+Inf'].map(bucket), [2, 3, 4, 5, 5, 6])
  assert.ok(Math.abs(valueOf(families, 'http_server_request_duration_seconds_sum', labels)! - 20.0953) < 1e-9)
  assert.equal(valueOf(families, 'http_server_request_body_bytes_total', { http_route: odd }), 60)
  assert.equal(valueOf(families, 'http_server_response_body_bytes_total', { http_route: odd }), 120)
  assert.equal(valueOf(families, 'http_server_response_body_bytes_total', { http_route: 'plain' }), 0)
  assert.equal(valueOf(families, 'http_server_active_requests'), 1)
  assert.equal(
    valueOf(families, 'http_client_request_duration_seconds_count', {
      upstream: odd,
      http_response_status_code: '502',
    }),
    1,
  )
  assert.equal(valueOf(families, 'polygate_upstream_errors_total', { upstream: odd, reason: 'reset' }), 1)
  assert.equal(valueOf(families, 'polygate_upstream_retries_total', { upstream: odd }), 1)
  assert.equal(valueOf(families, 'polygate_upstream_pool_connections', { upstream: odd, state: 'idle' }), 3)
  assert.equal(valueOf(families, 'polygate_front_end_rejections_total', { reason: 'head_too_large' }), 1)
  assert.equal(valueOf(families, 'polygate_access_log_dropped_total'), 7)
  assert.equal(valueOf(families, 'polygate_worker_restarts_total', { reason: 'heartbeat' }), 1)
  assert.equal(valueOf(families, 'polygate_worker_restarts_total', { reason: 'signal' }), 0)
  assert.equal(valueOf(families, 'polygate_reloads_total', { result: 'ok' }), 1)
  assert.equal(valueOf(families, 'polygate_plan_info', { version: 'abc' }), 1)
  assert.equal(valueOf(families, 'polygate_process_cpu_seconds_total', { process: 'control' }), 0.25)
  assert.equal(valueOf(families, 'polygate_build_info', { front_end: 'front "end" \\ 1\n2' }), 1)
})

test('a second beat brings only what is new, and nothing is counted twice', () => {
  const plan = planOf({ routeNames: ['a'] })
  const worker = new WorkerMetrics(methods)
  const metrics = worker.forPlan(plan)
  worker.use(metrics)
  metrics.begin()
  metrics.record(0, 0, 200, 1, 5, 5)
  assert.equal(worker.take().server.length, 1)
  const { server, bytes, gauges } = worker.take()
  assert.deepEqual({ server, bytes, gauges }, { server: [], bytes: [], gauges: null })
})

test('a dead worker takes its gauges along and leaves its counters; a late beat of it brings no gauge back', () => {
  const plan = planOf({ routeNames: ['a'] })
  const worker = new WorkerMetrics(methods)
  const metrics = worker.forPlan(plan)
  worker.use(metrics)
  metrics.begin()
  metrics.record(0, 0, 200, 1, 0, 0)
  metrics.begin()
  const totals = new MetricsTotals()
  totals.use(plan)
  totals.merge(7, true, worker.take())
  assert.equal(totals.activeRequests, 1)
  totals.forget(7)
  metrics.record(0, 0, 200, 1, 0, 0)
  metrics.begin()
  metrics.begin()
  totals.merge(7, false, worker.take())
  assert.equal(totals.activeRequests, 0)
  const families = parseExposition(textOf(totals))
  assert.equal(valueOf(families, 'http_server_request_duration_seconds_count', { http_route: 'a' }), 2)
})

test('over a switch each request counts for the route it began with, by name', () => {
  const [first, second] = [planOf({ routeNames: ['gone', 'stays'] }), planOf({ routeNames: ['stays', 'new'] })]
  const worker = new WorkerMetrics(methods)
  const old = worker.forPlan(first)
  worker.use(old)
  const totals = new MetricsTotals()
  totals.use(first)
  old.begin()
  old.begin()
  old.begin()
  old.record(1, 0, 200, 1, 0, 0)
  const current = worker.forPlan(second)
  worker.use(current)
  totals.merge(1, true, worker.take())
  totals.use(second)
  old.record(1, 0, 200, 1, 0, 0) // index 1 was `stays`, is `new`
  old.record(0, 0, 200, 1, 0, 0) // a route that is gone
  current.begin()
  current.record(0, 0, 200, 1, 0, 0)
  totals.merge(1, true, worker.take())
  const families = parseExposition(textOf(totals))
  const count = (route: string) =>
    valueOf(families, 'http_server_request_duration_seconds_count', { http_route: route })
  assert.deepEqual([count('stays'), count('new'), count('_other'), count('gone')], [3, undefined, 1, undefined])
  assert.equal(worker.activeRequests, 0)
})

test('a thousand switches leave no more series than one', () => {
  const worker = new WorkerMetrics(methods)
  const totals = new MetricsTotals()
  let lines = 0
  for (let round = 0; round < 1000; round++) {
    const plan = planOf({ routeNames: [`route-${round}`], upstreams: [upstreamOf(`upstream-${round}`, '127.0.0.1')] })
    const metrics = worker.forPlan(plan)
    worker.use(metrics)
    totals.use(plan)
    metrics.begin()
    metrics.record(0, 0, 200, 1, 1, 1)
    metrics.upstream(0, 200, 1)
    totals.merge(1, true, worker.take())
    if (round === 0) lines = textOf(totals).split('\n').length
  }
  assert.equal(textOf(totals).split('\n').length, lines)
})
