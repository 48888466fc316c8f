// Consumers and guards of the validated configuration -> plan. Called by compile. Keys become digests here: the plan, which
// is sent to workers and kept on disk, must hold no secret.
import { createHash } from 'node:crypto'
import type { LimitWindow } from '../shared/native-limits.ts'
import { readPeriod } from './formats.ts'
import type { CheckPlan, ConsumerKeyPlan, ConsumerPlan, GuardPlan, LimitGuardPlan } from './plan.ts'
import type { ConsumerConfig, RouteConfig } from './schema.ts'

export const keyDigest = (key: string): string => createHash('sha256').update(key).digest('hex')

export const consumerPlan = (name: string, consumer: ConsumerConfig): ConsumerPlan => ({
  name,
  keys: consumer.keys.map(keyPlan),
  tags: [...consumer.tags],
  metadata: Object.fromEntries(consumer.metadata),
})

function keyPlan(key: ConsumerConfig['keys'][number]): ConsumerKeyPlan {
  if (typeof key === 'string') return { sha256: keyDigest(key), notAfterMs: null }
  const { key: text, sha256, notAfter } = key
  return {
    sha256: text === null ? (sha256 ?? '').toLowerCase() : keyDigest(text),
    notAfterMs: notAfter === null ? null : Date.parse(notAfter),
  }
}

/** In their order; limits by the same are one, in the place of the first. */
export function guardPlans(route: RouteConfig): GuardPlan[] {
  const plans: GuardPlan[] = []
  for (const guard of route.guards) {
    const { rateLimit, quota, anyOf, allOf } = guard
    plans.push(...lookerPlans(guard), ...(allOf ?? []).flatMap(lookerPlans))
    if (anyOf !== null) {
      plans.push({
        kind: 'any',
        of: anyOf.map(one => [...lookerPlans(one), ...(one.allOf ?? []).flatMap(lookerPlans)]),
      })
    }
    const limit = rateLimit ?? quota
    if (limit === null) continue
    const window = rateLimit === null ? quotaWindow(quota!) : rateWindow(rateLimit)
    const rule = ruleName(route.name, limit.by)
    const at = plans.findIndex(plan => plan.kind === 'limit' && plan.rule === rule)
    const { onFailure } = limit
    if (at < 0) plans.push({ kind: 'limit', rule, ...limitedBy(limit.by), windows: [window], onFailure })
    else plans[at] = withWindow(plans[at] as LimitGuardPlan, window, onFailure)
  }
  return plans
}

type GuardConfig = RouteConfig['guards'][number]

/** Of guards that count nothing. */
function lookerPlans({ key, ipAllow, ipDeny }: Pick<GuardConfig, 'key' | 'ipAllow' | 'ipDeny'>): CheckPlan[] {
  const plans: CheckPlan[] = []
  if (ipAllow !== null) plans.push({ kind: 'address', allow: true, blocks: [...ipAllow] })
  if (ipDeny !== null) plans.push({ kind: 'address', allow: false, blocks: [...ipDeny] })
  if (key !== null) plans.push(keyGuardPlan(key))
  return plans
}

function keyGuardPlan({ header, query, cookie }: NonNullable<GuardConfig['key']>): CheckPlan {
  if (header !== null) return { kind: 'key', from: 'header', name: header.toLowerCase() }
  if (query !== null) return { kind: 'key', from: 'query', name: query }
  return { kind: 'key', from: 'cookie', name: cookie ?? '' }
}

function limitedBy(by: string): Pick<LimitGuardPlan, 'by' | 'header'> {
  if (by.startsWith('header:')) return { by: 'header', header: by.slice('header:'.length).toLowerCase() }
  return { by: by as LimitGuardPlan['by'], header: '' }
}

function rateWindow({ limit, per, burst }: NonNullable<GuardConfig['rateLimit']>): LimitWindow {
  return { kind: 'rate', limit, periodMs: Number(readPeriod(per)), burst: burst ?? limit }
}

const quotaWindow = ({ limit, per }: NonNullable<GuardConfig['quota']>): LimitWindow => ({
  kind: per,
  limit,
  periodMs: 0,
  burst: 0,
})

const withWindow = (plan: LimitGuardPlan, window: LimitWindow, onFailure: 'closed' | 'open'): LimitGuardPlan => ({
  ...plan,
  windows: [...plan.windows, window],
  onFailure: plan.onFailure === 'closed' ? 'closed' : onFailure,
})

const maxRuleChars = 64

/** Stays the same over reloads, and with it what has been counted. No route's name has a colon, so it is the rule's own. */
function ruleName(route: string, by: string): string {
  const name = `${route}:${by.toLowerCase().replace(':', '.')}`
  if (name.length <= maxRuleChars) return name
  return `${name.slice(0, 40)}:${createHash('sha256').update(name).digest('hex').slice(0, 20)}`
}
