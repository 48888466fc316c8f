// The hook `log`: a request has ended, and plugins may look at it once more. Called by the pipeline after it has been
// recorded; nobody waits for it, and nothing that a plugin says of it counts.
import { Verdict } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import type { Chains } from './chain.ts'

/** `later`: a plugin is still looking. */
export function logStage(chains: Chains): Stage | null {
  if (chains.every(chain => chain === null)) return null
  return exchange => {
    const chain = exchange.routeId < 0 ? null : chains[exchange.routeId]!
    let verdict: Verdict = Verdict.next
    if (chain !== null) for (const call of chain) if (call(exchange, null) === Verdict.later) verdict = Verdict.later
    return verdict
  }
}
