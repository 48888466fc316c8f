// Whether an endpoint may be picked: passive health (what its traffic shows) and the verdict of active checks.
//
//            `failures` in a row              ejection over: one request as a trial
//   in use ─────────────────────> ejected ─────────────────────────────────────────> on trial
//     ^                            ^   │ success (all were ejected, it was tried)      │    │
//     │                            │   └────────────────────────┐                      │    │
//     │                            └───── failure: twice as long, up to maxEjectMs ────┘    │
//     └────────────────────────────────────────────────────────-┴────── success ────────────┘
//
// Any number of endpoints may be ejected; when no other is left, ejections are ignored (see balance.ts), so passive
// health alone never makes an upstream unavailable. Active checks do. Each worker judges by its own traffic and its
// own checks. Time comes in; nothing here reads a clock.
import type { PassiveHealthPlan } from '../../config/plan.ts'
import type { OnStateChange } from './state-change.ts'

/** How many checks in a row turn the verdict. */
export interface CheckThresholds {
  readonly healthyAfter: number
  readonly unhealthyAfter: number
}

export class Health {
  /** The active checks say that it is down. Until they have said anything it is taken to be up. */
  down = false
  /** Not picked before this time: ejected, or its trial is out. */
  blockedUntilMs = Number.NEGATIVE_INFINITY
  /** Ejections since the last success. */
  ejections = 0
  readonly #subject: string
  readonly #passive: PassiveHealthPlan | null
  readonly #thresholds: CheckThresholds | null
  readonly #onChange: OnStateChange
  #failuresInRow = 0
  #ejectedAtMs = Number.NEGATIVE_INFINITY
  #returnsAtMs = Number.NEGATIVE_INFINITY
  #checksPassed = 0
  #checksFailed = 0

  constructor(
    subject: string,
    passive: PassiveHealthPlan | null,
    thresholds: CheckThresholds | null,
    onChange: OnStateChange,
  ) {
    this.#subject = subject
    this.#passive = passive
    this.#thresholds = thresholds
    this.#onChange = onChange
  }

  /** A request goes out. After an ejection it is the trial: no other follows until it has succeeded, or for `ejectMs`. */
  started(nowMs: number): void {
    if (this.ejections !== 0 && nowMs >= this.#returnsAtMs) this.blockedUntilMs = nowMs + this.#passive!.ejectMs
  }

  /** A good response head came for a request that began at `startedMs`: an ejected endpoint is back. */
  responded(startedMs: number): void {
    if (this.ejections !== 0 && startedMs > this.#ejectedAtMs) this.#recover('a request succeeded')
  }

  /** A whole good response came. Only that ends a row of failures: a peer that dies in each body answers with 200. */
  succeeded(): void {
    this.#failuresInRow = 0
  }

  failed(startedMs: number, cause: string, nowMs: number): void {
    const passive = this.#passive
    // What began before the last ejection fails for the reason that is known already.
    if (passive === null || startedMs <= this.#ejectedAtMs) return
    if (this.ejections === 0) {
      if (++this.#failuresInRow < passive.failures) return
    } else if (startedMs < this.#returnsAtMs) {
      // Sent in spite of the ejection, because all were ejected: no reason to double the time.
      return
    }
    const forMs = Math.min(passive.ejectMs * 2 ** this.ejections, passive.maxEjectMs)
    this.ejections++
    this.#failuresInRow = 0
    this.#ejectedAtMs = nowMs
    this.#returnsAtMs = nowMs + forMs
    this.blockedUntilMs = this.#returnsAtMs
    this.#onChange({ kind: 'ejected', subject: this.#subject, cause, forMs })
  }

  /** The trial ended without a result (the client went away): another may go at once. */
  forget(startedMs: number, nowMs: number): void {
    if (this.ejections !== 0 && startedMs >= this.#returnsAtMs) this.blockedUntilMs = nowMs
  }

  /** The result of an active check. Turning healthy ends an ejection, too; a single good check does not. */
  checked(passed: boolean, cause: string): void {
    const thresholds = this.#thresholds
    if (thresholds === null) return
    this.#checksPassed = passed ? this.#checksPassed + 1 : 0
    this.#checksFailed = passed ? 0 : this.#checksFailed + 1
    if (this.down && this.#checksPassed >= thresholds.healthyAfter) {
      this.down = false
      this.#onChange({ kind: 'healthy', subject: this.#subject, cause, forMs: 0 })
      if (this.ejections !== 0) this.#recover('active checks pass')
    } else if (!this.down && this.#checksFailed >= thresholds.unhealthyAfter) {
      this.down = true
      this.#onChange({ kind: 'unhealthy', subject: this.#subject, cause, forMs: 0 })
    }
  }

  /** For snapshots. */
  state(nowMs: number): 'up' | 'down' | 'ejected' | 'trial' {
    if (this.down) return 'down'
    if (this.ejections === 0) return 'up'
    return nowMs < this.#returnsAtMs ? 'ejected' : 'trial'
  }

  #recover(cause: string): void {
    this.ejections = 0
    this.#failuresInRow = 0
    this.blockedUntilMs = Number.NEGATIVE_INFINITY
    this.#onChange({ kind: 'recovered', subject: this.#subject, cause, forMs: 0 })
  }
}
