// Adds up what the workers report. Counters outlive the worker that reported them; gauges go with it. The number of
// series is bounded by the plan in force: a route that it does not have counts as `_other`, and series of routes and
// upstreams that are gone are dropped at the switch. Text form: exposition.ts.
import type { Plan } from '../config/plan.ts'
import type { Gauges, MetricsDelta } from '../gateway/record/metrics.ts'
import { bucketCount, otherLabel } from '../gateway/record/series.ts'
import { endReasons, type EndReason } from './worker-process.ts'

export interface Histogram {
  readonly labels: readonly string[]
  readonly buckets: number[]
  sum: number
}

export interface Counter {
  readonly labels: readonly string[]
  value: number
}

/** Label values joined by a character that is in none of them. */
const keyOf = (labels: readonly string[]): string => labels.join('\0')

export class Histograms {
  readonly #series = new Map<string, Histogram>()

  add(labels: readonly string[], numbers: readonly number[]): void {
    const key = keyOf(labels)
    let series = this.#series.get(key)
    if (!series) this.#series.set(key, (series = { labels, buckets: new Array<number>(bucketCount).fill(0), sum: 0 }))
    series.sum += numbers[0] ?? 0
    for (let i = 1; i + 1 < numbers.length; i += 2) {
      const bucket = numbers[i]!
      if (bucket >= 0 && bucket < bucketCount) series.buckets[bucket]! += numbers[i + 1]!
    }
  }

  keepOnly(keep: (labels: readonly string[]) => boolean): void {
    for (const [key, series] of this.#series) if (!keep(series.labels)) this.#series.delete(key)
  }

  values(): Iterable<Histogram> {
    return this.#series.values()
  }
}

export class Counters {
  readonly #series = new Map<string, Counter>()

  add(labels: readonly string[], amount: number): void {
    const key = keyOf(labels)
    const series = this.#series.get(key)
    if (series) series.value += amount
    else this.#series.set(key, { labels, value: amount })
  }

  keepOnly(keep: (labels: readonly string[]) => boolean): void {
    for (const [key, series] of this.#series) if (!keep(series.labels)) this.#series.delete(key)
  }

  values(): Iterable<Counter> {
    return this.#series.values()
  }
}

export class MetricsTotals {
  /** route, method, status */
  readonly server = new Histograms()
  /** upstream, status */
  readonly client = new Histograms()
  readonly requestBytes = new Counters()
  readonly responseBytes = new Counters()
  readonly errors = new Counters()
  readonly retries = new Counters()
  /** route, guard, outcome */
  readonly guards = new Counters()
  /** plugin, hook, result */
  readonly plugins = new Counters()
  /** plugin, hook */
  readonly pluginDurations = new Histograms()
  readonly rejections = new Counters()
  readonly restarts = new Counters()
  readonly reloads = new Counters()
  accessLogDropped = 0
  /** By worker process id. */
  readonly #gauges = new Map<number, Gauges>()
  #routes = new Set<string>()
  #upstreams = new Set<string>()

  constructor() {
    // Present from the start, so that the first increase is one.
    for (const reason of endReasons) this.restarts.add([reason], 0)
    for (const result of ['ok', 'refused']) this.reloads.add([result], 0)
  }

  /** The plan has been switched to. */
  use(plan: Plan): void {
    this.#routes = new Set(plan.routes.map(route => route.name))
    this.#upstreams = new Set(plan.upstreams.map(upstream => upstream.name))
    const hasRoute = ([route]: readonly string[]): boolean => route === otherLabel || this.#routes.has(route!)
    const hasUpstream = ([upstream]: readonly string[]): boolean =>
      upstream === otherLabel || this.#upstreams.has(upstream!)
    this.server.keepOnly(hasRoute)
    this.requestBytes.keepOnly(hasRoute)
    this.guards.keepOnly(hasRoute)
    this.responseBytes.keepOnly(hasRoute)
    const names = new Set(plan.plugins.map(plugin => plugin.name))
    const hasPlugin = ([plugin]: readonly string[]): boolean => names.has(plugin!)
    this.plugins.keepOnly(hasPlugin)
    this.pluginDurations.keepOnly(hasPlugin)
    this.client.keepOnly(hasUpstream)
    this.errors.keepOnly(hasUpstream)
    this.retries.keepOnly(hasUpstream)
    for (const name of this.#routes) {
      this.requestBytes.add([name], 0)
      this.responseBytes.add([name], 0)
    }
    for (const name of this.#upstreams) this.retries.add([name], 0)
  }

  merge(pid: number, alive: boolean, delta: MetricsDelta): void {
    for (const [route, method, status, ...numbers] of delta.server) {
      this.server.add([this.#route(route), method, status], numbers)
    }
    for (const [upstream, status, ...numbers] of delta.client)
      this.client.add([this.#upstream(upstream), status], numbers)
    for (const [route, request, response] of delta.bytes) {
      this.requestBytes.add([this.#route(route)], request)
      this.responseBytes.add([this.#route(route)], response)
    }
    for (const [upstream, reason, count] of delta.errors) this.errors.add([this.#upstream(upstream), reason], count)
    for (const [upstream, count] of delta.retries) this.retries.add([this.#upstream(upstream)], count)
    for (const [route, guard, outcome, count] of delta.guards)
      this.guards.add([this.#route(route), guard, outcome], count)
    for (const [plugin, hook, result, count] of delta.plugins) this.plugins.add([plugin, hook, result], count)
    for (const [plugin, hook, ...numbers] of delta.pluginDurations) this.pluginDurations.add([plugin, hook], numbers)
    for (const [code, count] of delta.rejections) this.rejections.add([code], count)
    this.accessLogDropped += delta.accessLogDropped
    if (delta.gauges && alive) this.#gauges.set(pid, delta.gauges)
  }

  /** Gauges of a process that is gone say nothing any more. */
  forget(pid: number): void {
    this.#gauges.delete(pid)
  }

  restarted(reason: EndReason): void {
    this.restarts.add([reason], 1)
  }

  reloaded(result: 'ok' | 'refused'): void {
    this.reloads.add([result], 1)
  }

  get activeRequests(): number {
    let active = 0
    for (const gauges of this.#gauges.values()) active += gauges.activeRequests
    return active
  }

  /** upstream, state; summed over workers. */
  pool(): Counters {
    const pool = new Counters()
    for (const gauges of this.#gauges.values()) {
      for (const [upstream, state, connections] of gauges.pool) pool.add([this.#upstream(upstream), state], connections)
    }
    return pool
  }

  /** upstream, endpoint, state -> workers that see it so. */
  health(): Counters {
    const health = new Counters()
    for (const gauges of this.#gauges.values()) {
      for (const [upstream, endpoint, state] of gauges.health) health.add([upstream, endpoint, state], 1)
    }
    return health
  }

  #route(name: string): string {
    return this.#routes.has(name) ? name : otherLabel
  }

  #upstream(name: string): string {
    return this.#upstreams.has(name) ? name : otherLabel
  }
}
