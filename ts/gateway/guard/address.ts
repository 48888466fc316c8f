// Guard: who may ask, by address. `allow`: who is in none of the blocks is refused, also who has no address (a unix
// socket); `deny`: who is in one of them. The address is the last that no trusted proxy has.
import type { AddressGuardPlan } from '../../config/plan.ts'
import { compileBlocks } from '../../shared/address-blocks.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'

export function addressGuard(
  { allow, blocks }: AddressGuardPlan,
  clientAddress: (exchange: Exchange) => string,
  count: CountOutcome,
): Stage {
  const isInside = compileBlocks(blocks)
  const refused = allow ? GuardOutcome.addressNotAllowed : GuardOutcome.addressDenied
  return exchange => {
    if (isInside(clientAddress(exchange)) === allow) {
      count(exchange.routeId, GuardOutcome.addressAdmitted)
      return Verdict.next
    }
    count(exchange.routeId, refused)
    exchange.refusedFor = refused
    return exchange.refuse('forbidden', 'not from this address')
  }
}
