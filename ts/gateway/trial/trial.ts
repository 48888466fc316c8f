// A worker without sockets: one route, one plugin, and the real pipeline between a client and an upstream that are none.
// For `polygate plugin test`: the plugin runs in the host in which it runs in a gateway, with its deadline and what its
// failures mean, and the request lies in the addon as there. Only forward, respond and record are the trial's own.
import type { PluginPlan } from '../../config/plan.ts'
import type { Log } from '../../shared/log.ts'
import { Exchange, Phase, type ExchangeCallbacks, type RunningPlan } from '../exchange.ts'
import { Pending } from '../extend/outcome.ts'
import { Plugins, type HeldPlugin } from '../extend/plugins.ts'
import type { CallHook } from '../extend/runtime.ts'
import { pipeline } from '../pipeline.ts'
import {
  frontEndRequest,
  frontEndResponse,
  listenerOf,
  type BodyHandler,
  type TrialReply,
  type TrialRequest,
} from './client.ts'
import { nativeParts, trialPlan, trialStages } from './stages.ts'
import type { Forwarded } from './upstream.ts'

export interface TrialOptions {
  readonly plugin: PluginPlan
  /** That the plugin may choose, beside the route's, which is called `upstream`. */
  readonly upstreams: readonly string[]
  readonly consumers: readonly string[]
  /** Hears what a worker's log would. */
  readonly log: Log
}

export interface TrialResult {
  /** Null: the upstream got nothing. */
  readonly forwarded: Forwarded | null
  /** What the client got. */
  readonly answer: TrialReply
}

export interface Trial {
  /** One request at a time. Resolves when the plugin has seen its end, too. Rejects where there can be no such request. */
  run(request: TrialRequest, reply: TrialReply): Promise<TrialResult>
  close(): void
}

/** Of the request that runs. */
interface Current {
  readonly request: TrialRequest
  readonly reply: TrialReply
  readonly resolve: (result: TrialResult) => void
  readonly reject: (error: Error) => void
}

const slot = 0

/** Rejects with an Error that says why the plugin cannot be used. */
export async function openTrial({ plugin, upstreams, consumers, log }: TrialOptions): Promise<Trial> {
  const plan = trialPlan(plugin, upstreams, consumers)
  const parts = nativeParts(slot + 1)
  const held = await new Plugins(parts, log).hold(plan.plugins)
  const last = new LastHook()
  let current: Current | null = null
  let generation = 0

  const stages = trialStages(plan, parts, held.list.map(last.watch), {
    settle(exchange, tag, conclude) {
      if (exchange.phase === Phase.free) last.ended(() => conclude(exchange))
      else if (exchange.tag === tag) running.pipeline.settled(exchange, conclude(exchange))
    },
    replyOf: () => current!.reply,
    consumerOf: () => current!.request.consumer,
    answered(exchange, answer) {
      const { resolve, reject } = current!
      if (exchange.routeId < 0) reject(new Error(`a gateway takes no such request: ${exchange.detail}`))
      const forwarded = stages.upstream.take(exchange)
      running.pipeline.ended(exchange)
      parts.exchanges.end(slot)
      exchange.phase = Phase.free
      // What a plugin has kept of the request is of no use any more.
      exchange.tag = slot | (++generation << 16)
      last.whenEnded(() => resolve({ forwarded, answer }))
    },
  })
  const running: RunningPlan = {
    plan,
    pipeline: pipeline(stages),
    responseEdits: [0],
    via: '',
    begun() {},
    exchanges: 0,
    release() {},
  }

  function begin(request: TrialRequest): void {
    let onBody: BodyHandler | null = null
    const exchange = new Exchange(slot, callbacks)
    exchange.tag = slot | (generation << 16)
    exchange.phase = Phase.open
    exchange.running = running
    exchange.listener = listenerOf(request)
    exchange.request = frontEndRequest(request)
    exchange.response = frontEndResponse(request, handler => (onBody = handler))
    running.pipeline.request(exchange)
    ;(onBody as BodyHandler | null)?.(new Uint8Array(request.body).buffer, true)
  }

  return {
    run: (request, reply) =>
      new Promise((resolve, reject) => {
        current = { request, reply, resolve, reject }
        begin(request)
      }),
    close() {
      held.release()
      stages.release()
    },
  }
}

const callbacks: ExchangeCallbacks = {
  aborted() {},
  body: (exchange, chunk, last) => exchange.running.pipeline.body(exchange, chunk, last),
  writable: () => true,
  corked() {},
  requestId: () => '',
}

/** The hook `log`, which may go on when its request is over. */
class LastHook {
  #isRunning = false
  #then: (() => void) | null = null

  readonly watch = (plugin: HeldPlugin): HeldPlugin => {
    const { hooks } = plugin.ready
    const { log } = hooks
    if (log === undefined) return plugin
    const watched: CallHook = (exchange, reply, timeoutMs, tentative) => {
      const said = log(exchange, reply, timeoutMs, tentative)
      this.#isRunning = said instanceof Pending
      return said
    }
    return { ...plugin, ready: { ...plugin.ready, hooks: { ...hooks, log: watched } } }
  }

  ended(conclude: () => void): void {
    conclude()
    this.#isRunning = false
    this.#then?.()
    this.#then = null
  }

  whenEnded(then: () => void): void {
    if (this.#isRunning) this.#then = then
    else then()
  }
}
