// What a worker counts. `PlanMetrics.record` is on the way of every request: indexes are fixed when the plan is loaded,
// and counting is a few additions to typed arrays. Each beat takes what changed as a `MetricsDelta`, which names routes
// and upstreams by name, so a switch of plans cannot credit one route's requests to another. Control adds them up.
import type { Plan } from '../../config/plan.ts'
import { errorKinds, type ErrorCode } from '../../shared/errors.ts'
import { guardOutcomes, type GuardOutcome } from '../../shared/guard-outcomes.ts'
import { ErrorReason } from '../../shared/native.ts'
import { callResults, hookNames, type CallResult } from '../../shared/plugin-hooks.ts'
import { CounterTable, HistogramTable, otherLabel } from './series.ts'

/** Since the last beat; only what changed. Histogram rows end in: sum of seconds, then bucket index and count pairs. */
export interface MetricsDelta {
  readonly server: readonly (readonly [route: string, method: string, status: string, ...numbers: number[]])[]
  readonly client: readonly (readonly [upstream: string, status: string, ...numbers: number[]])[]
  /** Body bytes by route. */
  readonly bytes: readonly (readonly [route: string, request: number, response: number])[]
  readonly errors: readonly (readonly [upstream: string, reason: string, count: number])[]
  readonly retries: readonly (readonly [upstream: string, count: number])[]
  /** What guards have decided. */
  readonly guards: readonly (readonly [route: string, guard: string, outcome: string, count: number])[]
  /** Calls of plugins by how they ended. */
  readonly plugins: readonly (readonly [plugin: string, hook: string, result: string, count: number])[]
  /** How long they took. */
  readonly pluginDurations: readonly (readonly [plugin: string, hook: string, ...numbers: number[]])[]
  /** Requests refused before a route was asked, by error code. */
  readonly rejections: readonly (readonly [code: string, count: number])[]
  readonly accessLogDropped: number
  /** Absolute values of this worker; null: as last sent. */
  readonly gauges: Gauges | null
}

export interface Gauges {
  readonly activeRequests: number
  /** One row an upstream and state. */
  readonly pool: readonly (readonly [upstream: string, state: string, connections: number])[]
  /** One row an endpoint: `up`, `down` (no address), `ejected`, `unhealthy`, `open` (circuit breaker)… */
  readonly health: readonly (readonly [upstream: string, endpoint: string, state: string])[]
}

/** What the worker's wiring reads its gauges from, once a beat. */
export interface GaugeSource {
  pool(): Gauges['pool']
  health(): Gauges['health']
}

/** By number; 0 and unknown ones are `_other`. */
const errorReasons: string[] = [otherLabel]
for (const [name, reason] of Object.entries(ErrorReason)) errorReasons[reason] = name

const rejectionCodes = Object.keys(errorKinds) as ErrorCode[]

/** Kinds of the answers that the front end gives below JavaScript (native/downstream), by status. */
const frontEndCodes: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  408: 'request_timeout',
  431: 'head_too_large',
  505: 'version_not_supported',
}

/** Counters of one plan. They live on after a switch until the last request that began with the plan has ended. */
export class PlanMetrics {
  readonly #routes: readonly string[]
  readonly #methods: readonly string[]
  readonly #upstreams: readonly string[]
  readonly #server: HistogramTable
  readonly #client: HistogramTable
  readonly #requestBytes: CounterTable
  readonly #responseBytes: CounterTable
  readonly #errors: CounterTable
  readonly #retries: CounterTable
  readonly #guards: CounterTable
  readonly #plugins: readonly string[]
  readonly #pluginCalls: CounterTable
  readonly #pluginDurations: HistogramTable
  /** Requests begun and not recorded. */
  active = 0

