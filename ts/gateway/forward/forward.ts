// The forward stage: one request to one peer of its upstream, again to another where that is safe, and the request's
// body behind it under back-pressure. The bytes are the upstream client's business (native/upstream), the head that
// goes out native/head's; here is decided who gets it and what a failure means.
import type { RoutePlan, UpstreamPlan } from '../../config/plan.ts'
import { firstCookie } from '../../shared/cookies.ts'
import {
  AttemptFlag,
  consumerHow,
  ForwardHow,
  Row,
  RowKind,
  rowInts,
  SubmitFlag,
  type NativeExchanges,
  type UpstreamClient,
} from '../../shared/native.ts'
import type { DirectCommands } from '../../shared/native-direct.ts'
import { turnNowMs } from '../../shared/turn-clock.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Phase, Verdict, type Exchange } from '../exchange.ts'
import type { Stages } from '../pipeline.ts'
import { noPeer, triedBit } from './candidates.ts'
import { peerAuthority } from './endpoints.ts'
import { failureCode, failureText, type FailedAttempt } from './failure.ts'
import { isIdempotent } from './retry.ts'
import type { ForwardRoute } from './routes.ts'
import { refuseUnsigned, type Signer } from './signers.ts'
import { breakerOpen, type Upstream } from './upstream.ts'
import type { Upstreams } from './upstreams.ts'
import type { WebSocketForward } from './web-socket-forward.ts'

/** Above this much unsent body the client is not read any further until the upstream client says Drain. */
const pauseAboveBytes = 64 * 1024
/** A body is kept for another attempt up to this size, and only until its first bytes have surely gone out. */
const maxReplayBytes = 1024 * 1024
const peerHost = 'peer'
/** In place of a ticket: the addon has it. */
const submittedByCommand = 1
const nothing = new Uint8Array(0)

export interface ForwardOptions {
  readonly client: UpstreamClient
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly commands: DirectCommands
  readonly upstreams: Upstreams
  /** By route id; null for routes that are not forwarded. */
  readonly routes: readonly (ForwardRoute | null)[]
  /** By upstream; null where requests go as they are. */
  readonly signers: readonly (Signer | null)[]
  /** Whether the client's X-Forwarded-* are believed. */
  readonly trusts: (exchange: Exchange) => boolean
  /** The address that counts as the client's. */
  readonly clientAddress: (exchange: Exchange) => string
  readonly metrics: {
    upstream(upstream: number, status: number, durationMs: number): void
    upstreamError(upstream: number, reason: number): void
    retry(upstream: number): void
  }
  readonly webSocket: WebSocketForward
}

type Forward = Stages['forward']

