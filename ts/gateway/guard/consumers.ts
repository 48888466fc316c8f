// The consumers of a plan, with the numbers that the addon knows them by, and what guards do who find one: two
// credentials of one request must be of one consumer, and a refused client hears how to prove who it is. Used by the
// guards that read credentials.
import type { HeaderPair, Plan } from '../../config/plan.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import { Verdict, type Consumer, type Exchange } from '../exchange.ts'

export interface Consumers {
  /** By index in the plan. */
  readonly list: readonly Consumer[]
  release(): void
}

export function knowConsumers({ consumers }: Plan, exchanges: NativeExchanges): Consumers {
  const list = consumers.map(plan => ({ plan, number: exchanges.consumer(plan.name) }))
  return {
    list,
    release() {
      for (const { number } of list) exchanges.dropConsumer(number)
    },
  }
}

export interface CredentialOutcome {
  /**
   * The client is this consumer: lets the request on, unless another guard has found somebody else. `credential` names
   * the one of its credentials that it has sent, for limits by key, and is no secret.
   */
  readonly admit: (exchange: Exchange, consumer: Consumer, outcome: GuardOutcome, credential?: string) => Verdict
  /** 401 with the challenge. `detail` is told to the client. */
  readonly refuse: (exchange: Exchange, outcome: GuardOutcome, detail: string) => Verdict
}

/** `challenge`: the value of WWW-Authenticate. */
export function credentialOutcome(count: CountOutcome, challenge: string): CredentialOutcome {
  const headers: readonly HeaderPair[] = [['www-authenticate', challenge]]

  function refuse(exchange: Exchange, outcome: GuardOutcome, detail: string): Verdict {
    count(exchange.routeId, outcome)
    exchange.refusedFor = outcome
    return exchange.refuse('unauthorized', detail, headers)
  }

  function admit(exchange: Exchange, consumer: Consumer, outcome: GuardOutcome, credential = ''): Verdict {
    const before = exchange.consumer
    if (before !== null && before !== consumer) {
      return refuse(exchange, GuardOutcome.consumersDiffer, 'the credentials belong to different consumers')
    }
    exchange.consumer = consumer
    exchange.credential = credential
    count(exchange.routeId, outcome)
    return Verdict.next
  }

  return { admit, refuse }
}
