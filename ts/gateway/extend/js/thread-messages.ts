// The words between the worker and the thread of a JavaScript plugin.
import type { MessagePort } from 'node:worker_threads'
import type { LogFields, LogLevel } from '../../../shared/log.ts'
import type { UpstreamAnswer, UpstreamCall } from '../../../shared/upstream-calls.ts'
import type { ScriptPlan } from './script.ts'
import type { CallMessage, OutcomeMessage } from './wire.ts'

export interface ThreadTask {
  readonly plan: ScriptPlan
  readonly port: MessagePort
  /** Shared: odd while a hook runs, one more with each. */
  readonly running: Int32Array
}

/** All calls of a turn; whether it is alive; or what has come of a request to an upstream. */
export type ToThread = readonly CallMessage[] | 'ping' | Answered

export interface Answered {
  readonly asked: number
  /** A text says why there is no answer. */
  readonly answer: UpstreamAnswer | string
}

export type FromThread =
  | { readonly kind: 'ready' | 'pong' }
  | { readonly kind: 'outcomes'; readonly outcomes: readonly OutcomeMessage[] }
  /** A request to an upstream, by a number of its own. */
  | { readonly kind: 'asks'; readonly asked: number; readonly call: UpstreamCall }
  /** A line for the log. */
  | { readonly kind: 'said'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
