// The accept stage: takes the request's head out of the front end, once, before anything asynchronous, and has it
// parsed strictly by native/head. Rust has seen the raw bytes (native/downstream), and only the few texts that routes are
// matched on become strings; where the front end is not hooked it alone has the head, so it is put together as text and
// goes through the same parser. What is malformed is refused and its connection closed.
import { randomUUID } from 'node:crypto'
import type { HttpRequest } from 'uWebSockets.js'
import type { LimitsPlan } from '../../config/plan.ts'
import { headNotSeen, type NativeExchanges } from '../../shared/native.ts'
import { HeadFlag, HeadInfo, headRefusals, methodNames, type RequestHeads } from '../../shared/native-heads.ts'
import { Verdict } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'

export interface AcceptOptions {
  readonly limits: LimitsPlan
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  /** Requests in flight in this worker, this one included. */
  readonly active: () => number
}

export function acceptStage({ limits, heads, exchanges, active }: AcceptOptions): Stage {
  const { info, slab } = heads
  const { maxConcurrentRequests, maxRequestsPerConnection, maxBodyBytes } = limits

  const text = (offset: number, length: number): string => {
    const from = info[offset]!
    return slab.latin1Slice(from, from + info[length]!)
  }

  return exchange => {
    let refusal = exchanges.begin(exchange.slot)
    if (refusal === headNotSeen) {
      refusal = heads.takeText(exchange.slot, headText(exchange.request))
      if (exchanges.remoteAddress(exchange.slot) === '') {
        exchanges.setRemoteAddress(exchange.slot, exchange.response.getRemoteAddressAsText())
      }
    }
    if (refusal !== 0) {
      const { code, detail } = headRefusals[refusal] ?? { code: 'bad_request', detail: '' }
      exchange.bodyUnread = true
      exchange.requestId = randomUUID()
      return exchange.refuse(code, detail, [], true)
    }
    const methodId = info[HeadInfo.methodId]!
    exchange.methodId = methodId
    exchange.method = methodId > 0 ? methodNames[methodId]! : text(HeadInfo.methodOffset, HeadInfo.methodLength)
    exchange.path = text(HeadInfo.pathOffset, HeadInfo.pathLength)
    if (info[HeadInfo.queryLength]! > 0) exchange.query = text(HeadInfo.queryOffset, HeadInfo.queryLength)
    exchange.host = text(HeadInfo.hostOffset, HeadInfo.hostLength)
    exchange.requestId = text(HeadInfo.requestIdOffset, HeadInfo.requestIdLength)
    const flags = info[HeadInfo.flags]!
    exchange.lastOnConnection =
      (flags & HeadFlag.close) !== 0 ||
      (maxRequestsPerConnection > 0 && exchanges.connectionRequests(exchange.slot) >= maxRequestsPerConnection)
    exchange.maxBodyBytes = maxBodyBytes
    if ((flags & HeadFlag.expectOther) !== 0) return exchange.refuse('expectation_failed', '', [], true)
    const framing = info[HeadInfo.framing]!
    if (framing !== 0) {
      exchange.framing = framing
      exchange.bodyDone = false
      exchange.contentLength = (info[HeadInfo.lengthLow]! >>> 0) + (info[HeadInfo.lengthHigh]! >>> 0) * 0x1_0000_0000
      // The front end wants this before the handler returns, or the body is thrown away.
      exchange.response.onData(exchange.bodyHandler())
    }
    if (maxConcurrentRequests > 0 && active() > maxConcurrentRequests) {
      return exchange.refuse('overloaded', 'too many requests are in flight', [['retry-after', '1']])
    }
    return Verdict.next
  }
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
