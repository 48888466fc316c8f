// Consumers and guards of the validated configuration -> plan. Called by compile. Keys become digests here: the plan, which
// is sent to workers and kept on disk, must hold no secret.
import { createHash } from 'node:crypto'
import { addLimit, ownLimits, withOwnLimits } from './compile-limits.ts'
import type { CheckPlan, ConsumerKeyPlan, ConsumerPasswordPlan, ConsumerPlan, GuardPlan } from './plan.ts'
import type { ConsumerConfig, RouteConfig } from './schema.ts'

export const keyDigest = (key: string): string => createHash('sha256').update(key).digest('hex')

export const consumerPlan = (name: string, consumer: ConsumerConfig): ConsumerPlan => ({
  name,
  keys: consumer.keys.map(keyPlan),
  passwords: consumer.passwords.map(password => passwordPlan(name, password)),
  limits: ownLimits(consumer),
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

function passwordPlan(consumer: string, password: ConsumerConfig['passwords'][number]): ConsumerPasswordPlan {
  if (typeof password === 'string') return { username: consumer, hash: password, notAfterMs: null }
  const { username, hash, notAfter } = password
  return { username: username ?? consumer, hash, notAfterMs: notAfter === null ? null : Date.parse(notAfter) }
}

/** In their order. `anyOwnLimits`: consumers have limits of their own. */
export function guardPlans(route: RouteConfig, anyOwnLimits: boolean): readonly GuardPlan[] {
  const plans: GuardPlan[] = []
  for (const guard of route.guards) {
    const { anyOf, allOf } = guard
    plans.push(...lookerPlans(guard), ...(allOf ?? []).flatMap(lookerPlans))
    if (anyOf !== null) {
      plans.push({
        kind: 'any',
        of: anyOf.map(one => [...lookerPlans(one), ...(one.allOf ?? []).flatMap(lookerPlans)]),
      })
    }
    addLimit(plans, route.name, guard)
  }
  return anyOwnLimits ? withOwnLimits(plans) : plans
}

type GuardConfig = RouteConfig['guards'][number]

/** Of guards that count nothing. */
function lookerPlans({
  key,
  basic,
  ipAllow,
  ipDeny,
}: Pick<GuardConfig, 'key' | 'basic' | 'ipAllow' | 'ipDeny'>): CheckPlan[] {
  const plans: CheckPlan[] = []
  if (ipAllow !== null) plans.push({ kind: 'address', allow: true, blocks: [...ipAllow] })
  if (ipDeny !== null) plans.push({ kind: 'address', allow: false, blocks: [...ipDeny] })
  if (key !== null) plans.push(keyGuardPlan(key))
  if (basic !== null) plans.push({ kind: 'basic', realm: basic.realm })
  return plans
}

function keyGuardPlan({ header, query, cookie }: NonNullable<GuardConfig['key']>): CheckPlan {
  if (header !== null) return { kind: 'key', from: 'header', name: header.toLowerCase() }
  if (query !== null) return { kind: 'key', from: 'query', name: query }
  return { kind: 'key', from: 'cookie', name: cookie ?? '' }
}
