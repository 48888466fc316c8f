// Prometheus' text format 0.0.4 of the totals, for `/metrics`. Names are derived from OpenTelemetry's HTTP conventions,
// with `polygate_` before what they do not know.
import { durationBounds } from '../gateway/record/series.ts'
import type { KeySetRow } from './key-sets.ts'
import type { Counter, Histogram, MetricsTotals } from './metrics.ts'

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/** One row a process: `control`, `worker 1`. */
export interface ProcessRow {
  readonly name: string
  readonly rssBytes: number
  readonly cpuSeconds: number
}

export interface ExpositionInput {
  readonly totals: MetricsTotals
  readonly planVersion: string
  readonly polygateVersion: string
  readonly frontEnd: string
  readonly workersReady: number
  readonly processes: readonly ProcessRow[]
  readonly keySets: readonly KeySetRow[]
}

export function exposition(input: ExpositionInput): string {
  const { totals, processes } = input
  const text = new Text()
  const route = ['http_route', 'http_request_method', 'http_response_status_code']
  const client = ['upstream', 'http_response_status_code']
  text.histogram(
    'http_server_request_duration_seconds',
    'Time from request to last byte of the answer.',
    route,
    totals.server.values(),
  )
  text.histogram(
    'http_client_request_duration_seconds',
    'Time of attempts at upstreams that brought an answer.',
    client,
    totals.client.values(),
  )
  text.gauge('http_server_active_requests', 'Requests in flight.', [], [{ labels: [], value: totals.activeRequests }])
  text.counter(
    'http_server_request_body_bytes_total',
    'Bytes of request bodies received.',
    ['http_route'],
    totals.requestBytes.values(),
  )
  text.counter(
    'http_server_response_body_bytes_total',
    'Bytes of response bodies sent.',
    ['http_route'],
    totals.responseBytes.values(),
  )
  text.gauge(
    'polygate_upstream_pool_connections',
    'Connections to upstreams.',
    ['upstream', 'state'],
    totals.pool().values(),
  )
  const health = ['upstream', 'endpoint', 'state']
  text.gauge('polygate_upstream_endpoint_health', 'Workers that see an endpoint so.', health, totals.health().values())
  text.counter(
    'polygate_upstream_errors_total',
    'Attempts that failed.',
    ['upstream', 'reason'],
    totals.errors.values(),
  )
  text.counter('polygate_upstream_retries_total', 'Attempts beyond the first.', ['upstream'], totals.retries.values())
  text.counter(
    'polygate_guard_decisions_total',
    'What guards of routes have decided.',
    ['http_route', 'guard', 'outcome'],
    totals.guards.values(),
  )
  keySets(text, input.keySets)
  text.counter(
    'polygate_plugin_calls_total',
    'Calls of plugins by how they ended.',
    ['plugin', 'hook', 'result'],
    totals.plugins.values(),
  )
  text.histogram(
    'polygate_plugin_duration_seconds',
    'How long calls of plugins took.',
    ['plugin', 'hook'],
    totals.pluginDurations.values(),
  )
  text.counter(
    'polygate_front_end_rejections_total',
    'Requests refused before a route was asked.',
    ['reason'],
    totals.rejections.values(),
  )
  text.counter(
    'polygate_access_log_dropped_total',
    'Access log lines lost.',
    [],
    [{ labels: [], value: totals.accessLogDropped }],
  )
  text.counter('polygate_worker_restarts_total', 'Workers lost and replaced.', ['reason'], totals.restarts.values())
  text.counter('polygate_reloads_total', 'Reloads by result.', ['result'], totals.reloads.values())
  text.gauge(
    'polygate_workers_ready',
    'Workers that serve the plan in force.',
    [],
    [{ labels: [], value: input.workersReady }],
  )
  text.gauge('polygate_plan_info', 'The plan in force.', ['version'], [{ labels: [input.planVersion], value: 1 }])
  const build = ['version', 'front_end', 'node']
  text.gauge('polygate_build_info', 'What runs.', build, [
    { labels: [input.polygateVersion, input.frontEnd, process.version], value: 1 },
  ])
  const rows = (value: (row: ProcessRow) => number): Counter[] =>
    processes.map(row => ({ labels: [row.name], value: value(row) }))
  text.gauge(
    'polygate_process_resident_memory_bytes',
    'Resident memory.',
    ['process'],
    rows(row => row.rssBytes),
  )
  text.counter(
    'polygate_process_cpu_seconds_total',
    'Processor time.',
    ['process'],
    rows(row => row.cpuSeconds),
  )
  return text.toString()
}

function keySets(text: Text, sets: readonly KeySetRow[]): void {
  const one = ({ url }: KeySetRow, value: number): Counter => ({ labels: [url], value })
  const count = sets.map(set => one(set, set.keys))
  text.gauge('polygate_key_set_keys', 'Keys of an issuer that tokens are verified with.', ['url'], count)
  const ages = sets.filter(({ keys }) => keys > 0).map(set => one(set, set.ageSeconds))
  text.gauge('polygate_key_set_age_seconds', 'Since the keys were last fetched.', ['url'], ages)
  const fetches = sets.flatMap(({ url, ok, failed }) => [
    { labels: [url, 'ok'], value: ok },
    { labels: [url, 'failed'], value: failed },
  ])
  text.counter('polygate_key_set_fetches_total', 'Fetches of keys.', ['url', 'outcome'], fetches)
}

class Text {
  readonly #lines: string[] = []

  counter(name: string, help: string, names: readonly string[], series: Iterable<Counter>): void {
    this.#simple(name, 'counter', help, names, series)
  }

  gauge(name: string, help: string, names: readonly string[], series: Iterable<Counter>): void {
    this.#simple(name, 'gauge', help, names, series)
  }

  histogram(name: string, help: string, names: readonly string[], series: Iterable<Histogram>): void {
    this.#head(name, 'histogram', help)
    for (const { labels, buckets, sum } of series) {
      const pairs = labelPairs(names, labels)
      let count = 0
      buckets.forEach((inBucket, index) => {
        count += inBucket
        const bound = durationBounds[index]
        this.#lines.push(`${name}_bucket{${[...pairs, `le="${bound ?? '+Inf'}"`].join(',')}} ${count}`)
      })
      const braces = pairs.length > 0 ? `{${pairs.join(',')}}` : ''
      this.#lines.push(`${name}_sum${braces} ${number(sum)}`, `${name}_count${braces} ${count}`)
    }
  }

  #simple(name: string, type: string, help: string, names: readonly string[], series: Iterable<Counter>): void {
    this.#head(name, type, help)
    for (const { labels, value } of series) {
      const pairs = labelPairs(names, labels)
      this.#lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${number(value)}`)
    }
  }

  #head(name: string, type: string, help: string): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

function labelPairs(names: readonly string[], labels: readonly string[]): string[] {
  return names.map((name, index) => `${name}="${escaped(labels[index] ?? '')}"`)
}

/** The format knows exactly these three escapes in a label's value. */
const escaped = (value: string): string => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')

/** Sums of many small times carry noise in their last digits, which every scrape would store. */
const number = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(12)))
