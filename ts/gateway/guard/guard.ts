// The guard stage: built-in checks in a fixed order, each a function of the exchange that answers now.
//   1. cross-origin rules (cors.ts): a preflight is answered here, other answers get their headers
//   2. body size (body-size.ts): what is announced as too long is refused before a byte is read
import type { Stage } from '../pipeline.ts'
import { bodySizeGuard } from './body-size.ts'
import type { CrossOrigin } from './cors.ts'

export function guardStage(cors: CrossOrigin | null): Stage {
  if (cors === null) return bodySizeGuard
  return exchange => cors.guard(exchange) || bodySizeGuard(exchange)
}
