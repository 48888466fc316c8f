// `request` as authors of JavaScript plugins see it (plugins/sdk/js has the types). Edits are only written down: they hold for
// the request when the call has ended well. Made by inline.ts and thread.ts, one a call.
import { EditKind, editParts } from '../outcome.ts'
import { PluginHeaders } from './headers.ts'
import { bytesOf, PluginMessage } from './message.ts'
import type { RequestSource } from './source.ts'

export class PluginRequest extends PluginMessage {
  readonly #source: RequestSource
  #headers: PluginHeaders | null = null

  constructor(source: RequestSource) {
    super()
    this.#source = source
  }

  get headers(): PluginHeaders {
    return (this.#headers ??= new PluginHeaders(this.#source, this))
  }

  get method(): string {
    return this.#edited(EditKind.method) ?? this.#source.method
  }

  set method(method: string) {
    this.#write(EditKind.method, 'method', method)
  }

  get scheme(): string {
    return this.#source.scheme
  }

  get host(): string {
    return this.#edited(EditKind.host) ?? this.#source.host
  }

  set host(host: string) {
    this.#write(EditKind.host, 'host', host)
  }

  get path(): string {
    return this.#edited(EditKind.path) ?? this.#source.path
  }

  set path(path: string) {
    this.#write(EditKind.path, 'path', path)
  }

  get query(): string {
    return this.#edited(EditKind.query) ?? this.#source.query
  }

  set query(query: string) {
    this.#write(EditKind.query, 'query', query)
  }

  /** Forwards to another upstream of the configuration. */
  forwardTo(upstream: string): void {
    this.#write(EditKind.upstream, 'upstream', upstream)
  }

  /** The whole body, not to be written to; null where plugin.yaml does not ask for it. */
  get body(): Uint8Array | null {
    return this.newBody ?? this.#source.body
  }

  set body(body: string | Uint8Array) {
    if (this.#source.body === null) throw new TypeError('plugin.yaml does not ask for the body of requests')
    this.newBody = bytesOf(body)
  }

  get remoteAddress(): string {
    return this.#source.remoteAddress
  }

  get requestId(): string {
    return this.#source.requestId
  }

  get route(): string {
    return this.#source.route
  }

  get consumer(): string | null {
    return this.#source.consumer
  }

  /** Texts that travel with the request from hook to hook. */
  get context(): { get(name: string): string | undefined; set(name: string, value: string): void } {
    return {
      get: name => this.#edited(EditKind.context, name) ?? this.#source.context(name),
      set: (name, value) => {
        if (typeof name !== 'string') throw new TypeError(`a name is a text, not ${typeof name}`)
        this.#write(EditKind.context, name, value)
      },
    }
  }

  /** Of this call, the last. */
  #edited(kind: number, name?: string): string | undefined {
    const { edits } = this
    if (edits === null) return undefined
    for (let at = edits.length - editParts; at >= 0; at -= editParts) {
      if (edits[at] === kind && (name === undefined || edits[at + 1] === name)) return String(edits[at + 2])
    }
    return undefined
  }

  #write(kind: number, name: string, value: string): void {
    if (typeof value !== 'string') throw new TypeError(`${name} is a text, not ${typeof value}`)
    ;(this.edits ??= []).push(kind, name, value)
  }
}
