// Guard: an API key says which consumer the client is. Keys are known only by their SHA-256: what is sent is hashed
// once, whoever it belongs to, and looked up by the digest, so that neither memory nor time tells anything of a key.
import { hash } from 'node:crypto'
import type { ConsumerPlan, HeaderPair, KeyGuardPlan, Plan } from '../../config/plan.ts'
import { isKeyText } from '../../shared/api-key.ts'
import { GuardOutcome, outcomeText, type CountOutcome } from '../../shared/guard-outcomes.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { credentialReader } from './credentials.ts'

interface KeyOwner {
  readonly consumer: ConsumerPlan
  /** The addon's number. */
  readonly number: number
  /** Unix time from which on the key is refused. */
  readonly notAfterMs: number
}

export interface KnownKeys {
  /** By digest. */
  readonly owners: ReadonlyMap<string, KeyOwner>
  release(): void
}

export function knowKeys({ consumers }: Plan, exchanges: NativeExchanges): KnownKeys {
  const owners = new Map<string, KeyOwner>()
  const numbers: number[] = []
  for (const consumer of consumers) {
    const number = exchanges.consumer(consumer.name)
    numbers.push(number)
    for (const { sha256, notAfterMs } of consumer.keys) {
      owners.set(sha256, { consumer, number, notAfterMs: notAfterMs ?? Infinity })
    }
  }
  return {
    owners,
    release() {
      for (const number of numbers) exchanges.dropConsumer(number)
    },
  }
}

export function keyGuard(
  { from, name }: KeyGuardPlan,
  { owners }: KnownKeys,
  heads: RequestHeads,
  count: CountOutcome,
): Stage {
  const read = credentialReader(from, name, heads)
  // No scheme is registered for API keys (RFC 9110 11.6.1 asks for a challenge): ours says where the key belongs.
  const challenge: readonly HeaderPair[] = [['www-authenticate', `ApiKey in="${from}", name="${name}"`]]

  function refuse(exchange: Exchange, outcome: GuardOutcome, detail: string): Verdict {
    count(exchange.routeId, outcome)
    exchange.reason = outcomeText(outcome)
    return exchange.refuse('unauthorized', detail, challenge)
  }

  return exchange => {
    const key = read(exchange)
    if (key === undefined || key === '') return refuse(exchange, GuardOutcome.keyMissing, 'an API key is needed')
    if (key === null) return refuse(exchange, GuardOutcome.keyAmbiguous, 'more than one API key')
    if (!isKeyText(key)) return refuse(exchange, GuardOutcome.keyUnknown, 'the API key is not valid')
    const owner = owners.get(hash('sha256', key))
    if (owner === undefined) return refuse(exchange, GuardOutcome.keyUnknown, 'the API key is not valid')
    if (owner.notAfterMs !== Infinity && Date.now() >= owner.notAfterMs) {
      return refuse(exchange, GuardOutcome.keyExpired, 'the API key is not valid')
    }
    exchange.consumer = owner.consumer
    exchange.consumerNumber = owner.number
    count(exchange.routeId, GuardOutcome.keyAdmitted)
    return Verdict.next
  }
}
