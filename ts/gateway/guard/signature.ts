// Guard: a signature says which consumer the client is. Verified natively (native/signing) in one crossing; bodies that
// are signed are held until they are there, after the head has been looked at. Every refusal reads the same to the
// client, who must not learn which keys exist; log and metrics have the reason.
import type { Plan, SignatureGuardPlan, SignatureVerifierPlan, SigningKeyPlan } from '../../config/plan.ts'
import { schemeTraits, signedBodySeconds } from '../../config/signature-schemes.ts'
import { GuardOutcome, signatureOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { ForwardHow, type NativeExchanges } from '../../shared/native.ts'
import { ReplayVerdict } from '../../shared/native-limits.ts'
import { replayUnwanted, signedBodyNeeded, type SignatureCredential } from '../../shared/native-signing.ts'
import { Verdict, type Consumer, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { addressKey } from './address-key.ts'
import { credentialOutcome, type Consumers } from './consumers.ts'
import type { LimitStore } from './limit-store.ts'
import { ReplayMemory } from './replay.ts'

interface KeyOwner {
  readonly consumer: Consumer
  /** For limits by key. */
  readonly credential: string
}

interface KnownVerifier {
  /** The addon's. */
  readonly number: number
  /** By the place of the key. */
  readonly owners: readonly KeyOwner[]
}

/** The verifiers of a plan: guards that say the same share one, and with it Mashery's tables. */
export interface Verifiers {
  get(plan: SignatureVerifierPlan): KnownVerifier
  release(): void
}

export function knowVerifiers({ secrets }: Plan, { list }: Consumers, exchanges: NativeExchanges): Verifiers {
  const made = new Map<string, KnownVerifier>()

  function make(plan: SignatureVerifierPlan): KnownVerifier {
    const owners: KeyOwner[] = []
    const credentials: SignatureCredential[] = []
    for (const consumer of list) {
      const { name, signing } = consumer.plan
      if (plan.consumer !== null && plan.consumer !== name) continue
      for (const key of signing) {
        if (key.scheme !== plan.scheme) continue
        const bytes = Buffer.from(key.publicKey ?? secrets[key.secret!]?.value ?? '', 'base64')
        // A secret of the last good plan that could not be had again: nobody passes with it.
        if (bytes.length === 0) continue
        owners.push({ consumer, credential: `signature:${key.scheme}:${key.keyId}` })
        credentials.push(credentialOf(name, key, bytes))
      }
    }
    return { number: exchanges.signatureVerifier({ ...plan, credentials }), owners }
  }

  return {
    get(plan) {
      const key = JSON.stringify(plan)
      let verifier = made.get(key)
      if (verifier === undefined) made.set(key, (verifier = make(plan)))
      return verifier
    },
    release() {
      for (const { number } of made.values()) exchanges.dropSignatureVerifier(number)
    },
  }
}

function credentialOf(owner: string, key: SigningKeyPlan, bytes: Uint8Array): SignatureCredential {
  return {
    owner,
    keyId: key.keyId,
    key: bytes,
    public: key.publicKey !== null,
    algorithm: key.algorithm,
    // The crate counts whole seconds: a key is in force from the first that is wholly its own.
    notBeforeSeconds: key.notBeforeMs === null ? 0 : Math.ceil(key.notBeforeMs / 1000),
    notAfterSeconds: key.notAfterMs === null ? Infinity : Math.floor(key.notAfterMs / 1000),
  }
}

export interface SignatureGuardOptions {
  readonly exchanges: NativeExchanges
  readonly store: LimitStore
  readonly clientAddress: (exchange: Exchange) => string
  /** Whether the client's X-Forwarded-Proto is believed. */
  readonly trusts: (exchange: Exchange) => boolean
}

export interface SignatureGuard {
  readonly stage: Stage
  release(): void
}

const detail = 'a valid signature is needed'

export function signatureGuard(
  plan: SignatureGuardPlan,
  verifiers: Verifiers,
  { exchanges, store, clientAddress, trusts }: SignatureGuardOptions,
  count: CountOutcome,
): SignatureGuard {
  const { scheme } = plan.verifier
  const { number: verifier, owners } = verifiers.get(plan.verifier)
  const memory =
    plan.remember === 'nothing'
      ? null
      : new ReplayMemory(
          // Not the route's: what one has accepted another must not accept again.
          { name: `signature:${scheme}:${plan.remember}`, ttlSeconds: plan.rememberSeconds, onFailure: plan.onFailure },
          store,
        )
  const bodyWithinSeconds = memory === null ? 0 : signedBodySeconds
  const replayValue = exchanges.signatureReplayValue()
  const { admit, refuse } = credentialOutcome(count, `Signature scheme="${scheme}"`)
  // Twilio signs the URL, webhooks of others nothing of it.
  const readsScheme = schemeTraits[scheme].namesKey || scheme === 'twilio'

  function refused(exchange: Exchange, refusal: number): Verdict {
    const outcome = signatureOutcome(refusal)
    if (outcome !== GuardOutcome.signatureOverloaded && outcome !== GuardOutcome.signatureImpossibleClock) {
      return refuse(exchange, outcome, detail)
    }
    // No fault of the client's: the same request is good a second later.
    count(exchange.routeId, outcome)
    exchange.refusedFor = outcome
    return exchange.refuse('overloaded', 'signatures cannot be verified now', [['retry-after', '1']])
  }

  /** The signature is good: whether it is so for the first time, or from the right address. */
  function accepted(exchange: Exchange, place: number): Verdict {
    const { consumer, credential } = owners[place]!
    if (memory === null) return admit(exchange, consumer, GuardOutcome.signatureAdmitted, credential)
    const isBound = plan.remember === 'address'
    const verdict = isBound
      ? memory.claim(replayValue, addressKey(clientAddress(exchange)))
      : memory.record(replayValue)
    if (verdict === ReplayVerdict.first) {
      return admit(exchange, consumer, GuardOutcome.signatureAdmitted, credential)
    }
    if (verdict === ReplayVerdict.seen) {
      return refuse(exchange, isBound ? GuardOutcome.signatureElsewhere : GuardOutcome.signatureReplayed, detail)
    }
    if (plan.onFailure === 'open') return admit(exchange, consumer, GuardOutcome.signatureUnremembered, credential)
    count(exchange.routeId, GuardOutcome.signatureStoreUnavailable)
    exchange.refusedFor = GuardOutcome.signatureStoreUnavailable
    return exchange.refuse('store_unavailable', 'requests cannot be remembered', [['retry-after', '1']])
  }

  /** The head is good, or says nothing without its body. */
  function awaitBody(exchange: Exchange): Verdict {
    const waits = exchange.awaitBody(plan.maxBodyBytes)
    exchange.signedBodyDue = waits === Verdict.later
    if (waits !== Verdict.next) return waits
    const place = exchanges.verifySignedBody(exchange.slot, exchange.wholeBody(), bodyWithinSeconds)
    return place < 0 ? refused(exchange, place) : accepted(exchange, place)
  }

  function stage(exchange: Exchange): Verdict {
    if (exchange.signedBodyDue) return awaitBody(exchange)
    const how =
      (memory === null ? replayUnwanted : 0) |
      (readsScheme && trusts(exchange) ? ForwardHow.trusted : 0) |
      (exchange.listener.scheme === 'https' ? ForwardHow.tls : 0)
    const place = exchanges.verifySignature(verifier, exchange.slot, how)
    if (place < 0) return refused(exchange, place)
    if (place < signedBodyNeeded) return accepted(exchange, place)
    // Said before the body is read, although it is found out again after it.
    if (place === signedBodyNeeded && memory !== null && memory.seen(replayValue)) {
      return refuse(exchange, GuardOutcome.signatureReplayed, detail)
    }
    return awaitBody(exchange)
  }

  return { stage, release: () => memory?.release() }
}
