// What crosses between the worker and the thread of a plugin: plain arrays, all calls of a turn in one message and all
// answers that are ready in another. Read and written here and nowhere else, in the order of the indexes below.
import type { HeaderPair } from '../../../config/plan.ts'
import type { CallResult, FailureCause } from '../../../shared/plugin-hooks.ts'
import { callResults } from '../../../shared/plugin-hooks.ts'
import type { Exchange } from '../../exchange.ts'
import type { Edits, Outcome, PluginAnswer } from '../outcome.ts'
import type { UpstreamReply } from '../reply.ts'
import type { RuntimeParts } from '../runtime.ts'
import { pairsOf, valuesIn, type RequestSource } from './source.ts'

/** A call: its number, the hook's, the request, and for `response` the reply. */
export type CallMessage = [
  id: number,
  hook: number,
  method: string,
  scheme: string,
  host: string,
  path: string,
  query: string,
  headers: string[],
  body: Uint8Array | null,
  remoteAddress: string,
  requestId: string,
  route: string,
  consumer: string | null,
  context: Map<string, string> | null,
  status: number,
  block: string,
  replyBody: Uint8Array | null,
]

/** An outcome: the call's number, and what it says; `failure` by `callResults`, -1: none. */
export type OutcomeMessage = [
  id: number,
  failure: number,
  reason: string,
  answer: [status: number, headers: readonly HeaderPair[], body: string | Uint8Array] | null,
  edits: Edits | null,
  newBody: Uint8Array | null,
  named: string | null,
  status: number,
]

export function callMessage(
  id: number,
  hook: number,
  exchange: Exchange,
  reply: UpstreamReply | null,
  { exchanges, heads }: RuntimeParts,
  withBody: boolean,
): CallMessage {
  const { slot } = exchange
  return [
    id,
    hook,
    exchanges.editedMethod(slot),
    exchange.listener.scheme,
    exchanges.editedHost(slot),
    exchanges.editedPath(slot),
    exchanges.editedQuery(slot),
    heads.headers(slot),
    withBody ? exchange.wholeBody() : null,
    exchanges.remoteAddress(slot),
    exchange.requestId,
    exchange.route?.name ?? '',
    exchange.consumer?.plan.name ?? null,
    exchange.context,
    reply?.status ?? 0,
    reply?.block ?? '',
    reply?.body ?? null,
  ]
}

/** The request of a call, in the thread. */
export class SnapshotRequest implements RequestSource {
  readonly #call: CallMessage

  constructor(call: CallMessage) {
    this.#call = call
  }

  get method(): string {
    return this.#call[2]
  }

  get scheme(): string {
    return this.#call[3]
  }

  get host(): string {
    return this.#call[4]
  }

  get path(): string {
    return this.#call[5]
  }

  get query(): string {
    return this.#call[6]
  }

  header(name: string): readonly string[] {
    return valuesIn(this.#call[7], name)
  }

  headers(): readonly (readonly [name: string, value: string])[] {
    return pairsOf(this.#call[7])
  }

  get body(): Uint8Array | null {
    return this.#call[8]
  }

  get remoteAddress(): string {
    return this.#call[9]
  }

  get requestId(): string {
    return this.#call[10]
  }

  get route(): string {
    return this.#call[11]
  }

  get consumer(): string | null {
    return this.#call[12]
  }

  context(name: string): string | undefined {
    return this.#call[13]?.get(name)
  }
}

/** The upstream's reply of a call, in the thread. */
export const replyOf = ([, , , , , , , , , , , , , , status, block, body]: CallMessage): UpstreamReply => ({
  status,
  block,
  body,
  edited: false,
})

export function outcomeMessage(id: number, outcome: Outcome): OutcomeMessage {
  const { failure, answer, edits, newBody, named, status } = outcome
  return [
    id,
    failure === null ? -1 : callResults.indexOf(failure.cause),
    failure?.reason ?? '',
    answer === null ? null : [answer.status, answer.headers, answer.body],
    edits,
    newBody,
    named,
    status,
  ]
}

export function outcomeIn([, failure, reason, answer, edits, newBody, named, status]: OutcomeMessage): Outcome {
  return {
    failure: failure < 0 ? null : { cause: (callResults as readonly CallResult[])[failure] as FailureCause, reason },
    answer:
      answer === null ? null : ({ status: answer[0], headers: answer[1], body: answer[2] } satisfies PluginAnswer),
    edits,
    newBody,
    named,
    status,
  }
}
