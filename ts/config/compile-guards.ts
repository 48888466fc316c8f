// Consumers and guards of the validated configuration -> plan. Called by compile. Keys become digests here: the plan, which
// is sent to workers and kept on disk, must hold no secret.
import { createHash } from 'node:crypto'
import type { ConsumerKeyPlan, ConsumerPlan, GuardPlan } from './plan.ts'
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

export const guardPlans = (route: RouteConfig): GuardPlan[] => route.guards.flatMap(guardPlan)

function guardPlan({ key }: RouteConfig['guards'][number]): GuardPlan[] {
  if (key === null) return []
  const { header, query, cookie } = key
  if (header !== null) return [{ kind: 'key', from: 'header', name: header.toLowerCase() }]
  if (query !== null) return [{ kind: 'key', from: 'query', name: query }]
  return [{ kind: 'key', from: 'cookie', name: cookie ?? '' }]
}
