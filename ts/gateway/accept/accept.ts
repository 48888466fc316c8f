// The accept stage: takes the request's head out of the front end, once, before anything asynchronous, and has it
// parsed strictly by native/head. Rust has seen the raw bytes (native/downstream), and only the few texts that routes are
// matched on become strings; where the front end is not hooked it alone has the head, so it is put together as text and
// goes through the same parser. What is malformed is refused and its connection closed.
import { randomUUID } from 'node:crypto'
import type { HttpRequest } from 'uWebSockets.js'
import type { LimitsPlan } from '../../config/plan.ts'
import { headNotSeen, type NativeExchanges } from '../../shared/native.ts'
import { EventRow, type DirectEvents } from '../../shared/native-direct.ts'
import {
  HeadFlag,
  HeadFraming,
  HeadInfo,
  headRefusals,
  methodNames,
  type RequestHeads,
} from '../../shared/native-heads.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import type { Stages } from '../pipeline.ts'
import { receiveBody } from './body.ts'

export interface AcceptOptions {
  readonly limits: LimitsPlan
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  /** Of requests that go past the front end; null where none do. */
  readonly events: DirectEvents | null
  /** Requests in flight in this worker, this one included. */
  readonly active: () => number
}

export function acceptStage({ limits, heads, exchanges, events, active }: AcceptOptions): Stages['accept'] {
  const { maxConcurrentRequests, maxRequestsPerConnection, maxBodyBytes } = limits

  /** Reads the head into the slot; the code of a refusal, or 0. */
  function take(exchange: Exchange): number {
    const refusal = exchanges.begin(exchange.slot)
    if (refusal !== headNotSeen) return refusal
    if (exchanges.remoteAddress(exchange.slot) === '') {
      exchanges.setRemoteAddress(exchange.slot, exchange.response.getRemoteAddressAsText())
    }
    return heads.takeText(exchange.slot, headText(exchange.request))
  }

  /** `base`: where the numbers of HeadInfo begin. */
  function describe(exchange: Exchange, info: Int32Array, base: number, slab: Buffer): number {
    const methodId = info[base + HeadInfo.methodId]!
    exchange.methodId = methodId
    exchange.method =
      methodId > 0
        ? methodNames[methodId]!
        : text(slab, info, base + HeadInfo.methodOffset, base + HeadInfo.methodLength)
    exchange.path = text(slab, info, base + HeadInfo.pathOffset, base + HeadInfo.pathLength)
    if (info[base + HeadInfo.queryLength]! > 0)
      exchange.query = text(slab, info, base + HeadInfo.queryOffset, base + HeadInfo.queryLength)
    exchange.host = text(slab, info, base + HeadInfo.hostOffset, base + HeadInfo.hostLength)
    if (!exchange.direct)
      exchange.requestId = text(slab, info, base + HeadInfo.requestIdOffset, base + HeadInfo.requestIdLength)
    exchange.maxBodyBytes = maxBodyBytes
    return info[base + HeadInfo.flags]!
  }

  function expectBody(exchange: Exchange, info: Int32Array): void {
    const framing = info[HeadInfo.framing]!
    if (framing === HeadFraming.none) return
    exchange.framing = framing
    exchange.bodyDone = false
    exchange.contentLength = (info[HeadInfo.lengthLow]! >>> 0) + (info[HeadInfo.lengthHigh]! >>> 0) * 0x1_0000_0000
    // The front end wants this before the handler returns, or the body is thrown away.
    exchange.response.onData(exchange.bodyHandler())
  }

  const isLast = (flags: number, connectionRequests: number): boolean =>
    (flags & HeadFlag.close) !== 0 || (maxRequestsPerConnection > 0 && connectionRequests >= maxRequestsPerConnection)

  const admit = (exchange: Exchange): Verdict =>
    maxConcurrentRequests > 0 && active() > maxConcurrentRequests
      ? exchange.refuse('overloaded', 'too many requests are in flight', [['retry-after', '1']])
      : Verdict.next

  function head(exchange: Exchange): Verdict {
    if (exchange.direct) {
      const { rows, slab } = events!
      const at = exchange.eventAt
      const flags = describe(exchange, rows, at + EventRow.head, slab)
      exchange.lastOnConnection = isLast(flags, rows[at + EventRow.connectionRequests]!)
      return admit(exchange)
    }
    const refusal = take(exchange)
    if (refusal !== 0) {
      const { code, detail } = headRefusals[refusal] ?? { code: 'bad_request', detail: '' }
      exchange.bodyUnread = true
      exchange.requestId = randomUUID()
      return exchange.refuse(code, detail, [], true)
    }
    const flags = describe(exchange, heads.info, 0, heads.slab)
    exchange.lastOnConnection = isLast(
      flags,
      maxRequestsPerConnection > 0 ? exchanges.connectionRequests(exchange.slot) : 0,
    )
    if ((flags & HeadFlag.expectOther) !== 0) return exchange.refuse('expectation_failed', '', [], true)
    expectBody(exchange, heads.info)
    return admit(exchange)
  }

  return { head, body: receiveBody }
}

/** A text of the slab; the numbers say where its offset and its length lie. */
function text(slab: Buffer, info: Int32Array, offsetAt: number, lengthAt: number): string {
  const from = info[offsetAt]!
  return slab.latin1Slice(from, from + info[lengthAt]!)
}

/** The head as text, from a front end that alone has it: names lower-cased, a character a byte (latin-1). */
function headText(request: HttpRequest): string {
  const query = request.getQuery() as string | undefined
  const target = query === undefined ? request.getUrl() : `${request.getUrl()}?${query}`
  let head = `${request.getCaseSensitiveMethod()} ${target} HTTP/1.1\r\n`
  request.forEach((name, value) => {
    head += `${name}: ${value}\r\n`
  })
  return head + '\r\n'
}
