// The hook `log`: a request has ended, and plugins may look at it once more. Called by the pipeline after it has been
// recorded; nobody waits for it, and nothing that a plugin says of it counts.
import type { Exchange } from '../exchange.ts'
import type { Chains } from './chain.ts'

export function logStage(chains: Chains): ((exchange: Exchange) => void) | null {
  if (chains.every(chain => chain === null)) return null
  return exchange => {
    const chain = exchange.routeId < 0 ? null : chains[exchange.routeId]!
    if (chain !== null) for (const call of chain) call(exchange, null)
  }
}
