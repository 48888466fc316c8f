// The accept stage's second half: pieces of a request's body, as they come. Counts them against the route's limit, and
// keeps them while a guard has the request, so that nothing of it goes on before the guard has spoken. Called by the
// pipeline before forward.
import { Verdict, type Exchange } from '../exchange.ts'

/** With more than this kept the client is not read any further, unless a guard waits for the whole body. */
const pauseAboveBytes = 64 * 1024

/** `next`: the piece is for the upstream. `later`: it is kept, or nobody wants it. */
export function receiveBody(exchange: Exchange, chunk: ArrayBuffer, last: boolean): Verdict {
  exchange.requestBytes += chunk.byteLength
  if (exchange.bodyUnread) return Verdict.later
  const { maxBodyBytes } = exchange
  if (maxBodyBytes > 0 && exchange.requestBytes > maxBodyBytes) return refuse(exchange, maxBodyBytes)
  exchange.bodyDone = last
  return exchange.held === null ? Verdict.next : keep(exchange, exchange.held, chunk, last)
}

function keep(exchange: Exchange, held: Uint8Array[], chunk: ArrayBuffer, last: boolean): Verdict {
  const { awaitedBytes } = exchange
  exchange.heldBytes += chunk.byteLength
  if (awaitedBytes > 0 && exchange.heldBytes > awaitedBytes) return refuse(exchange, awaitedBytes)
  // The front end's memory is its own again when its handler returns.
  if (chunk.byteLength > 0) held.push(new Uint8Array(chunk.slice(0)))
  if (awaitedBytes === 0 && !last && exchange.heldBytes > pauseAboveBytes) exchange.pauseClient()
  return Verdict.later
}

function refuse(exchange: Exchange, limitBytes: number): Verdict {
  exchange.bodyUnread = true
  exchange.held = null
  return exchange.refuse('body_too_large', `the limit is ${limitBytes} bytes`, [], true)
}
