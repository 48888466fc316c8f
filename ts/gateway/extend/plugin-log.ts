// Lines of the log about one plugin: what it says itself, how its calls fail, what it would have done. A plugin that fails
// with each request must not drown the log: so many lines a second, and then a count of those left out.
import type { PluginPlan } from '../../config/plan.ts'
import type { Log, LogFields, LogLevel } from '../../shared/log.ts'
import type { HookName } from '../../shared/plugin-hooks.ts'
import type { Exchange } from '../exchange.ts'
import type { Failure, Outcome } from './outcome.ts'

const linesASecond = 20

export class PluginLog {
  readonly #log: Log
  readonly #fields: LogFields
  #secondMs = -Infinity
  #lines = 0

  constructor(log: Log, { name, version }: Pick<PluginPlan, 'name' | 'version'>) {
    this.#log = log
    this.#fields = { plugin: name, version }
  }

  /** What the plugin itself says. */
  said(level: LogLevel, message: string, fields: LogFields): void {
    this.#write(level, message, fields)
  }

  failed(hook: HookName, exchange: Exchange, { cause, reason }: Failure): void {
    this.#write('error', 'plugin failed', { ...placeOf(hook, exchange), cause, reason })
  }

  shadowed(hook: HookName, exchange: Exchange, { answer, edits, newBody }: Outcome): void {
    if (answer === null && edits === null && newBody === null) return
    const would = answer === null ? { edits: JSON.stringify(edits ?? []) } : { answer: answer.status }
    this.#write('info', 'plugin in shadow mode', { ...placeOf(hook, exchange), ...would })
  }

  #write(level: LogLevel, message: string, fields: LogFields): void {
    const nowMs = performance.now()
    if (nowMs - this.#secondMs >= 1000) {
      const leftOut = this.#lines - linesASecond
      if (leftOut > 0) this.#log.warn('plugin log: lines left out', { ...this.#fields, count: leftOut })
      this.#secondMs = nowMs
      this.#lines = 0
    }
    if (++this.#lines > linesASecond) return
    this.#log[level](message, { ...this.#fields, ...fields })
  }
}

/** Where a line comes from. */
export const placeOf = (hook: HookName, exchange: Exchange): LogFields => ({
  hook,
  route: exchange.route?.name ?? '',
  requestId: exchange.requestId,
})
