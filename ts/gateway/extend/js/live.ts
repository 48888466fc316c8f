// A request as it is: what an inline plugin asks for is read from the exchange and the addon, and nothing else is. Of no use
// when the request has ended: a plugin that keeps it must not see another request through it.
import type { Exchange } from '../../exchange.ts'
import type { RuntimeParts } from '../runtime.ts'
import { pairsOf, valuesIn, type RequestSource } from './source.ts'

export class LiveRequest implements RequestSource {
  readonly #exchange: Exchange
  readonly #tag: number
  readonly #parts: RuntimeParts
  readonly #withBody: boolean

  constructor(exchange: Exchange, parts: RuntimeParts, withBody: boolean) {
    this.#exchange = exchange
    this.#tag = exchange.tag
    this.#parts = parts
    this.#withBody = withBody
  }

  get #open(): Exchange {
    if (this.#exchange.tag === this.#tag) return this.#exchange
    throw new Error('the request is over: a plugin keeps what it needs of it in values of its own')
  }

  get method(): string {
    return this.#parts.exchanges.editedMethod(this.#open.slot)
  }

  get scheme(): string {
    return this.#open.listener.scheme
  }

  get host(): string {
    return this.#parts.exchanges.editedHost(this.#open.slot)
  }

  get path(): string {
    return this.#parts.exchanges.editedPath(this.#open.slot)
  }

  get query(): string {
    return this.#parts.exchanges.editedQuery(this.#open.slot)
  }

  header(name: string): readonly string[] {
    const { slot } = this.#open
    const joined = this.#parts.heads.header(slot, name)
    if (joined === undefined) return []
    // Several values come as one, and one may look like several.
    return joined.includes(', ') || joined.includes('; ') ? valuesIn(this.#parts.heads.headers(slot), name) : [joined]
  }

  headers(): readonly (readonly [name: string, value: string])[] {
    return pairsOf(this.#parts.heads.headers(this.#open.slot))
  }

  get body(): Uint8Array | null {
    return this.#withBody ? this.#open.wholeBody() : null
  }

  get remoteAddress(): string {
    return this.#parts.exchanges.remoteAddress(this.#open.slot)
  }

  get requestId(): string {
    return this.#open.requestId
  }

  get route(): string {
    return this.#open.route?.name ?? ''
  }

  get consumer(): string | null {
    return this.#open.consumer?.plan.name ?? null
  }

  context(name: string): string | undefined {
    return this.#open.context?.get(name)
  }
}
