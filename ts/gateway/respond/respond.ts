// The respond stage: what the upstream client brings goes out to the client, under back-pressure, with nothing
// buffered that the client could have taken. Called by the pipeline; the rules of uWebSockets.js it obeys:
//   - a response of known length goes through tryEnd, which says how much it took; the rest is kept (one piece) and
//     the upstream is paused until the front end asks for more;
//   - one of unknown length goes through write, which takes everything but may report pressure; while an onWritable
//     handler is set the front end drains its own buffer only when it is corked (uNetworking/uWebSockets
//     HttpContext.h, on_writable), hence the empty cork, and one cork may not be enough;
//   - a head leaves at once also where no byte of the body is there yet (event streams, long polls). The front end
//     completes a head with the first bytes only, so native/downstream does it;
//   - it says `Connection: close` at the end of an answer, also where the head has long left: within a chunked body.
//     So only answers that are written whole are closed by it; the others say so in their head, and the client closes;
//   - an upstream that dies in the middle closes the connection: a cut body must never look whole.
import { native, Row, RowKind, rowInts } from '../../shared/native.ts'
import { Phase, type Exchange } from '../exchange.ts'
import { writeAnswer } from './answer.ts'
import { createDirectRespond, type RespondOptions } from './direct.ts'
import { statusLine } from './status-lines.ts'
import { UnsentPieces } from './unsent.ts'

/** Bodies up to this go out as one-byte strings: cheaper than making a view of the slab (measured: 60 against 150 ns). */
const shortBodyBytes = 2048

export interface Respond {
  readonly answer: (exchange: Exchange) => void
  readonly relay: (exchange: Exchange, kind: number, row: number) => void
  /** Called inside `response.cork`. */
  readonly corked: (exchange: Exchange) => void
  readonly writable: (exchange: Exchange, offset: number) => boolean
}