export function forwardStage(options: ForwardOptions): Forward {
  const { client, exchanges, commands, upstreams, routes, signers, trusts, metrics, webSocket } = options
  const { rows } = client
  const keys = upstreams.list.map(({ plan }) => compileHashKey(plan, options))

  function send(exchange: Exchange): Verdict {
    const route = exchange.route as RoutePlan
    if (route.action.kind !== 'forward') return exchange.refuse('internal')
    exchange.upstream = exchange.chosenUpstream < 0 ? route.action.upstream : exchange.chosenUpstream
    const prepared = signers[exchange.upstream]?.prepare(exchange) ?? Verdict.next
    if (prepared !== Verdict.next) return prepared
    if (exchange.framing !== 0 || exchange.bodyReplaced) takeHeld(exchange)
    return attempt(exchange, exchange.startedAtMs)
  }

  function attempt(exchange: Exchange, nowMs: number): Verdict {
    const upstream = upstreams.list[exchange.upstream]!
    const route = routes[exchange.routeId]!
    for (;;) {
      const key = keys[exchange.upstream]!
      const index = upstream.pick(key === null ? '' : key(exchange), exchange.tried, nowMs)
      if (index === noPeer)
        return exchange.refuse('no_peer', 'no peer of the upstream is available', [['retry-after', '1']])
      if (index === breakerOpen) {
        return exchange.refuse('no_peer', 'the circuit breaker is open', [
          ['retry-after', String(upstream.retryAfterSeconds(nowMs))],
        ])
      }
      exchange.attempts++
      exchange.tried |= triedBit(index)
      exchange.endpoint = index
      exchange.submittedAtMs = nowMs
      upstream.started(index, exchange.attempts, nowMs)
      if (exchange.handshake !== null)
        return webSocket(exchange, upstream, index, route, hostOf(exchange, upstream, index), signerOf(exchange), again)
      const ticket = exchange.direct
        ? submitDirect(exchange, upstream, index, route)
        : submit(exchange, upstream, index, route)
      if (ticket > 0) {
        exchange.ticket = ticket
        exchange.phase = Phase.waiting
        sendReplay(exchange)
        return Verdict.later
      }
      if (ticket === 0) return refuseUnsigned(exchange, upstream)
      const failed = fail(exchange, upstream, -ticket, AttemptFlag.nothingSent | AttemptFlag.nothingReceived, nowMs)
      if (failed !== Verdict.next) return failed
    }
  }

  function again(exchange: Exchange, reason: number, flags: number): Verdict {
    const nowMs = turnNowMs()
    return fail(exchange, upstreams.list[exchange.upstream]!, reason, flags, nowMs) || attempt(exchange, nowMs)
  }

  /** A request that goes as it came costs no crossing; what becomes of it comes as a row. */
  function submitDirect(exchange: Exchange, upstream: Upstream, index: number, route: ForwardRoute): number {
    if (
      route.target !== null ||
      upstream.plan.hostHeader === peerHost ||
      exchange.chosenUpstream >= 0 ||
      exchange.bodyReplaced ||
      signers[exchange.upstream]! !== null
    ) {
      return submit(exchange, upstream, index, route)
    }
    const how = howOf(exchange, trusts(exchange))
    commands.forward(exchange.tag, upstream.endpoint(index).id, submitFlags(exchange), route.policy, how)
    return submittedByCommand
  }

  function submit(exchange: Exchange, upstream: Upstream, index: number, { policy, target }: ForwardRoute): number {
    return exchanges.submit(
      client,
      exchange.tag,
      upstream.endpoint(index).id,
      submitFlags(exchange),
      exchange.slot,
      policy,
      target === null ? null : target(exchange.path, exchange.captures),
      hostOf(exchange, upstream, index),
      howOf(exchange, trusts(exchange)),
      exchange.listener.port,
      signerOf(exchange),
    )
  }

  /** Who signs the attempt; 0 for nobody. */
  function signerOf({ upstream, endpoint }: Exchange): number {
    const signer = signers[upstream]!
    return signer === null ? 0 : signer.numberFor(upstreams.list[upstream]!.plan.endpoints[endpoint]!)
  }

  function body(exchange: Exchange, chunk: ArrayBuffer, last: boolean): Verdict {
    if (exchange.replay !== null) keepForReplay(exchange, chunk)
    // No ticket: between attempts nothing is read; after an early answer the rest is thrown away.
    if (exchange.ticket === 0) return Verdict.next
    const unsent = client.write(exchange.ticket, chunk, last)
    if (unsent > pauseAboveBytes && !last) exchange.pauseClient()
    return Verdict.next
  }

  function settle(exchange: Exchange, kind: number, row: number): Verdict {
    const at = row * rowInts
    const upstream = upstreams.list[exchange.upstream]!
    if ((kind & RowKind.drain) !== 0) {
      exchange.replay = null
      exchange.resumeClient()
      if ((kind & (RowKind.head | RowKind.data | RowKind.end | RowKind.error)) === 0) return Verdict.later
    }
    const nowMs = turnNowMs()
    if ((kind & RowKind.error) !== 0) {
      exchange.ticket = 0
      exchange.resumeClient()
      const failed = fail(exchange, upstream, rows[at + Row.reason]!, rows[at + Row.attempt]!, nowMs)
      return failed === Verdict.next ? attempt(exchange, nowMs) : failed
    }
    if ((kind & RowKind.head) !== 0) {
      exchange.upstreamStatus = rows[at + Row.status]!
      exchange.replay = null
      upstream.responded(exchange.endpoint, exchange.submittedAtMs, exchange.upstreamStatus, nowMs)
    }
    if ((kind & RowKind.end) !== 0) {
      const elapsedMs = rows[at + Row.elapsedUs]! / 1000
      exchange.upstreamMs = elapsedMs
      upstream.finished(exchange.endpoint, exchange.upstreamStatus)
      metrics.upstream(exchange.upstream, exchange.upstreamStatus, elapsedMs)
      exchange.ticket = 0
      // The upstream has answered before the upload ended: what still comes has nowhere to go.
      if (!exchange.bodyDone) exchange.bodyUnread = true
      exchange.resumeClient()
    }
    return Verdict.next
  }

  /** Accounts for a failed attempt. `next`: another one may follow; `answer`: the client gets the failure. */
  function fail(exchange: Exchange, upstream: Upstream, reason: number, flags: number, nowMs: number): Verdict {
    const failure: FailedAttempt = {
      reason,
      flags,
      attempts: exchange.attempts,
      idempotent: isIdempotent(exchange.method),
      bodyStreamed: exchange.requestBytes > 0 && exchange.replay === null,
      requestComplete: exchange.bodyDone,
    }
    upstream.failed(exchange.endpoint, exchange.submittedAtMs, failure, nowMs)
    metrics.upstreamError(exchange.upstream, reason)
    if (exchange.phase !== Phase.sending && upstream.mayRetry(failure, nowMs)) {
      metrics.retry(exchange.upstream)
      return Verdict.next
    }
    const code = failureCode(reason)
    return exchange.refuse(code, failureText(reason), code === 'overloaded' ? [['retry-after', '1']] : [])
  }

  function abandon(exchange: Exchange): void {
    if (exchange.endSocket !== null) {
      exchange.endSocket()
      exchange.endSocket = null
    }
    if (exchange.ticket === 0) return
    if (exchange.direct) commands.cancel(exchange.slot)
    else client.cancel(exchange.ticket)
    exchange.ticket = 0
    upstreams.list[exchange.upstream]!.abandoned(exchange.endpoint, exchange.submittedAtMs, turnNowMs())
  }

  function keepForReplay(exchange: Exchange, chunk: ArrayBuffer): void {
    exchange.replayBytes += chunk.byteLength
    if (exchange.replayBytes > maxReplayBytes) exchange.replay = null
    else if (chunk.byteLength > 0) exchange.replay!.push(new Uint8Array(chunk.slice(0)))
  }

  function sendReplay(exchange: Exchange): void {
    const { replay, ticket, bodyDone } = exchange
    if (replay === null || (replay.length === 0 && !bodyDone)) return
    let unsent = 0
    for (const chunk of replay) unsent = client.write(ticket, chunk, false)
    if (bodyDone) client.write(ticket, nothing, true)
    else if (unsent > pauseAboveBytes) exchange.pauseClient()
    else exchange.resumeClient()
    if (exchange.replayBytes > maxReplayBytes) exchange.replay = null
  }

  /** What has come of the body while guards had the request. */
  function takeHeld(exchange: Exchange): void {
    exchange.replay = exchange.held ?? []
    exchange.replayBytes = exchange.heldBytes
    exchange.held = null
    if (exchange.bodyReplaced) exchanges.setBodyLength(exchange.slot, exchange.heldBytes)
  }

  return { send, body, settle, abandon }
}

