// Sends the answers that Polygate gives by itself: problem+json (RFC 9457) for a refused or failed request, and the
// static answers and redirects of routes. Never an internal address, never a stack.
import { errorKinds, publicCode } from '../../shared/errors.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { Answer, Exchange } from '../exchange.ts'
import { isBodiless, statusLine } from './status-lines.ts'

/** Body of a problem answer. `detail` is ours and safe to show. */
export function problemBody(exchange: Exchange): string {
  const code = exchange.code ?? 'internal'
  const { status, title } = errorKinds[code]
  const detail = exchange.detail === '' ? undefined : exchange.detail
  return JSON.stringify({
    type: 'about:blank',
    title,
    status,
    code: publicCode(code),
    detail,
    requestId: exchange.requestId,
  })
}

/** Header lines of `exchange.answer`, each as `\r\nname: value`, and its body; sets what is recorded of it. */
export function composeAnswer(
  exchange: Exchange,
  exchanges: NativeExchanges,
): { block: string; body: string | Uint8Array } {
  const { answer } = exchange
  if (answer === null) throw new Error('there is no answer to write')
  exchange.status = answer.status
  const block = headerBlock(exchange, answer, exchanges)
  return exchange.code === null
    ? { block, body: answer.body }
    : { block: `${block}\r\ncontent-type: application/problem+json`, body: problemBody(exchange) }
}

/** Writes `exchange.answer` inside a cork of the caller. The exchange has no byte of another response out. */
export function writeAnswer(exchange: Exchange, exchanges: NativeExchanges, close: boolean): void {
  const { response } = exchange
  const { block, body } = composeAnswer(exchange, exchanges)
  const { status } = exchange
  response.writeStatus(statusLine(status))
  if (exchange.requestId !== '') response.writeHeader('x-request-id', exchange.requestId)
  if (block !== '') writeBlock(exchange, block)
  if (isBodiless(status)) {
    // Elsewhere the front end says it by itself. A close after no length would send one of 2^63 (accept/front-end.ts).
    if (close) response.writeHeader('connection', 'close')
    response.endWithoutBody()
    return
  }
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  if (exchange.method === 'HEAD') {
    response.endWithoutBody(bytes, close)
    return
  }
  exchange.responseBytes = bytes
  response.end(body, close)
}

/** A route's response edits are for its own static answers, not for problems and preflights. */
function headerBlock(exchange: Exchange, answer: Answer, exchanges: NativeExchanges): string {
  let block = ''
  for (const [name, value] of answer.headers) block += `\r\n${name}: ${value}`
  const edits = exchange.routeId < 0 ? 0 : exchange.running.responseEdits[exchange.routeId]!
  if (edits !== 0 && exchange.code === null && !exchange.preflight) block = exchanges.editResponse(edits, block)
  return block + exchange.extraHeaders
}

/** Lines of `\r\nname: value`; the front end wants the first name by itself. */
function writeBlock(exchange: Exchange, block: string): void {
  const colon = block.indexOf(': ', 2)
  exchange.response.writeHeader(block.slice(2, colon), block.slice(colon + 2))
}
