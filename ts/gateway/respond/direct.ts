// The respond stage for requests that went past the front end: the addon composes and sends what the upstream client
// brings, and keeps the pace of both sides. Called by respond.ts. An exchange ends with its last row; what still waits
// for the client then is the addon's.
import { Row, RowKind, rowInts, type NativeExchanges, type UpstreamClient } from '../../shared/native.ts'
import { RespondFlag, type DirectCommands } from '../../shared/native-direct.ts'
import { Phase, type Exchange } from '../exchange.ts'
import { composeAnswer } from './answer.ts'
import { isBodiless } from './status-lines.ts'

/** What both ways of responding need. */
export interface RespondOptions {
  readonly client: UpstreamClient
  readonly exchanges: NativeExchanges
  readonly commands: DirectCommands
  /** The exchange is over; nothing of it may be used afterwards. */
  readonly finish: (exchange: Exchange) => void
  /** The response was broken off. */
  readonly aborted: (exchange: Exchange) => void
  /** Whether the worker drains: connections are closed after their answer. */
  readonly closing: () => boolean
}

export interface DirectRespond {
  readonly answer: (exchange: Exchange) => void
  readonly relay: (exchange: Exchange, kind: number, row: number) => void
}

export function createDirectRespond(options: RespondOptions): DirectRespond {
  const { client, exchanges, commands, finish, aborted, closing } = options
  const { rows } = client

  function answer(exchange: Exchange): void {
    if (exchange.phase === Phase.sending) {
      breakOff(exchange)
      return
    }
    const { block, body } = composeAnswer(exchange, exchanges)
    const { status } = exchange
    const last = exchange.answer!.close || exchange.lastOnConnection || closing()
    const bodiless = isBodiless(status)
    const flags = (last ? RespondFlag.last : 0) | (bodiless ? RespondFlag.bodiless : 0)
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const sent = bodiless || exchange.method === 'HEAD' ? bytes.byteLength : bytes
    if (typeof sent !== 'number') exchange.responseBytes = bytes.byteLength
    exchanges.answer(exchange.slot, status, flags, block, sent)
    end(exchange)
  }

  function relay(exchange: Exchange, kind: number, row: number): void {
    if ((kind & RowKind.error) !== 0) {
      breakOff(exchange)
      return
    }
    const at = row * rowInts
    exchange.responseBytes += rows[at + Row.bodyLength]!
    if ((kind & RowKind.head) !== 0) relayHead(exchange, row, at)
    else if ((kind & (RowKind.data | RowKind.end)) !== 0) commands.relay(exchange.slot, row, 0, 0)
    if ((kind & RowKind.end) !== 0) {
      exchange.ticket = 0
      end(exchange)
    }
  }

  /** Written down before the exchange ends, since its end may have all that is written down done. */
  function end(exchange: Exchange): void {
    commands.done(exchange.slot)
    finish(exchange)
  }

  function relayHead(exchange: Exchange, row: number, at: number): void {
    const { responseEdits, via } = exchange.running
    const { editedReply } = exchange
    exchange.status = editedReply === null ? rows[at + Row.status]! : editedReply.status
    exchange.phase = Phase.sending
    const flags = (exchange.lastOnConnection || closing() ? RespondFlag.last : 0) | (via === '' ? 0 : RespondFlag.via)
    const edits = responseEdits[exchange.routeId]!
    if (editedReply !== null) {
      const block = edits === 0 ? editedReply.block : exchanges.editResponse(edits, editedReply.block)
      exchanges.relayEdited(exchange.slot, row, flags, exchange.status, block + exchange.extraHeaders)
    } else if (exchange.extraHeaders === '') commands.relay(exchange.slot, row, flags, edits)
    else exchanges.relay(exchange.slot, row, flags, edits, exchange.extraHeaders)
  }

  /** Too late for an answer: a cut connection is the only honest sign (RFC 9112 section 8). */
  function breakOff(exchange: Exchange): void {
    exchange.ticket = 0
    commands.abort(exchange.slot)
    aborted(exchange)
  }

  return { answer, relay }
}
