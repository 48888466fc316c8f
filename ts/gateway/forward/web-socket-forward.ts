// Forwarding an upgrade to WebSocket: the same header policy and the same peer choice as any request, but the upstream
// is asked through `ws`, and the client is upgraded once the upstream has agreed.
import { readFileSync } from 'node:fs'
import type { EndpointPlan, EndpointTlsPlan } from '../../config/plan.ts'
import { consumerHow, ForwardHow, native, type NativeExchanges } from '../../shared/native.ts'
import { Phase, Verdict, type Exchange } from '../exchange.ts'
import type { ForwardRoute } from './routes.ts'
import { refuseUnsigned } from './signers.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamTarget, WebSockets } from './web-socket.ts'

export interface WebSocketForwardOptions {
  readonly webSockets: WebSockets
  readonly exchanges: NativeExchanges
  readonly trusts: (exchange: Exchange) => boolean
  readonly metrics: { upstream(upstream: number, status: number, durationMs: number): void }
  /** Sends `exchange.answer`. */
  readonly answer: (exchange: Exchange) => void
  /** The exchange has become a WebSocket and is over. */
  readonly finish: (exchange: Exchange) => void
  /** What the exchange holds and the WebSocket needs: gives it back. Null: nothing. */
  readonly outlive: (exchange: Exchange) => (() => void) | null
}

/** The handshake's own headers; `ws` makes its own, the others it takes from us. */
const handshakeHeaders = new Set([
  'connection',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
])

export type WebSocketForward = (
  exchange: Exchange,
  upstream: Upstream,
  index: number,
  route: ForwardRoute,
  host: string | null,
  /** Who signs it; 0 for nobody. */
  signer: number,
  /** Accounts for a failed attempt and makes another, where that is safe; `answer`: the exchange has the failure. */
  again: (exchange: Exchange, reason: number, flags: number) => Verdict,
) => Verdict

export function webSocketForward({
  webSockets,
  exchanges,
  trusts,
  metrics,
  answer,
  finish,
  outlive,
}: WebSocketForwardOptions): WebSocketForward {
  return (exchange, upstream, index, { policy, target }, host, signer, again) => {
    const handshake = exchange.handshake!
    const path = target === null ? null : target(exchange.path, exchange.captures)
    const how =
      ForwardHow.upgrade |
      (trusts(exchange) ? ForwardHow.trusted : 0) |
      (exchange.listener.scheme === 'https' ? ForwardHow.tls : 0) |
      (exchange.isCertified ? ForwardHow.certificate : 0) |
      consumerHow(exchange.consumer?.number ?? 0)
    const head = exchanges.compose(exchange.slot, policy, path, host, how, exchange.listener.port, signer)
    if (head === '') return refuseUnsigned(exchange, upstream)
    const endpoint = upstream.plan.endpoints[index]!
    const { tag, submittedAtMs } = exchange
    const responded = (status: number): void => {
      const nowMs = performance.now()
      upstream.responded(index, submittedAtMs, status, nowMs)
      upstream.finished(index, status)
      metrics.upstream(exchange.upstream, status, nowMs - submittedAtMs)
      exchange.upstreamStatus = status
      exchange.endSocket = null
    }
    const stillOpen = (): boolean => exchange.tag === tag && exchange.phase === Phase.waiting
    const relay = webSockets.connect(
      targetOf(head, endpoint, upstream.plan.timeouts.connectMs),
      protocolsOf(handshake.protocols),
      {
        accepted: () => {
          if (!stillOpen()) return relay.abandon()
          responded(101)
          exchange.status = 101
          relay.onOver = outlive(exchange)
          relay.upgrade(exchange.response, handshake, exchange.requestId, native().frontEndConnection(exchange.slot))
          finish(exchange)
        },
        declined: (status, headers, body) => {
          if (!stillOpen()) return
          responded(status)
          exchange.answer = { status, headers, body, close: false }
          answer(exchange)
        },
        failed: (reason, flags) => {
          if (!stillOpen()) return
          exchange.endSocket = null
          if (again(exchange, reason, flags) === Verdict.answer) answer(exchange)
        },
      },
    )
    exchange.phase = Phase.waiting
    exchange.endSocket = () => {
      relay.abandon()
      upstream.abandoned(index, submittedAtMs, performance.now())
    }
    return Verdict.later
  }
}

function protocolsOf(text: string): string[] {
  return text
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
}

/** `head`: the upstream request's head as native/head composed it. */
function targetOf(head: string, endpoint: EndpointPlan, connectTimeoutMs: number): UpstreamTarget {
  const [requestLine = '', ...lines] = head.split('\r\n')
  const target = requestLine.split(' ')[1] ?? '/'
  const headers: Record<string, string | string[]> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const name = line.slice(0, colon).toLowerCase()
    if (handshakeHeaders.has(name)) continue
    const value = line.slice(colon + 1).trim()
    const before = headers[name]
    headers[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  const scheme = endpoint.tls === null ? 'ws' : 'wss'
  const literal = endpoint.ip?.includes(':') ? `[${endpoint.ip}]` : endpoint.ip
  const url =
    endpoint.unix === null
      ? `${scheme}://${literal}:${endpoint.port}${target}`
      : `${scheme}+unix:${endpoint.unix}:${target}`
  return { url, headers, connectTimeoutMs, tls: endpoint.tls === null ? {} : tlsOf(endpoint.tls) }
}

function tlsOf(tls: EndpointTlsPlan): UpstreamTarget['tls'] {
  return {
    ...(tls.ca === null ? {} : { ca: readFileSync(tls.ca) }),
    ...(tls.certificate === null ? {} : { cert: readFileSync(tls.certificate) }),
    ...(tls.key === null ? {} : { key: readFileSync(tls.key) }),
    servername: tls.serverName,
    rejectUnauthorized: tls.verify,
  }
}
