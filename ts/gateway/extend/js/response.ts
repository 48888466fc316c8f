// `response` as authors of JavaScript plugins see it. Made by inline.ts, one a call.
import { linesOf, type UpstreamReply } from '../reply.ts'
import { PluginHeaders, type HeaderSource } from './headers.ts'
import { bytesOf, PluginMessage } from './message.ts'

export class PluginResponse extends PluginMessage {
  readonly #reply: UpstreamReply
  #headers: PluginHeaders | null = null

  constructor(reply: UpstreamReply) {
    super()
    this.#reply = reply
    this.status = reply.status
  }

  get headers(): PluginHeaders {
    return (this.#headers ??= new PluginHeaders(linesIn(this.#reply.block), this))
  }

  /** The whole body; null where plugin.yaml does not ask for it. */
  get body(): Uint8Array | null {
    return this.newBody ?? this.#reply.body
  }

  set body(body: string | Uint8Array) {
    if (this.#reply.body === null) throw new TypeError('plugin.yaml does not ask for the body of responses')
    this.newBody = bytesOf(body)
  }
}

const linesIn = (block: string): HeaderSource => ({
  header: name => [...linesOf(block)].flatMap(([one, value]) => (one.toLowerCase() === name ? [value] : [])),
  headers: () => [...linesOf(block)].map(([name, value]) => [name.toLowerCase(), value] as const),
})
