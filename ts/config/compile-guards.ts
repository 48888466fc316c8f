// Consumers and guards of the validated configuration -> plan. Called by compile. Keys become digests here: the plan, which
// is sent to workers and kept on disk, must hold no secret.
import { createHash } from 'node:crypto'
import { certificateHeaders } from '../shared/native-heads.ts'
import { certificateKey } from './certificate-names.ts'
import { addLimit, ownLimits, withOwnLimits } from './compile-limits.ts'
import type { CheckPlan, ConsumerKeyPlan, ConsumerPasswordPlan, ConsumerPlan, GuardPlan } from './plan.ts'
import { signatureGuardPlan, signingPlans, type KeySources } from './compile-signatures.ts'
import { jwtGuardPlan, subjectPlans } from './compile-jwt.ts'
import type { ConsumerConfig, RouteConfig } from './schema.ts'
import type { SignatureScheme } from './signature-schemes.ts'

export const keyDigest = (key: string): string => createHash('sha256').update(key).digest('hex')

export const consumerPlan = (name: string, consumer: ConsumerConfig, sources: KeySources): ConsumerPlan => ({
  name,
  keys: consumer.keys.map(keyPlan),
  passwords: consumer.passwords.map(password => passwordPlan(name, password)),
  limits: ownLimits(consumer),
  signing: signingPlans(name, consumer, sources),
  subjects: subjectPlans(name, consumer),
  certificates: consumer.certificates.map(certificateKey).filter(key => key !== null),
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

/** What guards are read with, and need to know of other routes and of consumers. */
export interface GuardContext extends KeySources {
  /** Consumers have limits of their own. */
  readonly anyOwnLimits: boolean
  readonly longestSkews: ReadonlyMap<SignatureScheme, number>
}

/** In their order. */
export function guardPlans(route: RouteConfig, index: number, context: GuardContext): readonly GuardPlan[] {
  const plans: GuardPlan[] = []
  /** Of a guard and what must hold beside it; `place`: where it stands in the configuration. */
  const lookers = (guard: LookerConfig & { allOf: readonly LookerConfig[] | null }, place: Place): CheckPlan[] => [
    ...lookerPlans(guard, place, context),
    ...(guard.allOf ?? []).flatMap((one, at) => lookerPlans(one, [...place, 'allOf', at], context)),
  ]
  for (const [at, guard] of route.guards.entries()) {
    const { anyOf } = guard
    const place = ['routes', index, 'guards', at]
    plans.push(...lookers(guard, place))
    if (anyOf !== null) {
      plans.push({ kind: 'any', of: anyOf.map((one, nth) => lookers(one, [...place, 'anyOf', nth])) })
    }
    addLimit(plans, route.name, guard)
  }
  return context.anyOwnLimits ? withOwnLimits(plans) : plans
}

type GuardConfig = RouteConfig['guards'][number]

type Place = readonly (string | number)[]

/** Guards that count nothing. */
type LookerConfig = Omit<GuardConfig, 'rateLimit' | 'quota' | 'concurrency' | 'anyOf' | 'allOf'>

function lookerPlans(
  { key, basic, ipAllow, ipDeny, signature, jwt, clientCertificate }: LookerConfig,
  place: Place,
  context: GuardContext,
): CheckPlan[] {
  const plans: CheckPlan[] = []
  if (ipAllow !== null) plans.push({ kind: 'address', allow: true, blocks: [...ipAllow] })
  if (ipDeny !== null) plans.push({ kind: 'address', allow: false, blocks: [...ipDeny] })
  if (key !== null) plans.push(keyGuardPlan(key))
  if (basic !== null) plans.push({ kind: 'basic', realm: basic.realm })
  if (signature !== null) plans.push(signatureGuardPlan(signature, context.longestSkews))
  if (jwt !== null) plans.push(jwtGuardPlan(jwt, [...place, 'jwt'], context))
  if (clientCertificate !== null) {
    plans.push({ kind: 'certificate', headers: clientCertificate.headers.map(part => certificateHeaders[part]) })
  }
  return plans
}

function keyGuardPlan({ header, query, cookie }: NonNullable<GuardConfig['key']>): CheckPlan {
  if (header !== null) return { kind: 'key', from: 'header', name: header.toLowerCase() }
  if (query !== null) return { kind: 'key', from: 'query', name: query }
  return { kind: 'key', from: 'cookie', name: cookie ?? '' }
}