export function createRespond(options: RespondOptions): Respond {
  const { client, exchanges, finish, closing } = options
  const { slab, rows } = client
  const frontEnd = native()
  const pieces = new UnsentPieces()
  const direct = createDirectRespond(options)
  // The row that `corked` writes: cork takes a closure, and making one per response would cost more than this.
  let kind = 0
  let at = 0

  function answer(exchange: Exchange): void {
    if (exchange.direct) {
      direct.answer(exchange)
      return
    }
    if (exchange.phase === Phase.sending) {
      // Too late for another answer: a broken connection is the only honest sign (RFC 9112 section 8).
      exchange.response.close()
      return
    }
    exchange.resumeClient()
    kind = 0
    exchange.response.cork(exchange.onCorked)
    finish(exchange)
  }

  function relay(exchange: Exchange, rowKind: number, row: number): void {
    if (exchange.direct) {
      direct.relay(exchange, rowKind, row)
      return
    }
    kind = rowKind
    at = row * rowInts
    if ((kind & RowKind.error) !== 0) {
      exchange.ticket = 0
      exchange.response.close()
      return
    }
    if ((kind & RowKind.end) !== 0) {
      exchange.upstreamDone = true
      exchange.ticket = 0
    }
    if ((kind & (RowKind.head | RowKind.data | RowKind.end)) === 0) return
    exchange.response.cork(exchange.onCorked)
    if (exchange.upstreamDone && exchange.unsent === null && exchange.headSent) finish(exchange)
  }

  function corked(exchange: Exchange): void {
    if (kind === 0) {
      writeAnswer(exchange, exchanges, exchange.answer!.close || isLast(exchange))
      return
    }
    if ((kind & RowKind.head) !== 0) writeHead(exchange)
    const bodyLength = rows[at + Row.bodyLength]!
    if ((kind & RowKind.bodiless) !== 0) {
      const known = (kind & RowKind.length) !== 0
      if (known) exchange.response.endWithoutBody(lengthAt(at), isLast(exchange))
      else exchange.response.endWithoutBody()
    } else if ((kind & (RowKind.head | RowKind.end)) === (RowKind.head | RowKind.end)) {
      exchange.responseBytes = bodyLength
      exchange.response.end(bodyOf(bodyLength), isLast(exchange))
    } else {
      if ((kind & RowKind.head) !== 0) {
        exchange.total = (kind & RowKind.length) !== 0 ? lengthAt(at) : -1
        exchange.response.onWritable(exchange.onWritable)
        if (bodyLength === 0 && exchange.total !== 0) frontEnd.frontEndHeadAlone(exchange.slot, exchange.total)
      }
      exchange.responseBytes += bodyLength
      if (exchange.total >= 0) streamKnown(exchange, bodyLength)
      else streamUnknown(exchange, bodyLength)
    }
  }

  function writeHead(exchange: Exchange): void {
    const { editedReply } = exchange
    const status = editedReply === null ? rows[at + Row.status]! : editedReply.status
    const from = rows[at + Row.headOffset]!
    exchange.status = status
    exchange.phase = Phase.sending
    exchange.headSent = true
    if (status !== 200) exchange.response.writeStatus(statusLine(status))
    const { via, responseEdits } = exchange.running
    const edits = responseEdits[exchange.routeId]!
    const sent = editedReply === null ? slab.latin1Slice(from, from + rows[at + Row.headLength]!) : editedReply.block
    const last = isLast(exchange) && !endsWithHead() ? '\r\nconnection: close' : ''
    const block =
      exchange.requestId +
      via +
      exchange.extraHeaders +
      (edits === 0 ? sent : exchanges.editResponse(edits, sent)) +
      last
    // One call carries the whole header block: the front end checks nothing, the upstream client has checked all.
    if ((kind & RowKind.asciiHead) !== 0 && editedReply === null) exchange.response.writeHeader('x-request-id', block)
    else exchange.response.writeHeader('x-request-id', Buffer.from(block, 'latin1'))
  }

  /** Whether the row's answer goes out in one call, which can close the connection. */
  function endsWithHead(): boolean {
    const { length, bodiless, head, end } = RowKind
    return (kind & bodiless) !== 0 ? (kind & length) !== 0 : (kind & (head | end)) === (head | end)
  }

  function isLast(exchange: Exchange): boolean {
    return exchange.lastOnConnection || closing()
  }

  function lengthAt(base: number): number {
    return (rows[base + Row.lengthLow]! >>> 0) + (rows[base + Row.lengthHigh]! >>> 0) * 0x1_0000_0000
  }

  function bodyOf(length: number): string | Uint8Array {
    const from = rows[at + Row.bodyOffset]!
    return length <= shortBodyBytes && (kind & RowKind.asciiBody) !== 0
      ? slab.latin1Slice(from, from + length)
      : slab.subarray(from, from + length)
  }

  function streamKnown(exchange: Exchange, length: number): void {
    // tryEnd would take no bytes as the end.
    if (length === 0 && exchange.total > 0) return
    const from = rows[at + Row.bodyOffset]!
    const chunk = slab.subarray(from, from + length)
    if (exchange.unsent !== null) {
      // Read before the pause was told.
      const before = exchange.unsent
      exchange.unsent = Buffer.concat([before, chunk])
      pieces.giveBack(before)
      return
    }
    const base = exchange.response.getWriteOffset()
    const [ok] = exchange.response.tryEnd(chunk, exchange.total)
    if (ok) return
    const taken = exchange.response.getWriteOffset() - base
    exchange.unsent = pieces.copy(chunk.subarray(taken))
    exchange.unsentOffset = base + taken
    pauseUpstream(exchange)
  }

  function streamUnknown(exchange: Exchange, length: number): void {
    const { response } = exchange
    if (length > 0) {
      const from = rows[at + Row.bodyOffset]!
      if (!response.write(slab.subarray(from, from + length)) && !exchange.upstreamDone) pauseUpstream(exchange)
    }
    if (exchange.upstreamDone) response.end()
  }

  function writable(exchange: Exchange, offset: number): boolean {
    if (exchange.unsent !== null) {
      const rest = exchange.unsent.subarray(offset - exchange.unsentOffset)
      const [ok] = exchange.response.tryEnd(rest, exchange.total)
      if (!ok) {
        exchange.unsent = rest
        exchange.unsentOffset = offset
        return false
      }
      exchange.unsent = null
      pieces.giveBack(rest)
      if (exchange.upstreamDone) {
        finish(exchange)
        return true
      }
    } else if (exchange.total < 0) {
      exchange.response.cork(nothing)
      // Bytes left over: the next ones would only pile up behind them, in the front end's memory.
      if (frontEnd.frontEndWaits(exchange.slot)) return false
    }
    if (exchange.upstreamPaused) {
      exchange.upstreamPaused = false
      client.resume(exchange.ticket)
    }
    return true
  }

  function pauseUpstream(exchange: Exchange): void {
    if (exchange.upstreamPaused || exchange.ticket === 0) return
    exchange.upstreamPaused = true
    client.pause(exchange.ticket)
  }

  return { answer, relay, corked, writable }
}

const nothing = (): void => {}
