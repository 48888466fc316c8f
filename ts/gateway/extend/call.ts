// One hook of one plugin: calls it, waits no longer than its deadline, and turns what it says into a verdict. The deadline,
// what a failure means, and shadow mode are the same for every runtime, and are here alone.
import type { PluginPlan } from '../../config/plan.ts'
import type { CallResult, HookName } from '../../shared/plugin-hooks.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import { failed, Pending, type Failure, type Outcome } from './outcome.ts'
import type { PluginLog } from './plugin-log.ts'
import type { UpstreamReply } from './reply.ts'
import type { CallHook } from './runtime.ts'

export interface CallOptions {
  readonly plugin: PluginPlan
  readonly hook: HookName
  readonly call: CallHook
  readonly log: PluginLog
  /** Counts the call. */
  readonly count: (result: CallResult, durationMs: number) => void
  /** Goes on with a request that had to wait; see GuardOptions. */
  readonly settle: (exchange: Exchange, tag: number, conclude: (exchange: Exchange) => Verdict) => void
  /** See ExtendOptions. */
  readonly stillAlive: () => void
  /** Does what the plugin wants done; a text says why it cannot be. */
  readonly apply: (exchange: Exchange, outcome: Outcome, reply: UpstreamReply | null) => string | null
  /** What it means that the plugin has not answered the request; absent: the request goes on. */
  readonly admit?: ((exchange: Exchange, outcome: Outcome) => Verdict) | undefined
}

/** Many calls at once that hold the worker for so long could look like one that never returns. */
const longMs = 5

/** `reply`: the upstream's, for the hook `response` alone. */
export type HookCall = (exchange: Exchange, reply: UpstreamReply | null) => Verdict

export function compileCall(options: CallOptions): HookCall {
  const { plugin, hook, call, log, count, settle, stillAlive, apply, admit } = options
  const { timeoutMs, onFailure } = plugin.settings[hook]
  const { shadow } = plugin
  const tentative = shadow || onFailure === 'open'
  const late = failed('timeout', `no answer within ${timeoutMs} ms`)

  function conclude(exchange: Exchange, reply: UpstreamReply | null, said: Outcome, durationMs: number): Verdict {
    const outcome = durationMs > timeoutMs ? late : said
    if (outcome.failure !== null) return fail(exchange, outcome.failure, durationMs)
    if (shadow) {
      log.shadowed(hook, exchange, outcome)
      count(outcome.answer === null ? 'continued' : 'responded', durationMs)
      return Verdict.next
    }
    const problem = apply(exchange, outcome, reply)
    if (problem !== null) return fail(exchange, { cause: 'invalid', reason: problem }, durationMs)
    if (outcome.answer === null) {
      count('continued', durationMs)
      return admit === undefined ? Verdict.next : admit(exchange, outcome)
    }
    count('responded', durationMs)
    exchange.answer = { ...outcome.answer, close: false }
    return Verdict.answer
  }

  function fail(exchange: Exchange, failure: Failure, durationMs: number): Verdict {
    count(failure.cause, durationMs)
    log.failed(hook, exchange, failure)
    if (shadow || onFailure === 'open') return Verdict.next
    return exchange.refuse(failure.cause === 'timeout' ? 'plugin_timeout' : 'plugin_failed')
  }

  function wait(exchange: Exchange, reply: UpstreamReply | null, pending: Pending, startedMs: number): Verdict {
    const { tag } = exchange
    const timer = setTimeout(() => {
      pending.come(late)
      pending.abandoned?.()
    }, timeoutMs)
    pending.listener = outcome => {
      clearTimeout(timer)
      const durationMs = performance.now() - startedMs
      settle(exchange, tag, waiting => conclude(waiting, reply, outcome, durationMs))
    }
    return exchange.hold()
  }

  const awaitedBytes = hook === 'response' || hook === 'log' ? 0 : plugin.requestBodyBytes
  return (exchange, reply) => {
    if (awaitedBytes > 0) {
      const there = exchange.awaitBody(awaitedBytes)
      if (there !== Verdict.next) return there === Verdict.later ? exchange.hold() : there
    }
    const startedMs = performance.now()
    const said = call(exchange, reply, timeoutMs, tentative)
    if (said instanceof Pending) return wait(exchange, reply, said, startedMs)
    const durationMs = performance.now() - startedMs
    if (durationMs > longMs) stillAlive()
    return conclude(exchange, reply, said, durationMs)
  }
}
