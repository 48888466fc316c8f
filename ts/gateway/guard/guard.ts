// The guard stage: built-in checks in a fixed order, each a function of the exchange that answers now.
//   1. cross-origin rules (cors.ts): a preflight is answered here, other answers get their headers
//   2. body size (body-size.ts): what is announced as too long is refused before a byte is read
import type { Plan } from '../../config/plan.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Verdict } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { bodySizeGuard } from './body-size.ts'
import { corsGuards } from './cors.ts'

export function guardStage(plan: Plan, heads: RequestHeads): Stage {
  const cors = corsGuards(plan, heads)
  if (cors === null) return bodySizeGuard
  return exchange => {
    const guard = cors[exchange.routeId]!
    return (guard === null ? Verdict.next : guard(exchange)) || bodySizeGuard(exchange)
  }
}
