// The extend stage: the plugins of each route, at the hooks that they have. Compiled when a plan is prepared; the pipeline
// asks the stages, and the guard stage those of `authenticate`.
import type { Plan } from '../../config/plan.ts'
import { hookNames, type CallResult, type HookName } from '../../shared/plugin-hooks.ts'
import type { Exchange, Verdict } from '../exchange.ts'
import type { PatientStage, Stage, Stages } from '../pipeline.ts'
import type { Applier } from './apply.ts'
import { compileCall, type CallOptions, type HookCall } from './call.ts'
import { chainStage, type Chains } from './chain.ts'
import { logStage } from './log.ts'
import type { HeldPlugin } from './plugins.ts'
import { responseStage, type ReplySource, type ResponseStage } from './response.ts'

type Settle = CallOptions['settle']

export interface ExtendOptions {
  readonly plan: Plan
  /** By index in the plan. */
  readonly plugins: readonly HeldPlugin[]
  readonly client: ReplySource
  readonly apply: Applier
  readonly metrics: { plugin(plugin: number, hook: number, result: CallResult, durationMs: number): void }
  /** Goes on with a request that had to wait. */
  readonly settle: Settle
  /** A call that has held the worker has returned. */
  readonly stillAlive: () => void
  /** Called before hooks that come after the guards, on routes that have such. */
  readonly guardsPassed: (exchange: Exchange) => void
}

export interface Extend {
  readonly stages: Stages['extend']
  /**
   * By route id: plugins that say who the client is, each in its own way; [] where no plugin of the route does. `admit`
   * says what it means that a plugin has named this consumer, or (null) knows no credential of the request.
   */
  readonly authenticate: (
    admit: (exchange: Exchange, consumer: string | null) => Verdict,
  ) => readonly (readonly Stage[])[]
}

export function compileExtend(options: ExtendOptions): Extend {
  const { plan, client, guardsPassed } = options
  const chains = (hook: HookName, settle = options.settle): Chains => compileChains(hook, { ...options, settle })
  const passed = (stage: PatientStage | null): PatientStage | null =>
    stage === null ? null : { ...stage, check: exchange => (guardsPassed(exchange), stage.check(exchange)) }

  const bodyBytes = plan.routes.map(({ plugins }) =>
    Math.max(0, ...plugins.map(index => plan.plugins[index]!.responseBodyBytes)),
  )
  let response: ResponseStage | null = null
  const settleReply: Settle = (exchange, tag, conclude) =>
    options.settle(exchange, tag, waiting => response!.settle(waiting, conclude(waiting)))
  response = responseStage(chains('response', settleReply), bodyBytes, client)

  return {
    stages: {
      request: chainStage(chains('request')),
      authorize: passed(chainStage(chains('authorize'))),
      forward: passed(chainStage(chains('forward'))),
      response: response?.check ?? null,
      log: logStage(chains('log')),
    },
    authenticate: admit =>
      compileChains('authenticate', options, (exchange, { named }) => admit(exchange, named)).map(chain =>
        (chain ?? []).map(
          (call): Stage =>
            exchange =>
              call(exchange, null),
        ),
      ),
  }
}

function compileChains(
  hook: HookName,
  { plan, plugins, apply, metrics, settle, stillAlive }: ExtendOptions,
  admit?: CallOptions['admit'],
): Chains {
  const calls = new Map<number, HookCall>()
  const callOf = (index: number): HookCall[] => {
    const { plan: plugin, log, ready } = plugins[index]!
    const call = ready.hooks[hook]
    if (call === undefined) return []
    let compiled = calls.get(index)
    if (compiled === undefined) {
      const at = hookNames.indexOf(hook)
      const count = (result: CallResult, durationMs: number): void => metrics.plugin(index, at, result, durationMs)
      compiled = compileCall({
        plugin,
        hook,
        call,
        log,
        count,
        settle,
        stillAlive,
        apply: apply(hook, plugin.settings[hook].onFailure === 'open'),
        admit,
      })
      calls.set(index, compiled)
    }
    return [compiled]
  }
  return plan.routes.map(({ plugins: indexes }) => {
    const chain = indexes.flatMap(callOf)
    return chain.length === 0 ? null : chain
  })
}