const submitFlags = ({ method }: Exchange): number =>
  (method === 'HEAD' ? SubmitFlag.head : 0) | (isIdempotent(method) ? SubmitFlag.replayable : 0)

/** Bits of ForwardHow. */
const howOf = (exchange: Exchange, trusted: boolean): number =>
  (trusted ? ForwardHow.trusted : 0) |
  (exchange.listener.scheme === 'https' ? ForwardHow.tls : 0) |
  (exchange.isCertified ? ForwardHow.certificate : 0) |
  consumerHow(exchange.consumer?.number ?? 0)

/** What consistent-hash hashes; null where the balance needs no key. */
function compileHashKey(
  { balance }: UpstreamPlan,
  { heads, clientAddress }: ForwardOptions,
): ((exchange: Exchange) => string) | null {
  if (balance.kind !== 'consistent-hash') return null
  const { on, name } = balance
  if (on === 'address') return clientAddress
  if (on === 'header') return exchange => heads.header(exchange.slot, name) ?? ''
  return exchange => firstCookie(heads.header(exchange.slot, 'cookie') ?? '', name) ?? ''
}

/** The Host to send where it is not what the route's policy says: it depends on the peer, or a plugin chose the upstream. */
function hostOf(exchange: Exchange, { plan }: Upstream, index: number): string | null {
  if (plan.hostHeader === peerHost) return peerAuthority(plan.endpoints[index]!)
  if (exchange.chosenUpstream < 0) return null
  return plan.hostHeader === 'preserve' ? exchange.host : plan.hostHeader
}
