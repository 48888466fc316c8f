// Whether a failed request may be sent again, and the budget that keeps retries from multiplying an outage.
// A response that has a status is never retried: the upstream has decided.
import type { UpstreamPlan } from '../../config/plan.ts'
import { AttemptFlag, ErrorReason } from '../../shared/native.ts'
import type { FailedAttempt } from './failure.ts'
import { SlidingCounts } from './sliding-counts.ts'

/** RFC 9110 section 9.2.2. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return true
    default:
      return false
  }
}

/**
 * Whether sending again is safe: nothing was sent, or the method is idempotent and no byte of a response came; and
 * the body is still there. Says nothing about how often: see RetryBudget.
 */
export function isRetryable({ reason, flags, idempotent, bodyStreamed }: FailedAttempt): boolean {
  switch (reason) {
    // The gateway's own trouble: it would meet every attempt alike.
    case ErrorReason.clientPanic:
    case ErrorReason.clientClosed:
    case ErrorReason.descriptorLimit:
    case ErrorReason.bodyMismatch:
      return false
  }
  if (bodyStreamed) return false
  if ((flags & AttemptFlag.nothingSent) !== 0) return true
  return idempotent && (flags & AttemptFlag.nothingReceived) !== 0
}

const windowMs = 10_000

/**
 * Retries of the last 10 s stay below `ratio` of the requests of the last 10 s plus `minPerSecond` x 10: under a
 * failing upstream the load grows by `ratio` at most, while a quiet one may still retry.
 */
export class RetryBudget {
  readonly #ratio: number
  readonly #floor: number
  readonly #counts = new SlidingCounts(windowMs)

  constructor(plan: UpstreamPlan['retryBudget']) {
    this.#ratio = plan.ratio
    this.#floor = (plan.minPerSecond * windowMs) / 1000
  }

  /** A request, at its first attempt. */
  deposit(nowMs: number): void {
    this.#counts.addTotal(nowMs)
  }

  /** Takes one retry out, if there is one. */
  withdraw(nowMs: number): boolean {
    const counts = this.#counts
    counts.advance(nowMs)
    if (counts.marked + 1 > counts.total * this.#ratio + this.#floor) return false
    counts.addMarked(nowMs)
    return true
  }
}
