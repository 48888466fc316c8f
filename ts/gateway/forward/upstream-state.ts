// What an upstream has counted and decided lately: breaker, retry budget, counters. Used by upstream.ts alone.
import type { UpstreamPlan } from '../../config/plan.ts'
import { Breaker } from './breaker.ts'
import { RetryBudget } from './retry.ts'

/** What outlives a plan: a reload that leaves name, breaker and budget alone keeps their state and the counters. */
export class UpstreamState {
  readonly breaker: Breaker | null
  readonly budget: RetryBudget | null
  retries = 0
  /** Retries that were possible but for the budget. */
  retriesDenied = 0
  /** Attempts that found no endpoint. */
  withoutPeer = 0
  /** Attempts that an open breaker refused. */
  refusedByBreaker = 0

  constructor({ breaker, retries, retryBudget }: UpstreamPlan) {
    this.breaker = breaker === null ? null : new Breaker(breaker)
    this.budget = retries === 0 ? null : new RetryBudget(retryBudget)
  }
}
