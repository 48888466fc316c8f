// What a limit counts under: whose it is, as a text. Called by limit.ts.
import type { LimitedBy } from '../../config/plan.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Exchange } from '../exchange.ts'
import { addressKey } from './address-key.ts'

export interface LimitKeyOptions {
  readonly heads: RequestHeads
  /** The address that counts as the client's. */
  readonly clientAddress: (exchange: Exchange) => string
}

export type LimitKey = (exchange: Exchange) => string

export function limitKey(by: LimitedBy, header: string, { heads, clientAddress }: LimitKeyOptions): LimitKey {
  switch (by) {
    case 'address':
      return exchange => addressKey(clientAddress(exchange))
    case 'consumer':
      return exchange => exchange.consumer?.plan.name ?? ''
    case 'key':
      return credentialOf
    case 'route':
      return () => ''
    case 'header':
      // Those without it have one limit together.
      return exchange => heads.header(exchange.slot, header) ?? ''
  }
}

/** Where a guard names no credential, the consumer has but one. A blank is in no consumer's name, and in no credential's. */
function credentialOf({ consumer, credential }: Exchange): string {
  if (consumer === null) return ''
  return credential === '' ? `${consumer.plan.name} ` : credential
}
