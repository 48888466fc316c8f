// The plugins of each route that have a hook, in the order of the list, as a stage of the pipeline: the first that answers
// or waits ends the walk, and one that waited goes on with the next.
import { Verdict, type Exchange } from '../exchange.ts'
import type { PatientStage } from '../pipeline.ts'
import type { HookCall } from './call.ts'

/** By route id; null where a route has no plugin with the hook. */
export type Chains = readonly (readonly HookCall[] | null)[]

/** Null where no route has one: then requests pay for nothing. */
export function chainStage(chains: Chains): PatientStage | null {
  if (chains.every(chain => chain === null)) return null

  function walk(exchange: Exchange, from: number): Verdict {
    const chain = chains[exchange.routeId]!
    for (let at = from; at < chain.length; at++) {
      const verdict = chain[at]!(exchange, null)
      if (verdict === Verdict.next) continue
      exchange.pluginAt = at
      return verdict
    }
    return Verdict.next
  }

  return {
    // A preflight is no request of the client's own making.
    check: exchange => (chains[exchange.routeId] === null || exchange.preflight ? Verdict.next : walk(exchange, 0)),
    settle: (exchange, verdict) => (verdict === Verdict.next ? walk(exchange, exchange.pluginAt + 1) : verdict),
    recheck: exchange => walk(exchange, exchange.pluginAt),
  }
}
