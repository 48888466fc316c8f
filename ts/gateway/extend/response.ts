// The hook `response`: the upstream's head is there, and its body where a plugin of the route has asked for it. A reply that
// plugins only look at, or edit the head of at once, streams on as it would without them; one whose body is asked for, or
// for which a plugin takes its time, is collected first, and answered as a whole.
import { Row, RowKind, rowInts, type UpstreamClient } from '../../shared/native.ts'
import { Verdict, type CollectedReply, type Exchange } from '../exchange.ts'
import type { Stages } from '../pipeline.ts'
import type { Chains } from './chain.ts'
import { linesOf } from './reply.ts'

/** Of a reply for which a plugin takes its time, and has not asked for the body. */
const patientBytes = 1024 * 1024
const nothing = new Uint8Array(0)

/** Where replies are read from. */
export type ReplySource = Pick<UpstreamClient, 'rows' | 'slab'>

export interface ResponseStage {
  readonly check: NonNullable<Stages['extend']['response']>
  /** A plugin that had to be waited for has come to this. */
  readonly settle: (exchange: Exchange, verdict: Verdict) => Verdict
}

/** `bodyBytes`: how much of a body is collected, by route id; 0: none is asked for. */
export function responseStage(
  chains: Chains,
  bodyBytes: readonly number[],
  { rows, slab }: ReplySource,
): ResponseStage | null {
  if (chains.every(chain => chain === null)) return null

  function walk(exchange: Exchange, collected: CollectedReply, from: number): Verdict {
    const chain = chains[exchange.routeId]!
    for (let at = from; at < chain.length; at++) {
      collected.pluginAt = at
      const verdict = chain[at]!(exchange, collected)
      if (verdict !== Verdict.next) return verdict
    }
    collected.pluginAt = -1
    return Verdict.next
  }

  /** Plugins have all said what they have to say of the whole reply. */
  function answer(exchange: Exchange, { status, block, body, chunks }: CollectedReply): Verdict {
    const headers = [...linesOf(exchange.running.via + block)]
    exchange.answer = { status, headers, body: body ?? Buffer.concat(chunks), close: false }
    return Verdict.answer
  }

  function begin(exchange: Exchange, row: number): CollectedReply {
    const at = row * rowInts
    const from = rows[at + Row.headOffset]!
    return {
      status: rows[at + Row.status]!,
      block: slab.latin1Slice(from, from + rows[at + Row.headLength]!),
      body: null,
      edited: false,
      maxBytes: bodyBytes[exchange.routeId]!,
      chunks: [],
      bytes: 0,
      complete: false,
      pluginAt: -1,
    }
  }

  function collect(exchange: Exchange, collected: CollectedReply, kind: number, row: number): Verdict {
    const at = row * rowInts
    const length = rows[at + Row.bodyLength]!
    const maxBytes = collected.maxBytes || patientBytes
    collected.bytes += length
    if (collected.bytes > maxBytes) {
      return exchange.refuse('plugin_failed', `the response is longer than the ${maxBytes} bytes that plugins get`)
    }
    const from = rows[at + Row.bodyOffset]!
    if (length > 0) collected.chunks.push(Buffer.from(slab.subarray(from, from + length)))
    if ((kind & RowKind.end) === 0) return Verdict.later
    collected.complete = true
    if (collected.maxBytes === 0) return collected.pluginAt < 0 ? answer(exchange, collected) : Verdict.later
    collected.body = collected.chunks.length === 0 ? nothing : Buffer.concat(collected.chunks)
    return walk(exchange, collected, 0) || answer(exchange, collected)
  }

  function check(exchange: Exchange, kind: number, row: number): Verdict {
    if (chains[exchange.routeId] === null) return Verdict.next
    if (exchange.collected !== null) return collect(exchange, exchange.collected, kind, row)
    if ((kind & RowKind.head) === 0) return Verdict.next
    const collected = begin(exchange, row)
    if (collected.maxBytes === 0 || (kind & RowKind.bodiless) !== 0) {
      collected.maxBytes = 0
      const verdict = walk(exchange, collected, 0)
      if (verdict === Verdict.next && collected.edited) exchange.editedReply = collected
      if (verdict !== Verdict.later) return verdict
    }
    exchange.collected = collected
    return collect(exchange, collected, kind, row)
  }

  return {
    check,
    settle(exchange, verdict) {
      const { collected } = exchange
      if (verdict !== Verdict.next || collected === null) return verdict
      const walked = walk(exchange, collected, collected.pluginAt + 1)
      if (walked !== Verdict.next) return walked
      return collected.complete ? answer(exchange, collected) : Verdict.later
    },
  }
}
