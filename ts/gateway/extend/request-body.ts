// The body of a request that a plugin has asked for: what has been held of it, as one piece. Used by every runtime.
import type { Exchange } from '../exchange.ts'

const none = new Uint8Array(0)

/** The same bytes for every call of the request; nobody may write to them. */
export function requestBody(exchange: Exchange): Uint8Array {
  const { held } = exchange
  if (held === null || held.length === 0) return none
  if (held.length > 1) exchange.held = [Buffer.concat(held)]
  return exchange.held![0]!
}
