// Limits of the validated configuration -> plan: those of a route, and those that consumers have of their own. Called by
// compile-guards.ts.
import { createHash } from 'node:crypto'
import type { LimitWindow } from '../shared/native-limits.ts'
import { isCredential } from './checks.ts'
import { readPeriod } from './formats.ts'
import type { ConcurrencyGuardPlan, ConsumerPlan, GuardPlan, LimitedBy, LimitGuardPlan } from './plan.ts'
import type { ConsumerConfig, RouteConfig } from './schema.ts'

type GuardConfig = RouteConfig['guards'][number]
type Rate = Pick<NonNullable<GuardConfig['rateLimit']>, 'limit' | 'per' | 'burst'>
type Amount = Pick<NonNullable<GuardConfig['quota']>, 'limit' | 'per'>
type OnFailure = 'closed' | 'open'

export function ownLimits({ rateLimit, quota }: ConsumerConfig): ConsumerPlan['limits'] {
  return [
    ...(rateLimit === null ? [] : [{ window: rateWindow(rateLimit), onFailure: rateLimit.onFailure }]),
    ...(quota === null ? [] : [{ window: quotaWindow(quota), onFailure: quota.onFailure }]),
  ]
}

/** Adds what a guard counts; limits by the same are one, in the place of the first. */
export function addLimit(plans: GuardPlan[], route: string, { rateLimit, quota, concurrency }: GuardConfig): void {
  if (rateLimit !== null) addWindow(plans, route, rateLimit.by, rateWindow(rateLimit), rateLimit.onFailure)
  if (quota !== null) addWindow(plans, route, quota.by, quotaWindow(quota), quota.onFailure)
  if (concurrency !== null) plans.push(concurrencyPlan(route, concurrency))
}

function addWindow(plans: GuardPlan[], route: string, by: string, window: LimitWindow, onFailure: OnFailure): void {
  const rule = ruleName(route, by)
  const at = plans.findIndex(plan => plan.kind === 'limit' && plan.rule === rule)
  if (at < 0) plans.push({ kind: 'limit', rule, ...limitedBy(by), windows: [window], onFailure })
  else plans[at] = withWindow(plans[at] as LimitGuardPlan, window, onFailure)
}

const withWindow = (plan: LimitGuardPlan, window: LimitWindow, onFailure: OnFailure): LimitGuardPlan => ({
  ...plan,
  windows: [...plan.windows, window],
  onFailure: plan.onFailure === 'closed' ? 'closed' : onFailure,
})

const concurrencyPlan = (
  route: string,
  { limit, by, onFailure }: NonNullable<GuardConfig['concurrency']>,
): ConcurrencyGuardPlan => ({ kind: 'concurrency', rule: ruleName(route, by), ...limitedBy(by), limit, onFailure })

/** Where a route says who the client is and has no limit by consumer, own limits come after the last that says it. */
export function withOwnLimits(plans: readonly GuardPlan[]): readonly GuardPlan[] {
  const last = plans.findLastIndex(isCredential)
  if (last < 0 || plans.some(plan => plan.kind === 'limit' && plan.by === 'consumer')) return plans
  return [...plans.slice(0, last + 1), { kind: 'own-limits' }, ...plans.slice(last + 1)]
}

function limitedBy(by: string): { readonly by: LimitedBy; readonly header: string } {
  if (by.startsWith('header:')) return { by: 'header', header: by.slice('header:'.length).toLowerCase() }
  return { by: by as LimitedBy, header: '' }
}

const rateWindow = ({ limit, per, burst }: Rate): LimitWindow => ({
  kind: 'rate',
  limit,
  periodMs: Number(readPeriod(per)),
  burst: burst ?? limit,
})

const quotaWindow = ({ limit, per }: Amount): LimitWindow => ({ kind: per, limit, periodMs: 0, burst: 0 })

const maxRuleChars = 64

/** Stays the same over reloads, and with it what has been counted. No route's name has a colon, so it is the rule's own. */
function ruleName(route: string, by: string): string {
  const name = `${route}:${by.toLowerCase().replace(':', '.')}`
  if (name.length <= maxRuleChars) return name
  return `${name.slice(0, 40)}:${createHash('sha256').update(name).digest('hex').slice(0, 20)}`
}
