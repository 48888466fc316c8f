// The checks among a route's guards, wherever they stand: for those who must know what a route looks at (which credentials
// to hide from the upstream and the log), and not in which order. Used by the stages forward and record, by control, the
// compiler and `explain`.
import type { CheckPlan, ConcurrencyGuardPlan, GuardPlan, LimitGuardPlan, OwnLimitsGuardPlan, Plan } from './plan.ts'

/** Whether it counts, so that it needs the file of `counting`. */
export const isLimit = (guard: GuardPlan): guard is LimitGuardPlan | ConcurrencyGuardPlan | OwnLimitsGuardPlan =>
  guard.kind === 'limit' || guard.kind === 'concurrency' || guard.kind === 'own-limits'

const saysWho = (check: CheckPlan): boolean => !isLimit(check) && check.kind !== 'address'

/** Whether it may say which consumer the client is. */
export const isCredential = (guard: GuardPlan): boolean => checksOf([guard]).some(saysWho)

/** Whether a plan counts anything at all. A guard that remembers does, too. */
export const usesCounting = ({ routes }: Pick<Plan, 'routes'>): boolean =>
  routes.some(({ guards }) => checksOf(guards).some(check => isLimit(check) || remembers(check)))

const remembers = (check: CheckPlan): boolean => check.kind === 'signature' && check.remember !== 'nothing'

export const checksOf = (guards: readonly GuardPlan[]): readonly CheckPlan[] =>
  guards.flatMap(guard => (guard.kind === 'any' ? guard.of.flat() : [guard]))

/** Parameters of queries that carry credentials, in lower case: no log shows their values. */
export const secretParametersOf = ({ routes }: Pick<Plan, 'routes'>): ReadonlySet<string> =>
  new Set(
    routes.flatMap(({ guards }) =>
      checksOf(guards).flatMap(check => {
        if (check.kind === 'signature') return check.parameters.map(name => name.toLowerCase())
        return (check.kind === 'key' || check.kind === 'jwt') && check.from === 'query'
          ? [check.name.toLowerCase()]
          : []
      }),
    ),
  )

/** Limits beside one another, which are decided together; other guards by themselves. */
export function runsOfLimits(plans: readonly GuardPlan[]): readonly (readonly GuardPlan[])[] {
  const runs: GuardPlan[][] = []
  for (const plan of plans) {
    const run = runs.at(-1)
    if (run !== undefined && isLimit(plan) && isLimit(run[0]!)) run.push(plan)
    else runs.push([plan])
  }
  return runs
}
