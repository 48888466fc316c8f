// The upstream of a trial, in the forward stage's place: keeps what a real one would have got, composed by the addon as
// for a real one, and answers in rows as the upstream client's batches have them.
import type { HeaderPair, Plan } from '../../config/plan.ts'
import { consumerHow, ForwardHow, Row, RowKind, rowInts, type NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { CallUpstream } from '../../shared/upstream-calls.ts'
import { Phase, Verdict, type Exchange } from '../exchange.ts'
import { compileForwardRoutes } from '../forward/routes.ts'
import type { Stages } from '../pipeline.ts'
import type { TrialReply } from './client.ts'

/** What the upstream has got. */
export interface Forwarded {
  readonly upstream: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: readonly HeaderPair[]
  readonly body: Uint8Array
}

export interface TrialUpstream {
  /** The stage. */
  readonly forward: Stages['forward']
  /** What the stages read replies from. */
  readonly client: { readonly rows: Int32Array; readonly slab: Buffer }
  /** Null: nothing was forwarded. Forgets it. */
  take(exchange: Exchange): Forwarded | null
  /** Writes a reply into the one row that there is, the first piece of its body included; gives the kind of the row. */
  write(reply: TrialReply, method: string): number
  release(): void
}

/** Of a reply's body in one row. */
const pieceBytes = 64 * 1024
const maxHeadBytes = 64 * 1024

export function trialUpstream(
  plan: Plan,
  heads: RequestHeads,
  exchanges: NativeExchanges,
  replyOf: (exchange: Exchange) => TrialReply,
): TrialUpstream {
  const routes = compileForwardRoutes(plan, heads, [null])
  const rows = new Int32Array(rowInts)
  const slab = Buffer.alloc(maxHeadBytes + pieceBytes)
  const sent = new Map<Exchange, { readonly head: string; readonly pieces: Uint8Array[] }>()

  function send(exchange: Exchange): Verdict {
    const how =
      (exchange.listener.scheme === 'https' ? ForwardHow.tls : 0) | consumerHow(exchange.consumer?.number ?? 0)
    const pieces = exchange.held ?? []
    if (exchange.bodyReplaced) exchanges.setBodyLength(exchange.slot, exchange.heldBytes)
    exchange.held = null
    const { policy } = routes.list[exchange.routeId]!
    sent.set(exchange, {
      head: exchanges.compose(exchange.slot, policy, null, null, how, exchange.listener.port, 0),
      pieces,
    })
    exchange.phase = Phase.waiting
    if (exchange.bodyDone) queueMicrotask(() => answer(exchange))
    return Verdict.later
  }

  function body(exchange: Exchange, chunk: ArrayBuffer, last: boolean): Verdict {
    sent.get(exchange)?.pieces.push(new Uint8Array(chunk.slice(0)))
    if (last) queueMicrotask(() => answer(exchange))
    return Verdict.next
  }

  function answer(exchange: Exchange): void {
    const reply = replyOf(exchange)
    const { pipeline } = exchange.running
    const isOver = (): boolean => exchange.phase === Phase.free
    let kind = writeHead(reply, exchange.method)
    const body = (kind & RowKind.bodiless) !== 0 ? none : reply.body
    for (let from = 0; !isOver(); from += pieceBytes) {
      kind |= writePiece(body, from)
      pipeline.reply(exchange, kind, 0)
      if ((kind & RowKind.end) !== 0) return
      kind = 0
    }
  }

  function writePiece(body: Uint8Array, from: number): number {
    const piece = body.subarray(from, from + pieceBytes)
    slab.set(piece, maxHeadBytes)
    rows[Row.bodyLength] = piece.length
    return RowKind.data | (from + pieceBytes >= body.length ? RowKind.end : 0)
  }

  function writeHead({ status, headers, body }: TrialReply, method: string): number {
    const block = headers.map(([name, value]) => `\r\n${name}: ${value}`).join('')
    rows[Row.status] = status
    rows[Row.headOffset] = 0
    rows[Row.headLength] = slab.write(block, 0, maxHeadBytes, 'latin1')
    rows[Row.bodyOffset] = maxHeadBytes
    rows[Row.bodyLength] = 0
    rows[Row.lengthLow] = body.length
    rows[Row.lengthHigh] = 0
    const bodiless = method === 'HEAD' || status === 204 || status === 304 ? RowKind.bodiless : 0
    return RowKind.head | RowKind.length | bodiless
  }

  return {
    client: { rows, slab },
    forward: { send, body, settle: () => Verdict.next, abandon: () => {} },
    take(exchange) {
      const found = sent.get(exchange)
      sent.delete(exchange)
      if (found === undefined) return null
      const chosen = exchange.chosenUpstream < 0 ? 0 : exchange.chosenUpstream
      return { upstream: plan.upstreams[chosen]!.name, ...parsed(found.head), body: Buffer.concat(found.pieces) }
    },
    write: (reply, method) => writeHead(reply, method) | writePiece(reply.body, 0),
    release: () => routes.release(),
  }
}

const none = new Uint8Array(0)

/** A head that the addon has made. */
function parsed(head: string): Pick<Forwarded, 'method' | 'target' | 'headers'> {
  const [first = '', ...lines] = head.split('\r\n').filter(line => line !== '')
  const [method = '', target = ''] = first.split(' ')
  return {
    method,
    target,
    headers: lines.map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  }
}

/** What a plugin hears that asks an upstream by itself. */
export const answering =
  (asked: Readonly<Record<string, TrialReply>>): CallUpstream =>
  ({ upstream }, come) => {
    let isForgotten = false
    const answer = Object.hasOwn(asked, upstream)
      ? asked[upstream]!
      : 'the case does not say under asked what it answers'
    queueMicrotask(() => isForgotten || come(answer))
    return () => void (isForgotten = true)
  }
