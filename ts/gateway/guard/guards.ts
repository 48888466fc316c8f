// Compiles the guards of each route when a plan is prepared. Called by the worker's wiring; guard.ts runs them.
import type { CheckPlan, Plan } from '../../config/plan.ts'
import type { CountOutcome, GuardOutcome } from '../../shared/guard-outcomes.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Exchange, Verdict } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { addressGuard } from './address.ts'
import { knowConsumers, type Consumers } from './consumers.ts'
import { keyGuard, knowKeys, type KnownKeys } from './key.ts'
import { limitGuard } from './limit.ts'
import type { LimitStore } from './limit-store.ts'
import { compileProgram, type Program, type Requirement } from './program.ts'

export interface GuardOptions {
  readonly plan: Plan
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly limits: LimitStore
  /** The address that counts as the client's. */
  readonly clientAddress: (exchange: Exchange) => string
  readonly metrics: { guard(routeId: number, outcome: GuardOutcome): void }
  /**
   * For a guard that has said `later` and can now say more. `tag` is what the exchange's was when it said so: a request
   * that has ended since has another, and `conclude` is not called.
   */
  readonly settle: (exchange: Exchange, tag: number, conclude: (exchange: Exchange) => Verdict) => void
}

export interface RouteGuards {
  /** By route id; null where a route has none. */
  readonly list: readonly (Program | null)[]
  release(): void
}

/** What guards of one plan share. */
interface Known {
  readonly consumers: Consumers
  readonly keys: KnownKeys
}

/** Null where no route has guards: then requests pay for none. */
export function compileGuards(options: GuardOptions): RouteGuards | null {
  const { plan, exchanges, limits, metrics } = options
  if (plan.routes.every(({ guards }) => guards.length === 0)) return null
  limits.use(plan.limitsFile)
  const undo: (() => void)[] = []
  const release = (): void => {
    for (const step of undo.splice(0)) step()
  }
  try {
    const consumers = knowConsumers(plan, exchanges)
    undo.push(() => consumers.release())
    const keys = knowKeys(consumers, exchanges)
    undo.push(() => keys.release())
    const count: CountOutcome = (routeId, outcome) => metrics.guard(routeId, outcome)
    const compile = (check: CheckPlan): Stage => compileCheck(check, { consumers, keys }, options, count, undo)
    const list = plan.routes.map(({ guards }): Program | null => {
      if (guards.length === 0) return null
      return compileProgram(
        guards.map(guard => (guard.kind === 'any' ? guard.of.map(all => all.map(compile)) : one(compile(guard)))),
      )
    })
    return { list, release }
  } catch (error) {
    release()
    throw error
  }
}

const one = (stage: Stage): Requirement => [[stage]]

function compileCheck(
  check: CheckPlan,
  { keys }: Known,
  options: GuardOptions,
  count: CountOutcome,
  undo: (() => void)[],
): Stage {
  const { heads, limits, clientAddress } = options
  switch (check.kind) {
    case 'key':
      return keyGuard(check, keys, options, count)
    case 'address':
      return addressGuard(check, clientAddress, count)
    case 'limit': {
      const limited = limitGuard(check, { heads, store: limits, clientAddress, count })
      undo.push(() => limited.release())
      return limited.stage
    }
  }
}