  constructor(plan: Plan, methods: readonly string[]) {
    this.#routes = [...plan.routes.map(route => route.name), otherLabel]
    this.#methods = [...methods, otherLabel]
    this.#upstreams = plan.upstreams.map(upstream => upstream.name)
    this.#server = new HistogramTable(this.#routes.length * this.#methods.length)
    this.#client = new HistogramTable(this.#upstreams.length)
    this.#requestBytes = new CounterTable(this.#routes.length)
    this.#responseBytes = new CounterTable(this.#routes.length)
    this.#errors = new CounterTable(this.#upstreams.length * errorReasons.length)
    this.#retries = new CounterTable(this.#upstreams.length)
    this.#guards = new CounterTable(plan.routes.length * guardOutcomes.length)
    this.#plugins = plan.plugins.map(plugin => plugin.name)
    const hooks = this.#plugins.length * hookNames.length
    this.#pluginCalls = new CounterTable(hooks * callResults.length)
    this.#pluginDurations = new HistogramTable(hooks)
  }

  /** Series of the server's histogram so far; bounded by routes, methods and known statuses. */
  get series(): number {
    return this.#server.size
  }

  /** A request has begun; `record` ends it. */
  begin(): void {
    this.active++
  }

  /** `route` is the plan's index, `method` an index into the names given; whatever lies outside counts as `_other`. */
  record(
    route: number,
    method: number,
    status: number,
    durationMs: number,
    requestBytes: number,
    responseBytes: number,
  ): void {
    this.active--
    const lastRoute = this.#routes.length - 1
    const lastMethod = this.#methods.length - 1
    const routeRow = route >= 0 && route < lastRoute ? route : lastRoute
    const methodRow = method >= 0 && method < lastMethod ? method : lastMethod
    this.#server.observe(routeRow * (lastMethod + 1) + methodRow, status, durationMs / 1000)
    if (requestBytes > 0) this.#requestBytes.add(routeRow, requestBytes)
    if (responseBytes > 0) this.#responseBytes.add(routeRow, responseBytes)
  }

