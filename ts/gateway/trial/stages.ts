// The stages of a trial: accept, match, guard programs and extend as a gateway compiles them, with the trial's own ends.
import { readConfig } from '../../config/load.ts'
import type { HeaderPair, Plan, PluginPlan } from '../../config/plan.ts'
import { native, Row, RowKind, type NativeExchanges } from '../../shared/native.ts'
import { methodNames, type RequestHeads } from '../../shared/native-heads.ts'
import { acceptStage } from '../accept/accept.ts'
import { Verdict, type Exchange, type RunningPlan } from '../exchange.ts'
import { createApplier } from '../extend/apply.ts'
import { compileExtend, type ExtendOptions } from '../extend/extend.ts'
import type { HeldPlugin } from '../extend/plugins.ts'
import { linesOf } from '../extend/reply.ts'
import { knowConsumers } from '../guard/consumers.ts'
import { guardStage } from '../guard/guard.ts'
import { admitNamed } from '../guard/guards.ts'
import { compileProgram, type Requirement } from '../guard/program.ts'
import { localStage, matchStage } from '../match/match.ts'
import { pipeline, type Stage, type Stages } from '../pipeline.ts'
import { WorkerMetrics } from '../record/metrics.ts'
import { composeAnswer } from '../respond/answer.ts'
import type { TrialReply } from './client.ts'
import { trialUpstream, type TrialUpstream } from './upstream.ts'

/** The route's own upstream. */
const routeUpstream = 'upstream'

/** One route, which has the plugin. `upstreams`: others than the route's, which is called `upstream`. */
export function trialPlan(plugin: PluginPlan, upstreams: readonly string[], consumers: readonly string[]): Plan {
  const names = [routeUpstream, ...upstreams.filter(name => name !== routeUpstream)]
  const config = {
    listen: [{ port: 0 }],
    upstreams: Object.fromEntries(names.map(name => [name, { peers: [{ url: 'http://127.0.0.1:9' }] }])),
    consumers: Object.fromEntries(consumers.map(name => [name, {}])),
    routes: [{ name: 'trial', match: {}, upstream: routeUpstream }],
  }
  const { plan } = readConfig(JSON.stringify(config), 'trial', {})
  return { ...plan, plugins: [plugin], routes: plan.routes.map(route => ({ ...route, plugins: [0] })) }
}

export interface NativeParts {
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
}

export function nativeParts(slots: number): NativeParts {
  const addon = native()
  const heads = new addon.RequestHeads({ slots, maxHeadBytes: 0, maxHeaders: 0 })
  return { heads, exchanges: new addon.Exchanges(heads.id) }
}

export interface TrialStages extends Stages {
  readonly upstream: TrialUpstream
  /** The plugin's hook of that name, where it has it. */
  readonly authenticate: Stage | undefined
  release(): void
}

export interface TrialEnds {
  readonly settle: ExtendOptions['settle']
  /** What the upstream answers. */
  readonly replyOf: (exchange: Exchange) => TrialReply
  /** Whom the route's guards find the client to be; null: there are none that look. */
  readonly consumerOf: (exchange: Exchange) => string | null
  /** The client has its answer. */
  readonly answered: (exchange: Exchange, answer: TrialReply) => void
}

export function trialStages(
  plan: Plan,
  { heads, exchanges }: NativeParts,
  plugins: readonly HeldPlugin[],
  { settle, replyOf, consumerOf, answered }: TrialEnds,
): TrialStages {
  const upstream = trialUpstream(plan, heads, exchanges, replyOf)
  const metrics = new WorkerMetrics(methodNames).forPlan(plan)
  const extend = compileExtend({
    plan,
    plugins,
    client: upstream.client,
    apply: createApplier(plan, exchanges),
    metrics,
    settle,
    stillAlive() {},
    guardsPassed: exchange => exchanges.guardsPassed(exchange.slot),
  })
  const consumers = knowConsumers(plan, exchanges)
  const admit = admitNamed(consumers, (routeId, outcome) => metrics.guard(routeId, outcome))
  const authenticators = extend.authenticate(admit)[0]!
  const byGuards = (exchange: Exchange): Verdict => {
    const consumer = consumerOf(exchange)
    return consumer === null ? Verdict.next : admit(exchange, consumer)
  }
  const requirements: readonly Requirement[] = [
    ...(authenticators.length === 0 ? [] : [authenticators.map(stage => [stage])]),
    [[byGuards]],
  ]
  return {
    accept: acceptStage({ limits: plan.limits, heads, exchanges, events: null, active: () => 0 }),
    match: matchStage(plan, heads, () => {}),
    guard: guardStage(null, {
      list: [compileProgram(requirements)],
      leave() {},
      outlive: () => null,
      release() {},
    }),
    extend: extend.stages,
    local: localStage(plan),
    forward: upstream.forward,
    respond: clientOf(upstream, exchanges, answered),
    record() {},
    upstream,
    authenticate: authenticators[0],
    release() {
      consumers.release()
      upstream.release()
    },
  }
}

export const runningTrial = (plan: Plan, stages: Stages): RunningPlan => ({
  plan,
  pipeline: pipeline(stages),
  responseEdits: [0],
  via: '',
  begun() {},
  exchanges: 0,
  release() {},
})

/** The client's end: what is answered, or comes through from the upstream, as a whole. */
function clientOf(
  { client: { rows, slab } }: TrialUpstream,
  exchanges: NativeExchanges,
  answered: TrialEnds['answered'],
): Stages['respond'] {
  const begun = new Map<Exchange, { status: number; headers: readonly HeaderPair[]; pieces: Uint8Array[] }>()
  return {
    answer(exchange) {
      const { block, body } = composeAnswer(exchange, exchanges)
      begun.delete(exchange)
      answered(exchange, { status: exchange.status, headers: pairsIn(block), body: Buffer.from(body) })
    },
    relay(exchange, kind) {
      const { editedReply } = exchange
      if ((kind & RowKind.head) !== 0) {
        const block = slab.latin1Slice(rows[Row.headOffset], rows[Row.headOffset]! + rows[Row.headLength]!)
        exchange.status = editedReply?.status ?? rows[Row.status]!
        begun.set(exchange, { status: exchange.status, headers: pairsIn(editedReply?.block ?? block), pieces: [] })
      }
      const answer = begun.get(exchange)!
      const from = rows[Row.bodyOffset]!
      answer.pieces.push(Buffer.from(slab.subarray(from, from + rows[Row.bodyLength]!)))
      if ((kind & RowKind.end) === 0) return
      begun.delete(exchange)
      answered(exchange, { ...answer, body: Buffer.concat(answer.pieces) })
    },
  }
}

const pairsIn = (block: string): HeaderPair[] => [...linesOf(block)].map(([name, value]) => [name.toLowerCase(), value])
