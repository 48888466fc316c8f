// The words between the worker and the thread of a JavaScript plugin.
import type { MessagePort } from 'node:worker_threads'
import type { LogFields, LogLevel } from '../../../shared/log.ts'
import type { ScriptPlan } from './script.ts'
import type { CallMessage, OutcomeMessage } from './wire.ts'

export interface ThreadTask {
  readonly plan: ScriptPlan
  readonly port: MessagePort
  /** Shared: odd while a hook runs, one more with each. */
  readonly running: Int32Array
}

/** All calls of a turn; or whether it is alive. */
export type ToThread = readonly CallMessage[] | 'ping'

export type FromThread =
  | { readonly kind: 'ready' | 'pong' }
  | { readonly kind: 'outcomes'; readonly outcomes: readonly OutcomeMessage[] }
  /** A line for the log. */
  | { readonly kind: 'said'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
