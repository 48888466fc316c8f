// What control and a worker say to each other over the IPC channel of child_process. JSON-able; one word a message.
// A switch of plans is a transaction with a number of its own: the same plan may be prepared twice, and a late answer
// to the first must not pass for one to the second.
import type { JwtKeyPlan } from '../config/jwt-keys.ts'
import type { Plan } from '../config/plan.ts'
import type { MetricsDelta } from '../gateway/record/metrics.ts'

/** How often a worker says that it lives. */
export const heartbeatMs = 100
/** Each so many beats bring what was counted: often enough for a death to cost little, rarely enough to cost nothing. */
export const beatsPerReport = 10

export type ToWorker =
  /** Load the plan beside the running one; nothing is visible to clients yet. */
  | { kind: 'prepare'; transaction: number; plan: Plan }
  /** Switch to the prepared plan. */
  | { kind: 'commit'; transaction: number; version: string }
  /** Forget the prepared plan. */
  | { kind: 'abort'; transaction: number; version: string }
  /** Keys that control has fetched from this URL; null: it has looked, and they are as they were. */
  | { kind: 'keySet'; url: string; keys: readonly JwtKeyPlan[] | null }
  /** Stop listening, end what is in flight, then exit 0; at the deadline exit anyway. */
  | { kind: 'drain'; deadlineMs: number }

export type FromWorker =
  /** First message: the process is up and waits for a plan. `frontEnd` says which uWebSockets.js runs. */
  | { kind: 'hello'; frontEnd: string }
  | { kind: 'prepared'; transaction: number; version: string }
  /** Of a prepare, or of a commit that failed after all. Transaction 0: the worker cannot run at all. */
  | { kind: 'refused'; transaction: number; version: string; reason: string }
  | { kind: 'committed'; transaction: number; version: string }
  /** Sent each `heartbeatMs`: liveness, and at times what was counted. Missed for half a second: the worker is replaced. */
  | { kind: 'beat'; metrics: MetricsDelta | null }
  /** A token is signed with a key that the set of this URL does not have. Answered by `keySet`. */
  | { kind: 'keySetWanted'; url: string }
  | { kind: 'drained' }