  /** An attempt at an upstream that brought a response head. `durationMs` from submit to its end. */
  upstream(upstream: number, status: number, durationMs: number): void {
    if (upstream >= 0 && upstream < this.#upstreams.length) this.#client.observe(upstream, status, durationMs / 1000)
  }

  /** An attempt that failed, by `ErrorReason`. */
  upstreamError(upstream: number, reason: number): void {
    if (upstream < 0 || upstream >= this.#upstreams.length) return
    this.#errors.add(upstream * errorReasons.length + (reason > 0 && reason < errorReasons.length ? reason : 0), 1)
  }

  retry(upstream: number): void {
    if (upstream >= 0 && upstream < this.#upstreams.length) this.#retries.add(upstream, 1)
  }

  guard(route: number, outcome: GuardOutcome): void {
    this.#guards.add(route * guardOutcomes.length + outcome, 1)
  }

  /** `plugin` is the plan's index, `hook` one of `hookNames`. */
  plugin(plugin: number, hook: number, result: CallResult, durationMs: number): void {
    const row = plugin * hookNames.length + hook
    this.#pluginCalls.add(row * callResults.length + callResults.indexOf(result), 1)
    this.#pluginDurations.observe(row, 200, durationMs / 1000)
  }

  /** Adds what changed to the delta under construction. */
  takeInto(delta: DeltaRows): void {
    const methods = this.#methods.length
    this.#server.take((row, status, numbers) => {
      delta.server.push([this.#routes[Math.floor(row / methods)]!, this.#methods[row % methods]!, status, ...numbers])
    })
    this.#client.take((row, status, numbers) => {
      delta.client.push([this.#upstreams[row]!, status, ...numbers])
    })
    this.#requestBytes.take((route, bytes) => {
      delta.bytes.push([this.#routes[route]!, bytes, 0])
    })
    this.#responseBytes.take((route, bytes) => {
      delta.bytes.push([this.#routes[route]!, 0, bytes])
    })
    this.#errors.take((index, count) => {
      const reason = errorReasons[index % errorReasons.length]!
      delta.errors.push([this.#upstreams[Math.floor(index / errorReasons.length)]!, reason, count])
    })
    this.#retries.take((upstream, count) => {
      delta.retries.push([this.#upstreams[upstream]!, count])
    })
    this.#guards.take((index, count) => {
      const [guard, outcome] = guardOutcomes[index % guardOutcomes.length]!
      delta.guards.push([this.#routes[Math.floor(index / guardOutcomes.length)]!, guard, outcome, count])
    })
    this.#pluginCalls.take((index, count) => {
      const row = Math.floor(index / callResults.length)
      delta.plugins.push([...this.#pluginRow(row), callResults[index % callResults.length]!, count])
    })
    this.#pluginDurations.take((row, _status, numbers) => {
      delta.pluginDurations.push([...this.#pluginRow(row), ...numbers])
    })
  }

  #pluginRow(row: number): [plugin: string, hook: string] {
    return [this.#plugins[Math.floor(row / hookNames.length)]!, hookNames[row % hookNames.length]!]
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Row)[] ? Row[] : T[K] }
type DeltaRows = Mutable<MetricsDelta>

/** All that one worker counts, whatever the plan. */
export class WorkerMetrics {
  readonly #methods: readonly string[]
  readonly #rejections = new CounterTable(rejectionCodes.length)
  #plans: PlanMetrics[] = []
  #current: PlanMetrics | null = null
  #lastGauges = ''
  /** Set by the wiring. */
  gauges: GaugeSource | null = null
  /** Lines dropped since start, as the access log counts them. */
  accessLogDropped: () => number = () => 0
  #droppedBefore = 0
  /** Set by the wiring: answers given below JavaScript so far, as 32-bit counters by status. */
  frontEndAnswers: () => readonly (readonly [status: number, count: number])[] = () => []
  readonly #frontEndBefore = new Map<number, number>()

  /** `methods` are the names that method ids index; an id without a name counts as `_other`. */
  constructor(methods: readonly string[]) {
    this.#methods = methods
  }

  /** Counters for a plan being prepared. They are in use from `use` on. */
  forPlan(plan: Plan): PlanMetrics {
    return new PlanMetrics(plan, this.#methods)
  }

  /** The plan has been switched to. What came before is dropped when its last request has been counted. */
  use(metrics: PlanMetrics): void {
    this.#current = metrics
    if (!this.#plans.includes(metrics)) this.#plans.push(metrics)
  }

  /** A request was refused before any route was asked: a malformed head, overload. */
  rejected(code: ErrorCode): void {
    this.#rejections.add(rejectionCodes.indexOf(code), 1)
  }

  get activeRequests(): number {
    let active = 0
    for (const plan of this.#plans) active += plan.active
    return active
  }

  take(): MetricsDelta {
    const delta: DeltaRows = {
      server: [],
      client: [],
      bytes: [],
      errors: [],
      retries: [],
      guards: [],
      plugins: [],
      pluginDurations: [],
      rejections: [],
      accessLogDropped: 0,
      gauges: this.#takeGauges(),
    }
    for (const plan of this.#plans) plan.takeInto(delta)
    this.#plans = this.#plans.filter(plan => plan === this.#current || plan.active > 0)
    this.#countFrontEndAnswers()
    this.#rejections.take((index, count) => {
      delta.rejections.push([rejectionCodes[index]!, count])
    })
    const dropped = this.accessLogDropped()
    delta.accessLogDropped = dropped - this.#droppedBefore
    this.#droppedBefore = dropped
    return delta
  }

  #countFrontEndAnswers(): void {
    for (const [status, count] of this.frontEndAnswers()) {
      // The counters wrap.
      const more = (count - (this.#frontEndBefore.get(status) ?? 0)) >>> 0
      if (more === 0) continue
      this.#frontEndBefore.set(status, count)
      this.#rejections.add(rejectionCodes.indexOf(frontEndCodes[status] ?? 'bad_request'), more)
    }
  }

  #takeGauges(): Gauges | null {
    const gauges: Gauges = {
      activeRequests: this.activeRequests,
      pool: this.gauges?.pool() ?? [],
      health: this.gauges?.health() ?? [],
    }
    const text = JSON.stringify(gauges)
    if (text === this.#lastGauges) return null
    this.#lastGauges = text
    return gauges
  }
}
