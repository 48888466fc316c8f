// `host` as authors of JavaScript plugins see it: the log, values that live as long as the plugin does in this worker, and
// requests to upstreams of the configuration.
import type { LogFields, LogLevel } from '../../../shared/log.ts'
import type { UpstreamAnswer, UpstreamCall } from '../../../shared/upstream-calls.ts'
import { bytesOf, pairsOf, type HeadersGiven } from './message.ts'

type Fields = Readonly<Record<string, unknown>>

/** Values with an end, at most so many: the ones that were set first go first. */
class KeyValue {
  readonly #values = new Map<string, { readonly value: unknown; readonly endsMs: number }>()
  readonly #most = 10_000

  get(key: string): unknown {
    const found = this.#values.get(key)
    if (found === undefined) return undefined
    if (found.endsMs > performance.now()) return found.value
    this.#values.delete(key)
    return undefined
  }

  set(key: string, value: unknown, ttlMs: number): void {
    if (!(ttlMs > 0)) throw new RangeError(`a time to live is a number of milliseconds above 0, not ${String(ttlMs)}`)
    this.#values.delete(key)
    this.#values.set(key, { value, endsMs: performance.now() + ttlMs })
    if (this.#values.size > this.#most) this.#values.delete(this.#values.keys().next().value!)
  }

  delete(key: string): void {
    this.#values.delete(key)
  }
}

export interface PluginHost {
  readonly log: Readonly<Record<LogLevel, (message: string, fields?: Fields) => void>>
  readonly store: KeyValue
  readonly fetch: (upstream: string, request?: FetchOptions) => Promise<FetchedAnswer>
}

interface FetchOptions {
  readonly method?: string
  readonly path?: string
  readonly headers?: HeadersGiven
  readonly body?: string | Uint8Array | null
  readonly timeoutMs?: number
  readonly maxBytes?: number
}

const fetchTimeoutMs = 1000
const longestFetchMs = 60_000
const fetchedBytes = 1024 * 1024

export class FetchedAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array

  /** Values of one name are joined by commas. */
  constructor({ status, headers, body }: UpstreamAnswer) {
    const joined = new Map<string, string>()
    for (const [name, value] of headers) {
      const before = joined.get(name)
      joined.set(name, before === undefined ? value : `${before}, ${value}`)
    }
    this.status = status
    this.headers = joined
    this.body = body
  }

  text(): string {
    return new TextDecoder().decode(this.body)
  }

  json(): unknown {
    return JSON.parse(this.text())
  }
}

export interface HostParts {
  /** Writes a line of the log. */
  readonly say: (level: LogLevel, message: string, fields: LogFields) => void
  /** Rejects with an Error that says why there is no answer. */
  readonly ask: (call: UpstreamCall) => Promise<UpstreamAnswer>
}

export function createHost({ say, ask }: HostParts): PluginHost {
  const at =
    (level: LogLevel) =>
    (message: string, fields: Fields = {}): void => {
      const plain = Object.entries(fields).map(([name, value]) => [
        name,
        isPlain(value) ? value : JSON.stringify(value),
      ])
      say(level, String(message), Object.fromEntries(plain) as LogFields)
    }
  return {
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    store: new KeyValue(),
    fetch: async (upstream, request = {}) => new FetchedAnswer(await ask(callOf(upstream, request))),
  }
}

const isPlain = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)

export const failedCall = ({ upstream }: UpstreamCall, reason: string): Error =>
  new Error(`upstream ${upstream}: ${reason}`)

function callOf(upstream: string, request: FetchOptions): UpstreamCall {
  const { method = 'GET', path = '/', headers, body = null } = request
  const { timeoutMs = fetchTimeoutMs, maxBytes = fetchedBytes } = request
  if (!(timeoutMs > 0 && timeoutMs <= longestFetchMs)) {
    throw new RangeError(`timeoutMs is a number above 0, at most ${longestFetchMs}`)
  }
  if (!(maxBytes >= 0)) throw new RangeError('maxBytes is a number of bytes')
  return {
    upstream: String(upstream),
    method: String(method),
    target: String(path),
    headers: pairsOf(headers),
    body: body === null ? null : bytesOf(body),
    timeoutMs,
    maxAnswerBytes: maxBytes,
  }
}
