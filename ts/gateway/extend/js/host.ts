// `host` as authors of JavaScript plugins see it: the log, and values that live as long as the plugin does in this worker.
import type { LogFields, LogLevel } from '../../../shared/log.ts'

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
}

/** `say`: writes a line of the log. */
export function createHost(say: (level: LogLevel, message: string, fields: LogFields) => void): PluginHost {
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
  }
}

const isPlain = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)
