// Guard: a JSON Web Token of an issuer that is trusted says who the client is. It is verified below JavaScript, out of the
// head, in one call; a token of an unknown key waits until control has looked for new keys. Answers as RFC 6750 has it.
import type { ConsumerPlan, HeaderPair, JwtGuardPlan, SecretPlan } from '../../config/plan.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { jwtOutcomes, JwtVerdict, type NativeTokens } from '../../shared/native-jwt.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Verdict, type Claims, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { credentialOutcome, type Consumers } from './consumers.ts'
import { credentialReader } from './credentials.ts'
import { keysJson, type KeySets, type KeySource } from './key-sets.ts'

export interface JwtGuardOptions {
  readonly heads: RequestHeads
  readonly exchanges: NativeTokens
  readonly keySets: KeySets
  readonly consumers: Consumers
  readonly secrets: readonly SecretPlan[]
  readonly count: CountOutcome
  readonly settle: (exchange: Exchange, tag: number, conclude: (exchange: Exchange) => Verdict) => void
}

export interface JwtGuard {
  readonly stage: Stage
  release(): void
}

const realm = 'Bearer realm="polygate"'
const retryAfter: readonly HeaderPair[] = [['retry-after', '5']]

export function jwtGuard(plan: JwtGuardPlan, options: JwtGuardOptions): JwtGuard {
  const { exchanges, keySets, settle } = options
  const source = plan.jwks === null ? null : keySets.of(plan.jwks)
  const own = source === null ? exchanges.jwtKeys(keysJson(plan.keys, plan.mostWithoutId, options.secrets)) : -1
  const consumers = options.consumers.list.map(({ plan }) => plan)
  let verifier: number
  try {
    verifier = exchanges.jwtVerifier(verifierJson(plan, consumers), plan.name, plan.name === 'authorization')
  } catch (error) {
    if (own >= 0) exchanges.dropJwtKeys(own)
    throw error
  }
  const verify = compileVerify(plan, verifier, source, own, options)
  const conclude = compileConclude(plan, options)
  const again = (exchange: Exchange): Verdict => conclude(exchange, verify(exchange))

  function stage(exchange: Exchange): Verdict {
    const verdict = verify(exchange)
    if (verdict === JwtVerdict.unknownKey && source !== null) {
      const { tag } = exchange
      if (source.refresh(() => settle(exchange, tag, again))) return Verdict.later
    }
    return conclude(exchange, verdict)
  }

  return {
    stage,
    release() {
      exchanges.dropJwtVerifier(verifier)
      if (own >= 0) exchanges.dropJwtKeys(own)
    },
  }
}

/** The number of a consumer, or a JwtVerdict. */
function compileVerify(
  { from, name }: JwtGuardPlan,
  verifier: number,
  source: KeySource | null,
  own: number,
  { exchanges, heads }: JwtGuardOptions,
): (exchange: Exchange) => number {
  const keys = source ?? { number: own }
  if (from === 'header') return exchange => exchanges.verifyJwt(verifier, keys.number, exchange.slot)
  const read = credentialReader(from, name, heads)
  return exchange => {
    const token = read(exchange)
    if (token === undefined || token === '') return JwtVerdict.missing
    return token === null ? JwtVerdict.ambiguous : exchanges.verifyJwtText(verifier, keys.number, exchange.slot, token)
  }
}

function compileConclude(
  plan: JwtGuardPlan,
  { exchanges, consumers, count }: JwtGuardOptions,
): (exchange: Exchange, verdict: number) => Verdict {
  const { list } = consumers
  const claims: Claims | null = plan.headers.length > 0 ? exchanges : null
  const missing = credentialOutcome(count, realm)
  const invalid = credentialOutcome(count, `${realm}, error="invalid_token"`)
  const expired = credentialOutcome(count, `${realm}, error="invalid_token", error_description="the token has expired"`)
  const insufficient: readonly HeaderPair[] = [['www-authenticate', scopeChallenge(plan)]]

  function fail(exchange: Exchange, outcome: GuardOutcome, forbidden: boolean): Verdict {
    count(exchange.routeId, outcome)
    exchange.refusedFor = outcome
    return forbidden
      ? exchange.refuse('forbidden', 'the token does not allow this', insufficient)
      : exchange.refuse('store_unavailable', 'tokens cannot be verified now', retryAfter)
  }

  function refuse(exchange: Exchange, outcome: GuardOutcome): Verdict {
    if (outcome === GuardOutcome.jwtMissing) return missing.refuse(exchange, outcome, 'a token is needed')
    if (outcome === GuardOutcome.jwtExpired) return expired.refuse(exchange, outcome, 'the token has expired')
    if (outcome === GuardOutcome.jwtNoKeys) return fail(exchange, outcome, false)
    if (outcome === GuardOutcome.jwtClaims || outcome === GuardOutcome.jwtUnknownConsumer) {
      return fail(exchange, outcome, true)
    }
    return invalid.refuse(exchange, outcome, 'the token is not valid')
  }

  return (exchange, verdict) => {
    if (verdict < JwtVerdict.nobody) return refuse(exchange, jwtOutcomes[-verdict]!)
    exchange.claims = claims
    if (verdict >= 0) return invalid.admit(exchange, list[verdict]!, GuardOutcome.jwtAdmitted)
    count(exchange.routeId, GuardOutcome.jwtAdmitted)
    return Verdict.next
  }
}

/** RFC 6750 section 3: the scope that would do. */
function scopeChallenge({ required }: JwtGuardPlan): string {
  const scope = required
    .filter(({ claim }) => claim === 'scope' || claim === 'scp')
    .flatMap(({ all }) => all ?? [])
    .join(' ')
  const parameter = /^[\x21\x23-\x5b\x5d-\x7e ]+$/.test(scope) ? `, scope="${scope}"` : ''
  return `${realm}, error="insufficient_scope"${parameter}`
}

function verifierJson(plan: JwtGuardPlan, consumers: readonly ConsumerPlan[]): string {
  const { consumerClaim: claim, admitUnknown } = plan
  const subjects = consumers.flatMap((consumer, index) =>
    consumer.subjects.map(({ subject, issuer }) => ({ subject, issuer, consumer: index })),
  )
  return JSON.stringify({
    algorithms: plan.algorithms,
    type: plan.type,
    issuers: plan.issuers,
    audiences: plan.audiences ?? [],
    anyAudience: plan.audiences === null,
    expiryRequired: plan.expiryRequired,
    clockSkewSeconds: plan.clockSkewSeconds,
    required: plan.required,
    consumer: claim === null ? null : { claim, subjects, admitUnknown },
    headers: plan.headers,
  })
}
