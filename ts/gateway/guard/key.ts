// Guard: an API key says which consumer the client is. Keys are known only by their SHA-256 (native/keys), which hashes
// what is sent once, whoever it belongs to, and looks it up by the digest.
import type { KeyGuardPlan } from '../../config/plan.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { type NativeExchanges } from '../../shared/native.ts'
import { KeyLookup } from '../../shared/native-credentials.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Consumer, Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { credentialOutcome, type Consumers } from './consumers.ts'
import { credentialReader } from './credentials.ts'

interface KeyOwner {
  readonly consumer: Consumer
  /** Unix time from which on the key is refused. */
  readonly notAfterMs: number
  /** Names the key where it is counted. */
  readonly credential: string
}

export interface KnownKeys {
  /** By place in a ring. */
  readonly owners: readonly KeyOwner[]
  /** The addon's number of a ring that reads this header, or none. */
  ring(header: string | null): number
  release(): void
}

export function knowKeys({ list }: Consumers, exchanges: NativeExchanges): KnownKeys {
  const owners: KeyOwner[] = []
  const digests: Buffer[] = []
  const rings = new Map<string | null, number>()
  for (const consumer of list) {
    for (const { sha256, notAfterMs } of consumer.plan.keys) {
      owners.push({ consumer, notAfterMs: notAfterMs ?? Infinity, credential: `key:${sha256.slice(0, 32)}` })
      digests.push(Buffer.from(sha256, 'hex'))
    }
  }
  return {
    owners,
    ring(header) {
      let ring = rings.get(header)
      if (ring === undefined) rings.set(header, (ring = exchanges.keyRing(Buffer.concat(digests), header)))
      return ring
    },
    release() {
      for (const ring of rings.values()) exchanges.dropKeyRing(ring)
    },
  }
}

/** The key's place in the ring, or a KeyLookup. */
type FindKey = (exchange: Exchange) => number

function compileFind(
  { from, name }: KeyGuardPlan,
  keys: KnownKeys,
  heads: RequestHeads,
  exchanges: NativeExchanges,
): FindKey {
  if (from === 'header') {
    const ring = keys.ring(name)
    return exchange => exchanges.findKey(ring, exchange.slot)
  }
  const ring = keys.ring(null)
  const read = credentialReader(from, name, heads)
  return exchange => {
    const text = read(exchange)
    if (text === undefined) return KeyLookup.missing
    return text === null ? KeyLookup.ambiguous : exchanges.findKeyText(ring, text)
  }
}

export function keyGuard(
  plan: KeyGuardPlan,
  keys: KnownKeys,
  { heads, exchanges }: { readonly heads: RequestHeads; readonly exchanges: NativeExchanges },
  count: CountOutcome,
): Stage {
  const { owners } = keys
  const find = compileFind(plan, keys, heads, exchanges)
  // No scheme is registered for API keys (RFC 9110 11.6.1 asks for a challenge): ours says where the key belongs.
  const { admit, refuse } = credentialOutcome(count, `ApiKey in="${plan.from}", name="${plan.name}"`)

  return exchange => {
    const place = find(exchange)
    if (place === KeyLookup.missing) return refuse(exchange, GuardOutcome.keyMissing, 'an API key is needed')
    if (place === KeyLookup.ambiguous) return refuse(exchange, GuardOutcome.keyAmbiguous, 'more than one API key')
    const owner = owners[place]
    if (owner === undefined) return refuse(exchange, GuardOutcome.keyUnknown, 'the API key is not valid')
    if (owner.notAfterMs !== Infinity && Date.now() >= owner.notAfterMs) {
      return refuse(exchange, GuardOutcome.keyExpired, 'the API key is not valid')
    }
    return admit(exchange, owner.consumer, GuardOutcome.keyAdmitted, owner.credential)
  }
}
