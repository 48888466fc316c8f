// Compiles the guards of each route when a plan is prepared. Called by the worker's wiring; guard.ts runs them.
import type { GuardPlan, Plan } from '../../config/plan.ts'
import type { CountOutcome } from '../../shared/guard-outcomes.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Stage } from '../pipeline.ts'
import { keyGuard, knowKeys, type KnownKeys } from './key.ts'

export interface GuardOptions {
  readonly plan: Plan
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly count: CountOutcome
}

export interface RouteGuards {
  /** By route id, each in its order; null where a route has none. */
  readonly list: readonly (readonly Stage[] | null)[]
  release(): void
}

/** Null where no route has guards: then requests pay for none. */
export function compileGuards(options: GuardOptions): RouteGuards | null {
  const { plan, exchanges } = options
  if (plan.routes.every(({ guards }) => guards.length === 0)) return null
  const keys = knowKeys(plan, exchanges)
  const list = plan.routes.map(({ guards }) =>
    guards.length === 0 ? null : guards.map(guard => compileGuard(guard, keys, options)),
  )
  return { list, release: () => keys.release() }
}

const compileGuard = (guard: GuardPlan, keys: KnownKeys, { heads, count }: GuardOptions): Stage =>
  keyGuard(guard, keys, heads, count)
