// A worker without sockets: one route, one plugin, and the real pipeline between a client and an upstream that are none.
// For `polygate plugin test`: the plugin runs in the host in which it runs in a gateway, with its deadline and what its
// failures mean, and the request lies in the addon as there. Only forward, respond and record are the trial's own.
import type { PluginPlan } from '../../config/plan.ts'
import type { Log } from '../../shared/log.ts'
import { Phase, Verdict } from '../exchange.ts'
import { Plugins } from '../extend/plugins.ts'
import type { Stage, Stages } from '../pipeline.ts'
import { openExchange, tagOf, type TrialReply, type TrialRequest } from './client.ts'
import { nativeParts, runningTrial, trialPlan, trialStages } from './stages.ts'
import { answering } from './upstream.ts'
import type { Forwarded } from './upstream.ts'

export interface TrialOptions {
  readonly plugin: PluginPlan
  /** That the plugin may choose, beside the route's, which is called `upstream`. */
  readonly upstreams: readonly string[]
  readonly consumers: readonly string[]
  /** What upstreams answer when the plugin asks them, by name. */
  readonly asked: Readonly<Record<string, TrialReply>>
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
export async function openTrial({ plugin, upstreams, consumers, asked, log }: TrialOptions): Promise<Trial> {
  const plan = trialPlan(plugin, upstreams, consumers)
  const parts = nativeParts(slot + 1)
  const held = await new Plugins({ ...parts, callUpstream: answering(asked) }, log).hold(plan.plugins)
  const last = new LastHook()
  let current: Current | null = null
  let generation = 0

  const stages = trialStages(plan, parts, held.list, {
    settle(exchange, tag, conclude) {
      if (exchange.tag === tag) running.pipeline.settled(exchange, conclude(exchange))
      else {
        conclude(exchange)
        last.ended()
      }
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
      exchange.tag = tagOf(slot, ++generation)
      last.whenEnded(() => resolve({ forwarded, answer }))
    },
  })
  const running = runningTrial(plan, last.watch(stages))

  return {
    run: (request, reply) =>
      new Promise((resolve, reject) => {
        current = { request, reply, resolve, reject }
        const { exchange, sendBody } = openExchange(slot, generation, request, running)
        running.pipeline.request(exchange)
        sendBody()
      }),
    close() {
      held.release()
      stages.release()
    },
  }
}

/** The hook `log`, which may go on when its request is over. */
class LastHook {
  #isRunning = false
  #then: (() => void) | null = null

  watch(stages: Stages): Stages {
    const { log } = stages.extend
    if (log === null) return stages
    const watched: Stage = exchange => {
      const verdict = log(exchange)
      this.#isRunning = verdict === Verdict.later
      return verdict
    }
    return { ...stages, extend: { ...stages.extend, log: watched } }
  }

  ended(): void {
    this.#isRunning = false
    this.#then?.()
    this.#then = null
  }

  whenEnded(then: () => void): void {
    if (this.#isRunning) this.#then = then
    else then()
  }
}
