// Requests that the gateway makes itself to upstreams of its configuration, because a plugin asks for them: what they are and
// what comes of them. The forward stage makes them, runtimes of plugins want them; neither knows the other.
import type { HeaderPair } from '../config/plan.ts'

export interface UpstreamCall {
  /** Its name. */
  readonly upstream: string
  readonly method: string
  /** With the query. */
  readonly target: string
  readonly headers: readonly HeaderPair[]
  readonly body: Uint8Array | null
  /** For the whole of it, retries included. */
  readonly timeoutMs: number
  /** An answer with a longer body is a failure. */
  readonly maxAnswerBytes: number
}

export interface UpstreamAnswer {
  readonly status: number
  readonly headers: readonly HeaderPair[]
  readonly body: Uint8Array
}

/** `come`: called once, never before `call` has returned; a text says why there is no answer. Gives what forgets the call. */
export type CallUpstream = (call: UpstreamCall, come: (answer: UpstreamAnswer | string) => void) => () => void
