// The circuit breaker of an upstream: when too many of its requests fail, it is left alone for a while.
//
//            failures >= errorRatio of >= minRequests           openMs over: one probe goes out
//   closed ───────────────────────────────────────────> open ──────────────────────────────────> half-open
//     ^                                                  ^                                         │    │
//     │                                                  └───────────── the probe failed ──────────┘    │
//     └─────────────────────────────── the probe succeeded; counts start anew ──────────────────────────┘
//
// Per worker. Time comes in; nothing here reads a clock or allocates.
import type { BreakerPlan } from '../../config/plan.ts'
import { SlidingCounts } from './sliding-counts.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

export class Breaker {
  state: BreakerState = 'closed'
  /** How often it opened. */
  opened = 0
  readonly #plan: BreakerPlan
  readonly #counts: SlidingCounts
  /** Open and half-open: no probe before this time. */
  #probeAtMs = Number.NEGATIVE_INFINITY
  /** Results of requests that began earlier say nothing about the present state. */
  #sinceMs = Number.NEGATIVE_INFINITY

  constructor(plan: BreakerPlan) {
    this.#plan = plan
    this.#counts = new SlidingCounts(plan.windowMs)
  }

  /**
   * Whether a request may go. Not closed: `true` sends the one probe, whose result must be recorded or forgotten;
   * a probe of which nothing is heard for `openMs` counts as lost and another may go.
   */
  allow(nowMs: number): boolean {
    if (this.state === 'closed') return true
    if (nowMs < this.#probeAtMs) return false
    this.state = 'half-open'
    this.#sinceMs = nowMs
    this.#probeAtMs = nowMs + this.#plan.openMs
    return true
  }

  /** The result of a request that began at `startedMs`. Returns whether the state changed. */
  record(startedMs: number, failed: boolean, nowMs: number): boolean {
    if (this.state === 'open' || startedMs < this.#sinceMs) return false
    if (this.state === 'half-open') {
      if (failed) this.#open(nowMs)
      else this.state = 'closed'
      return true
    }
    const counts = this.#counts
    counts.addTotal(nowMs)
    if (!failed) return false
    counts.addMarked(nowMs)
    if (counts.total < this.#plan.minRequests || counts.marked < counts.total * this.#plan.errorRatio) return false
    this.#open(nowMs)
    return true
  }

  /** A request ended without saying anything about the upstream; if it was the probe, another may go at once. */
  forget(startedMs: number, nowMs: number): void {
    if (this.state === 'half-open' && startedMs >= this.#sinceMs) this.#probeAtMs = nowMs
  }

  /** Whole seconds until the next probe, at least 1: what Retry-After says. */
  retryAfterSeconds(nowMs: number): number {
    return Math.max(1, Math.ceil((this.#probeAtMs - nowMs) / 1000))
  }

  #open(nowMs: number): void {
    this.state = 'open'
    this.opened++
    this.#probeAtMs = nowMs + this.#plan.openMs
    this.#counts.clear()
  }
}
