// Guards for tokens of the validated configuration -> plan. Called by compile-guards. Keys are read here, from what the
// rules have looked at before.
import type { GuardContext } from './compile-guards.ts'
import { secretPlace } from './compile-signatures.ts'
import { isSymmetric, readJwks, readPublicKey, type JwtAlgorithm, type JwtKeyPlan } from './jwt-keys.ts'
import type { JwtGuardPlan, JwtRequirementPlan, SubjectPlan } from './plan.ts'
import type { ConsumerConfig, RouteConfig } from './schema.ts'

type JwtConfig = NonNullable<RouteConfig['guards'][number]['jwt']>
type KeyConfig = NonNullable<JwtConfig['keys']>[number]

export const subjectPlans = (name: string, { jwt }: ConsumerConfig): SubjectPlan[] =>
  jwt === null
    ? [{ subject: name, issuer: null }]
    : jwt.map(one => (typeof one === 'string' ? { subject: one, issuer: null } : { ...one }))

/** `place`: where it stands in the configuration. */
export function jwtGuardPlan(config: JwtConfig, place: Place, sources: GuardContext): JwtGuardPlan {
  const { audience, consumerClaim, issuer } = config
  const audiences = list(audience)
  return {
    kind: 'jwt',
    ...placeOf(config),
    forward: config.forward,
    ...keysOf(config, place, sources),
    algorithms: [...config.algorithms],
    issuers: list(issuer),
    audiences: audiences.includes('*') ? null : audiences,
    type: config.type,
    expiryRequired: config.expiry === 'required',
    clockSkewSeconds: config.clockSkewSeconds,
    required: [...config.requiredClaims].map(([claim, wanted]) => requirement(claim, wanted)),
    consumerClaim,
    admitUnknown: config.unknownConsumer === 'admit',
    headers: [...config.forwardClaims].map(([claim, name]) => ({ name: name.toLowerCase(), claim })),
  }
}

const list = (value: string | readonly string[] | null): string[] =>
  value === null ? [] : typeof value === 'string' ? [value] : [...value]

function placeOf({ header, query, cookie }: JwtConfig): Pick<JwtGuardPlan, 'from' | 'name'> {
  if (query !== null) return { from: 'query', name: query }
  if (cookie !== null) return { from: 'cookie', name: cookie }
  return { from: 'header', name: (header ?? 'authorization').toLowerCase() }
}

/** An issuer that has several keys says in its tokens which it was; of keys that are listed here, each may be it. */
function keysOf(
  { jwks, jwksFile, keys, algorithms }: JwtConfig,
  place: Place,
  sources: GuardContext,
): Pick<JwtGuardPlan, 'jwks' | 'keys' | 'mostWithoutId' | 'files'> {
  const { files, absolute } = sources
  if (jwks !== null) return { jwks: new URL(jwks).href, keys: [], mostWithoutId: 1, files: [] }
  const text = (file: string): string => files.get(file)?.text ?? ''
  if (jwksFile !== null) {
    const file = absolute(jwksFile)
    const read = readJwks(Buffer.from(text(file), 'latin1').toString())
    return { jwks: null, keys: read.keys, mostWithoutId: 1, files: [file] }
  }
  const plans = (keys ?? []).map((key, at) => keyPlan(key, [...place, 'keys', at], algorithms, sources))
  const named = (keys ?? []).flatMap(({ publicKeyFile: file }) => (file === null ? [] : [absolute(file)]))
  return { jwks: null, keys: plans, mostWithoutId: plans.length, files: named }
}

type Place = readonly (string | number)[]

function keyPlan(key: KeyConfig, place: Place, wanted: readonly JwtAlgorithm[], sources: GuardContext): JwtKeyPlan {
  const { id, publicKey, publicKeyFile: file } = key
  if (publicKey === null && file === null) {
    return { id, algorithms: wanted.filter(isSymmetric), spki: null, secret: secretPlace(key, place, sources) }
  }
  const read = readPublicKey(
    file === null ? (publicKey ?? '') : (sources.files.get(sources.absolute(file))?.text ?? ''),
  )
  // The rules have read it before; a failure here is a fault of ours.
  if (typeof read === 'string') throw new TypeError('an unread key reached the compiler')
  return { id, algorithms: read.algorithms.filter(one => wanted.includes(one)), spki: read.spki, secret: null }
}

type Wanted = JwtConfig['requiredClaims'] extends ReadonlyMap<string, infer W> ? W : never

function requirement(claim: string, wanted: Wanted): JwtRequirementPlan {
  if (typeof wanted !== 'object') return { claim, all: [wanted] }
  if ('present' in wanted) return wanted.anyOf === null ? { claim } : { claim, any: [...wanted.anyOf] }
  return { claim, all: [...wanted] }
}
