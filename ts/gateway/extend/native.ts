// What the runtimes of the addon have in common: a plugin is called by the worker's own thread, in one crossing. What it edits
// lies beside the head at once, but for a call that may have to be undone: then its edits come back as a list. An instance
// that has broken is made anew by the addon. rust.ts and lua.ts say how one is loaded.
import type { HeaderPair, PluginPlan } from '../../config/plan.ts'
import type { LogLevel } from '../../shared/log.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import { noHead } from '../../shared/native-edits.ts'
import { PluginCall, pluginConsumer, PluginVerdict, type PluginSaid } from '../../shared/native-plugins.ts'
import { hookNames, type FailureCause, type HookName } from '../../shared/plugin-hooks.ts'
import type { Exchange } from '../exchange.ts'
import { failed, type Edits, type Outcome } from './outcome.ts'
import { placeOf } from './plugin-log.ts'
import type { UpstreamReply } from './reply.ts'
import type { CallHook, MakeReady, RuntimeParts } from './runtime.ts'

/** Has the addon load a plugin: its number. Throws an Error that says why it cannot be used. */
export type Load = (plan: PluginPlan, exchanges: NativeExchanges) => number

/** What a plugin wants done that has made its edits itself: nothing. */
const nothing: Outcome = {
  failure: null,
  answer: null,
  edits: null,
  newBody: null,
  named: null,
  status: 0,
}
const over = failed('error', 'the request is over')
const noBody = new Uint8Array(0)

export const nativeRuntime =
  (load: Load): MakeReady =>
  (plan, parts) =>
    Promise.resolve().then(() => {
      const plugin = new NativePlugin(plan, parts, load)
      const hooks = plan.hooks.map((hook): [HookName, CallHook] => [hook, plugin.hook(hook)])
      return { hooks: Object.fromEntries(hooks), close: () => plugin.close() }
    })

export const hookPlaces = (hooks: readonly HookName[]): number[] => hooks.map(hook => hookNames.indexOf(hook))

class NativePlugin {
  readonly #plan: PluginPlan
  readonly #parts: RuntimeParts
  /** The addon's. */
  readonly #number: number

  /** Throws an Error that says why it cannot be used. */
  constructor(plan: PluginPlan, parts: RuntimeParts, load: Load) {
    this.#plan = plan
    this.#parts = parts
    const { exchanges } = parts
    this.#number = load(plan, exchanges)
    this.#say(exchanges.pluginLines(this.#number), {})
  }

  hook(hook: HookName): CallHook {
    const place = hookNames.indexOf(hook)
    const withBody = this.#plan.requestBodyBytes > 0 && hook !== 'response' && hook !== 'log'
    const always = place | (withBody ? PluginCall.body : 0)
    return (exchange, reply, timeoutMs, tentative) => {
      const flags = always | (tentative ? PluginCall.tentative : 0)
      const verdict = this.#call(flags, exchange, reply, timeoutMs, withBody)
      if (verdict === 0) return nothing
      if (verdict === noHead) return over
      if ((verdict & PluginVerdict.logged) !== 0) {
        this.#say(this.#parts.exchanges.pluginLines(this.#number), placeOf(hook, exchange))
      }
      if ((verdict & (PluginVerdict.failed | PluginVerdict.said)) === 0) return nothing
      return outcomeOf(this.#parts.exchanges.pluginSaid())
    }
  }

  close(): void {
    this.#say(this.#parts.exchanges.dropPlugin(this.#number), {})
  }

  #call(flags: number, exchange: Exchange, reply: UpstreamReply | null, timeoutMs: number, withBody: boolean): number {
    const { context } = exchange
    return this.#parts.exchanges.callPlugin(
      this.#number,
      flags |
        (exchange.listener.scheme === 'https' ? PluginCall.tls : 0) |
        (context === null ? 0 : PluginCall.context) |
        (reply === null ? 0 : PluginCall.reply) |
        pluginConsumer(exchange.consumer?.number ?? 0),
      exchange.slot,
      timeoutMs,
      exchange.route!.name,
      withBody ? exchange.wholeBody() : null,
      context === null ? null : [...context].flat(),
      reply?.status,
      reply?.block,
      reply === null || this.#plan.responseBodyBytes === 0 ? null : reply.body,
    )
  }

  #say(lines: readonly string[], fields: ReturnType<typeof placeOf>): void {
    for (let at = 0; at < lines.length; at += 2) {
      this.#parts.log.said(lines[at] as LogLevel, lines[at + 1]!, fields)
    }
  }
}

function outcomeOf(said: PluginSaid): Outcome {
  if (said.cause !== '') return failed(causeOf(said.cause), said.reason)
  const edits: Edits = []
  said.kinds.forEach((kind, at) => edits.push(kind, said.texts[at * 2]!, said.texts[at * 2 + 1]!))
  const headers: HeaderPair[] = []
  for (let at = 0; at < said.answerHeaders.length; at += 2) {
    headers.push([said.answerHeaders[at]!, said.answerHeaders[at + 1]!])
  }
  return {
    failure: null,
    answer: said.answerStatus === 0 ? null : { status: said.answerStatus, headers, body: said.answerBody ?? noBody },
    edits: edits.length === 0 ? null : edits,
    newBody: said.newBody,
    named: said.named,
    status: said.newStatus,
  }
}

function causeOf(cause: string): FailureCause {
  if (cause === 'deadline') return 'timeout'
  return cause === 'error' ? 'error' : 'lost'
}
