// Compiles the guards of each route when a plan is prepared. Called by the worker's wiring; guard.ts runs them.
import type { GuardPlan, Plan } from '../../config/plan.ts'
import type { CountOutcome, GuardOutcome } from '../../shared/guard-outcomes.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { addressGuard } from './address.ts'
import { keyGuard, knowKeys, type KnownKeys } from './key.ts'
import { limitGuard } from './limit.ts'
import type { LimitStore } from './limit-store.ts'

export interface GuardOptions {
  readonly plan: Plan
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly limits: LimitStore
  /** The address that counts as the client's. */
  readonly clientAddress: (exchange: Exchange) => string
  readonly metrics: { guard(routeId: number, outcome: GuardOutcome): void }
}

export interface RouteGuards {
  /** By route id, each in its order; null where a route has none. */
  readonly list: readonly (readonly Stage[] | null)[]
  release(): void
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
    const keys = knowKeys(plan, exchanges)
    undo.push(() => keys.release())
    const count: CountOutcome = (routeId, outcome) => metrics.guard(routeId, outcome)
    const compile = (guard: GuardPlan): Stage => compileGuard(guard, keys, options, count, undo)
    const list = plan.routes.map(({ guards }) => (guards.length === 0 ? null : guards.map(compile)))
    return { list, release }
  } catch (error) {
    release()
    throw error
  }
}

function compileGuard(
  guard: GuardPlan,
  keys: KnownKeys,
  options: GuardOptions,
  count: CountOutcome,
  undo: (() => void)[],
): Stage {
  const { heads, limits, clientAddress } = options
  if (guard.kind === 'key') return keyGuard(guard, keys, options, count)
  if (guard.kind === 'address') return addressGuard(guard, clientAddress, count)
  const limited = limitGuard(guard, { heads, store: limits, clientAddress, count })
  undo.push(() => limited.release())
  return limited.stage
}
