// What a call of a hook costs in the host that a gateway has: the same request is put into the addon again and again, with
// and without the hook's stage behind it, in alternation, and the difference is the hook's. For `polygate plugin bench`.
import { readFileSync } from 'node:fs'
import type { Plan } from '../../config/plan.ts'
import { hookNames, type HookName } from '../../shared/plugin-hooks.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import { Plugins } from '../extend/plugins.ts'
import type { Stage } from '../pipeline.ts'
import { headText, openExchange, type TrialReply, type TrialRequest } from './client.ts'
import { nativeParts, runningTrial, trialPlan, trialStages, type NativeParts, type TrialStages } from './stages.ts'
import type { TrialOptions } from './trial.ts'
import { answering } from './upstream.ts'

export interface HookCost {
  readonly hook: HookName
  /** Microseconds of CPU a call on the thread of the gateway's loop, by round. */
  readonly loopUs: readonly number[]
  /** In other threads of the process: those of the plugin, and the JavaScript engine's own. */
  readonly otherUs: readonly number[]
  /** Calls of one round. */
  readonly calls: number
}

export interface MeasureOptions extends TrialOptions {
  readonly request: TrialRequest
  readonly reply: TrialReply
  readonly rounds: number
}

/** Calls that wait for an answer at once, where the plugin has a thread of its own. */
export const inFlight = 32
const roundMs = 60
const warmUpRounds = 3

/** Rejects with an Error that says why the plugin cannot be used. A call that fails is for the log to tell. */
export async function measureHooks(options: MeasureOptions): Promise<HookCost[]> {
  const { plugin, upstreams, consumers, asked, log, request, reply, rounds } = options
  const plan = trialPlan(plugin, upstreams, consumers)
  const slots = plugin.isolation === 'worker' ? inFlight : 1
  const parts = nativeParts(slots)
  const held = await new Plugins({ ...parts, callUpstream: answering(asked) }, log).hold(plan.plugins)
  const answers = new Answers()
  const stages = trialStages(plan, parts, held.list, {
    settle: (exchange, _tag, conclude) => answers.came(() => conclude(exchange)),
    replyOf: () => reply,
    consumerOf: () => request.consumer,
    answered() {},
  })
  try {
    const exchanges = openAll(slots, request, plan, stages)
    const rehearsal = new Rehearsal(exchanges, request, parts, answers)
    const costs: HookCost[] = []
    for (const hook of hookNames.filter(one => plugin.hooks.includes(one))) {
      costs.push({ hook, ...(await rehearsal.measure(stageOf(hook, stages, reply, request), rounds)) })
    }
    return costs
  } finally {
    held.release()
    stages.release()
  }
}

/** The same request so many times, each as it is when its route has been found. */
function openAll(slots: number, request: TrialRequest, plan: Plan, stages: TrialStages): Exchange[] {
  const running = runningTrial(plan, stages)
  return Array.from({ length: slots }, (_, slot) => {
    const { exchange } = openExchange(slot, 0, request, running)
    if ((stages.accept.head(exchange) || stages.match(exchange)) !== Verdict.next) {
      throw new Error(`a gateway takes no such request: ${exchange.detail}`)
    }
    return exchange
  })
}

function stageOf(
  hook: HookName,
  { extend, authenticate, upstream }: TrialStages,
  reply: TrialReply,
  request: TrialRequest,
): Stage {
  switch (hook) {
    case 'authenticate':
      return authenticate!
    case 'response': {
      const kind = upstream.write(reply, request.method)
      return exchange => extend.response!(exchange, kind, 0)
    }
    case 'log':
      return extend.log!
    case 'request':
    case 'authorize':
    case 'forward':
      return extend[hook]!.check
  }
}

/** Calls that have not been answered. */
class Answers {
  #due = 0
  #then: (() => void) | null = null

  came(conclude: () => void): void {
    conclude()
    if (--this.#due === 0) this.#then?.()
  }

  /** Resolves when so many have come. */
  await(calls: number): Promise<void> {
    this.#due += calls
    return new Promise(resolve => (this.#then = resolve))
  }
}

interface Used {
  readonly loopUs: number
  readonly allUs: number
}

class Rehearsal {
  readonly #exchanges: readonly Exchange[]
  readonly #parts: NativeParts
  readonly #answers: Answers
  readonly #head: Buffer
  readonly #body: Uint8Array

  constructor(exchanges: readonly Exchange[], request: TrialRequest, parts: NativeParts, answers: Answers) {
    this.#exchanges = exchanges
    this.#parts = parts
    this.#answers = answers
    this.#head = Buffer.from(headText(request), 'latin1')
    this.#body = request.body
  }

  async measure(stage: Stage, rounds: number): Promise<Omit<HookCost, 'hook'>> {
    const nothing: Stage = () => Verdict.next
    let calls = 1000
    for (let round = 0; round < warmUpRounds; round++) {
      await this.#use(nothing, calls)
      const { allUs } = await this.#use(stage, calls)
      calls = Math.ceil((calls * roundMs * 1000) / Math.max(allUs, 1000))
    }
    const loopUs: number[] = []
    const otherUs: number[] = []
    for (let round = 0; round < rounds; round++) {
      const without = await this.#use(nothing, calls)
      const used = await this.#use(stage, calls)
      const loop = (used.loopUs - without.loopUs) / calls
      loopUs.push(loop)
      otherUs.push(Math.max(0, (used.allUs - without.allUs) / calls - loop))
    }
    return { loopUs, otherUs, calls }
  }

  async #use(stage: Stage, calls: number): Promise<Used> {
    const before = cpuUs()
    for (let done = 0; done < calls; done += this.#exchanges.length) {
      let waiting = 0
      for (const exchange of this.#exchanges) {
        this.#restore(exchange)
        if (stage(exchange) === Verdict.later) waiting++
      }
      if (waiting > 0) await this.#answers.await(waiting)
    }
    const after = cpuUs()
    return { loopUs: after.loopUs - before.loopUs, allUs: after.allUs - before.allUs }
  }

  /** As it is when it comes to the hook for the first time. */
  #restore(exchange: Exchange): void {
    this.#parts.heads.takeText(exchange.slot, this.#head)
    exchange.answer = null
    exchange.code = null
    exchange.context = null
    exchange.chosenUpstream = -1
    exchange.collected = null
    exchange.editedReply = null
    exchange.held = exchange.framing === 0 ? null : [this.#body]
    exchange.heldBytes = this.#body.length
    exchange.bodyDone = true
    exchange.bodyReplaced = false
  }
}

/** Of this thread, and of the whole process. Elsewhere than on Linux the threads cannot be told apart. */
function cpuUs(): Used {
  const { user, system } = process.cpuUsage()
  const allUs = user + system
  try {
    const line = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1')
    return { loopUs: Number(line.slice(0, line.indexOf(' '))) / 1000, allUs }
  } catch {
    return { loopUs: allUs, allUs }
  }
}
