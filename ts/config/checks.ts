// The checks among a route's guards, wherever they stand: for those who must know what a route looks at (which credentials
// to hide from the upstream and the log), and not in which order. Used by the stages forward and record.
import type { CheckPlan, GuardPlan } from './plan.ts'

export const checksOf = (guards: readonly GuardPlan[]): readonly CheckPlan[] =>
  guards.flatMap(guard => (guard.kind === 'any' ? guard.of.flat() : [guard]))
