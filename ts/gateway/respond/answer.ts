// Sends the answers that Polygate gives by itself: problem+json (RFC 9457) for a refused or failed request, and the
// static answers and redirects of routes. Never an internal address, never a stack.
import { errorKinds, publicCode } from '../../shared/errors.ts'
import type { Exchange } from '../exchange.ts'
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

/** Writes `exchange.answer` inside a cork of the caller. The exchange has no byte of another response out. */
export function writeAnswer(exchange: Exchange, closing: boolean): void {
  const { response, answer } = exchange
  if (answer === null) throw new Error('there is no answer to write')
  const close = answer.close || closing
  exchange.status = answer.status
  response.writeStatus(statusLine(answer.status))
  if (exchange.requestId !== '') response.writeHeader('x-request-id', exchange.requestId)
  for (const [name, value] of answer.headers) response.writeHeader(name, value)
  if (exchange.extraHeaders !== '') writeExtraHeaders(exchange)
  if (close) response.writeHeader('connection', 'close')
  let body = answer.body
  if (exchange.code !== null) {
    body = problemBody(exchange)
    response.writeHeader('content-type', 'application/problem+json')
  }
  if (isBodiless(answer.status)) {
    // A close after no length would send one of 2^63 (see accept/front-end.ts); the header above says it instead.
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

/** `extraHeaders` is a block of `\r\nname: value`; the front end wants the first name by itself. */
function writeExtraHeaders(exchange: Exchange): void {
  const block = exchange.extraHeaders
  const colon = block.indexOf(': ', 2)
  exchange.response.writeHeader(block.slice(2, colon), block.slice(colon + 2))
}
