// Guard: refuses a request whose announced body is longer than the route allows, before a byte of it is read.
// Bodies of unannounced length are counted while they stream (forward).
import { Verdict, type Exchange } from '../exchange.ts'

export function bodySizeGuard(exchange: Exchange): Verdict {
  const { maxBodyBytes } = exchange
  if (maxBodyBytes === 0 || exchange.contentLength <= maxBodyBytes || exchange.framing !== 1) return Verdict.next
  exchange.bodyUnread = true
  return exchange.refuse('body_too_large', `the limit is ${maxBodyBytes} bytes`, [], true)
}
