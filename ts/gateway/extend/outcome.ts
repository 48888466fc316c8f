// What a plugin has said in one call, the same for every runtime. Made by runtimes, read by call.ts.
import type { HeaderPair } from '../../config/plan.ts'
import type { FailureCause } from '../../shared/plugin-hooks.ts'

/** Edits as a plugin wrote them down: kind, name, value, kind, name, value, ... What a kind has no use for is ''. */
export type Edits = (number | string)[]
export const editParts = 3

export const EditKind = {
  set: 0,
  append: 1,
  remove: 2,
  path: 3,
  query: 4,
  method: 5,
  host: 6,
  upstream: 7,
  context: 8,
} as const

/** An answer in the upstream's place. */
export interface PluginAnswer {
  readonly status: number
  readonly headers: readonly HeaderPair[]
  readonly body: string | Uint8Array
}

export interface Failure {
  readonly cause: FailureCause
  /** For the log: the plugin's own words, with its stack. */
  readonly reason: string
}

export interface Outcome {
  readonly failure: Failure | null
  readonly answer: PluginAnswer | null
  readonly edits: Edits | null
  /** In place of the body that the plugin was given. */
  readonly newBody: Uint8Array | null
  /** Of `authenticate`: who the client is; null: the plugin knows no credential of this request. */
  readonly named: string | null
  /** Of `response`: the status in place of the upstream's; 0: that. */
  readonly status: number
}

export const failed = (cause: FailureCause, reason: string): Outcome => ({
  failure: { cause, reason },
  answer: null,
  edits: null,
  newBody: null,
  named: null,
  status: 0,
})

/** An outcome that is still to come. Nobody hears of one that comes after the deadline. */
export class Pending {
  listener: ((outcome: Outcome) => void) | null = null
  /** Set by the runtime: nobody waits any more. */
  abandoned: (() => void) | null = null

  come(outcome: Outcome): void {
    const { listener } = this
    this.listener = null
    listener?.(outcome)
  }
}
