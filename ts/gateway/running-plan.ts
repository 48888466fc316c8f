// A plan made ready to run: its stages, compiled and put together to the pipeline, and what they have acquired. Called by
// the worker's wiring (gateway.ts) beside the plan that runs. Here alone the stages all know each other.
import type { Plan } from '../config/plan.ts'
import type { NativeExchanges, UpstreamClient } from '../shared/native.ts'
import type { DirectCommands, DirectEvents } from '../shared/native-direct.ts'
import type { RequestHeads } from '../shared/native-heads.ts'
import { acceptStage } from './accept/accept.ts'
import { compileTrust } from './accept/trust.ts'
import type { Exchange, RunningPlan, Verdict } from './exchange.ts'
import type { EndpointRegistry } from './forward/endpoints.ts'
import { forwardStage } from './forward/forward.ts'
import { compileForwardRoutes } from './forward/routes.ts'
import { compileSigners, type Signer } from './forward/signers.ts'
import { Upstreams } from './forward/upstreams.ts'
import type { WebSockets } from './forward/web-socket.ts'
import { webSocketForward } from './forward/web-socket-forward.ts'
import { createApplier } from './extend/apply.ts'
import { compileExtend } from './extend/extend.ts'
import type { Plugins } from './extend/plugins.ts'
import { crossOrigin } from './guard/cors.ts'
import { guardStage } from './guard/guard.ts'
import { compileGuards } from './guard/guards.ts'
import type { LimitStores } from './guard/limit-store.ts'
import type { Passwords } from './guard/passwords.ts'
import type { KeySets } from './guard/key-sets.ts'
import { localStage, matchStage } from './match/match.ts'
import { compileTarget } from './match/target.ts'
import { pipeline } from './pipeline.ts'
import type { AccessLog } from './record/access-log.ts'
import type { AccessLogs } from './record/access-logs.ts'
import type { PlanMetrics, WorkerMetrics } from './record/metrics.ts'
import { recordStage } from './record/record.ts'
import { compileResponseEdits } from './respond/header-edits.ts'
import type { Respond } from './respond/respond.ts'

/** What a worker has once, and all plans use. */
export interface WorkerParts {
  readonly client: UpstreamClient
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  /** Of requests that go past the front end; null where none do. */
  readonly events: DirectEvents | null
  readonly commands: DirectCommands
  readonly registry: EndpointRegistry
  readonly webSockets: WebSockets
  readonly limits: LimitStores
  readonly passwords: Passwords
  readonly keySets: KeySets
  readonly plugins: Plugins
  readonly accessLogs: AccessLogs
  readonly metrics: WorkerMetrics
  readonly respond: Respond
  /** Requests in flight. */
  readonly active: () => number
  /** See ToControl. */
  readonly stillAlive: () => void
  /** See GuardOptions. */
  readonly settle: (exchange: Exchange, tag: number, conclude: (exchange: Exchange) => Verdict) => void
  /** The exchange is over. */
  readonly finish: (exchange: Exchange) => void
}

export interface PreparedPlan {
  readonly running: RunningPlan
  readonly metrics: PlanMetrics
  readonly accessLog: AccessLog | null
  readonly upstreams: Upstreams
  /** By upstream; null where requests go as they are. */
  readonly signers: readonly (Signer | null)[]
}

export async function prepareRunningPlan(plan: Plan, parts: WorkerParts): Promise<PreparedPlan> {
  const { client, heads, exchanges, commands, limits, accessLogs, respond } = parts
  const undo: (() => void)[] = []
  try {
    const upstreams = Upstreams.prepare(plan, parts.registry)
    undo.push(() => upstreams.release())
    const forwardRoutes = compileForwardRoutes(plan, heads, plan.routes.map(compileTarget))
    undo.push(() => forwardRoutes.release())
    const signers = compileSigners(plan, exchanges)
    undo.push(() => signers.release())
    const responseEdits = compileResponseEdits(plan, exchanges)
    undo.push(() => responseEdits.release())
    const counted = parts.metrics.forPlan(plan)
    const requestLog = plan.accessLog === null ? null : accessLogs.open(plan.accessLog)
    const { trusts, clientAddress } = compileTrust(plan.forwarded.trustedProxies, exchanges, heads)
    const held = await parts.plugins.hold(plan.plugins)
    undo.push(() => held.release())
    const extend = compileExtend({
      plan,
      plugins: held.list,
      client,
      apply: createApplier(plan, exchanges),
      metrics: counted,
      settle: parts.settle,
      stillAlive: parts.stillAlive,
      guardsPassed: exchange => exchanges.guardsPassed(exchange.slot),
    })
    const cors = crossOrigin(plan, heads)
    const guards = compileGuards({
      plan,
      heads,
      exchanges,
      limits,
      passwords: parts.passwords,
      keySets: parts.keySets,
      clientAddress,
      trusts,
      metrics: counted,
      authenticate: extend.authenticate,
      settle: parts.settle,
    })
    undo.push(() => guards?.release())
    const stages = {
      accept: acceptStage({
        limits: plan.limits,
        heads,
        exchanges,
        events: parts.events,
        active: parts.active,
      }),
      match: matchStage(plan, heads, (exchange, routeId) => cors?.annotate(exchange, routeId)),
      guard: guardStage(cors, guards),
      extend: extend.stages,
      local: localStage(plan),
      forward: forwardStage({
        client,
        heads,
        exchanges,
        commands,
        upstreams,
        routes: forwardRoutes.list,
        signers: signers.list,
        trusts,
        clientAddress,
        metrics: counted,
        webSocket: webSocketForward({
          webSockets: parts.webSockets,
          exchanges,
          trusts,
          metrics: counted,
          answer: respond.answer,
          finish: parts.finish,
          outlive: exchange => guards?.outlive(exchange) ?? null,
        }),
      }),
      respond,
      record: recordStage({
        plan,
        heads,
        exchanges,
        metrics: counted,
        worker: parts.metrics,
        accessLog: requestLog,
      }),
    }
    const release = (): void => {
      for (const step of undo.splice(0)) step()
      void requestLog?.close()
    }
    const running: RunningPlan = {
      plan,
      pipeline: pipeline(stages),
      responseEdits: responseEdits.list,
      via: plan.forwarded.via ? '\r\nvia: 1.1 polygate' : '',
      begun: () => counted.begin(),
      exchanges: 0,
      release,
    }
    return { running, metrics: counted, accessLog: requestLog, upstreams, signers: signers.list }
  } catch (error) {
    for (const step of undo) step()
    throw error
  }
}
