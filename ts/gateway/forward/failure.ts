// What a failed attempt means: the answer's code, the log's text, and whether the endpoint is to blame for it.
// Texts name no address: they may reach the client as the problem's detail.
import type { ErrorCode } from '../../shared/errors.ts'
import { AttemptFlag, ErrorReason } from '../../shared/native.ts'

/** A failed attempt, as the upstream client's row and the exchange tell it. */
export interface FailedAttempt {
  /** An ErrorReason (positive; `submit` returns it negated). */
  readonly reason: number
  /** Bits of AttemptFlag; nothingSent and nothingReceived where `submit` itself refused. */
  readonly flags: number
  /** Attempts made so far, this one included. */
  readonly attempts: number
  /** Whether the method is idempotent: see `isIdempotent`. */
  readonly idempotent: boolean
  /** Body bytes were given to the upstream client and not kept: the request cannot be sent from its beginning. */
  readonly bodyStreamed: boolean
  /** The whole request, body included, had been given to the upstream client. */
  readonly requestComplete: boolean
}

interface FailureKind {
  readonly code: ErrorCode
  readonly text: string
}

const internal: FailureKind = { code: 'internal', text: 'the upstream client failed' }

const kinds: readonly FailureKind[] = (() => {
  const table: FailureKind[] = []
  const put = (reason: number, code: ErrorCode, text: string): void => void (table[reason] = { code, text })
  put(0, internal.code, internal.text)
  put(ErrorReason.refused, 'upstream_failed', 'connection refused')
  put(ErrorReason.unreachable, 'upstream_failed', 'peer unreachable')
  put(ErrorReason.connectTimeout, 'upstream_timeout', 'connecting took too long')
  put(ErrorReason.tls, 'upstream_failed', 'TLS handshake failed')
  put(ErrorReason.reset, 'upstream_failed', 'connection reset')
  put(ErrorReason.closed, 'upstream_failed', 'connection closed before the response was complete')
  put(ErrorReason.responseTimeout, 'upstream_timeout', 'no response in time')
  put(ErrorReason.idleTimeout, 'upstream_timeout', 'connection idle for too long')
  put(ErrorReason.badResponse, 'upstream_failed', 'malformed response')
  put(ErrorReason.headTooLarge, 'upstream_failed', 'response head too large')
  put(ErrorReason.poolFull, 'overloaded', 'no connection free and the queue is full')
  put(ErrorReason.noEndpoint, 'no_peer', 'peer is gone')
  put(ErrorReason.clientPanic, internal.code, internal.text)
  put(ErrorReason.clientClosed, 'overloaded', 'the gateway is stopping')
  // The gateway's own limit: the peer is not to blame, and a moment later there may be one.
  put(ErrorReason.descriptorLimit, 'overloaded', 'no file descriptor free')
  put(ErrorReason.bodyMismatch, internal.code, 'request body does not match its announced length')
  return table
})()

/** `reason`: an ErrorReason, positive. One that is unknown is `internal`. */
export const failureCode = (reason: number): ErrorCode => (kinds[reason] ?? internal).code
export const failureText = (reason: number): string => (kinds[reason] ?? internal).text

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

/**
 * Whether a failure speaks against the endpoint, for passive health and the breaker. What does not:
 * - the gateway's own limits and faults (full pool, descriptors, panic, shutdown): every endpoint would fail alike;
 * - a kept connection that the peer had closed meanwhile (RFC 9112 section 9.5): that race is normal;
 * - time-outs while the request was incomplete or the response under way: a client that stalls its upload or its
 *   reading could otherwise eject every peer.
 */
export function blamesEndpoint({ reason, flags, requestComplete }: FailedAttempt): boolean {
  switch (reason) {
    case ErrorReason.refused:
    case ErrorReason.unreachable:
    case ErrorReason.connectTimeout:
    case ErrorReason.tls:
    case ErrorReason.badResponse:
    case ErrorReason.headTooLarge:
      return true
    case ErrorReason.reset:
    case ErrorReason.closed:
      return !(has(flags, AttemptFlag.reused) && has(flags, AttemptFlag.nothingReceived))
    case ErrorReason.responseTimeout:
    case ErrorReason.idleTimeout:
      return requestComplete && has(flags, AttemptFlag.nothingReceived)
    default:
      return false
  }
}

/** Statuses that speak against the endpoint: 502, 503, 504 (Envoy's "gateway failures"). A 500 is the application's. */
export const isGatewayFailure = (status: number): boolean => status >= 502 && status <= 504
