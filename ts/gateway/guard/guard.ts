// The guard stage: built-in checks in a fixed order, each a function of the exchange that answers now.
//   1. cross-origin rules (cors.ts): a preflight is answered here, other answers get their headers
//   2. body size (body-size.ts): what is announced as too long is refused before a byte is read, and counts nowhere
//   3. the route's own guards, in the order of the configuration (guards.ts)
import { Verdict, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { bodySizeGuard } from './body-size.ts'
import type { CrossOrigin } from './cors.ts'
import type { RouteGuards } from './guards.ts'

export function guardStage(cors: CrossOrigin | null, guards: RouteGuards | null): Stage {
  const first: Stage = cors === null ? bodySizeGuard : exchange => cors.guard(exchange) || bodySizeGuard(exchange)
  if (guards === null) return first
  const { list } = guards
  return exchange => first(exchange) || runGuards(list[exchange.routeId] ?? null, exchange)
}

function runGuards(guards: readonly Stage[] | null, exchange: Exchange): Verdict {
  if (guards === null) return Verdict.next
  for (let at = 0; at < guards.length; at++) {
    const verdict = guards[at]!(exchange)
    if (verdict !== Verdict.next) return verdict
  }
  return Verdict.next
}
