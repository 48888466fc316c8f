// Pins which failures may be sent again, the retry budget, and what each ErrorReason means for client, log and health.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  blamesEndpoint,
  failureCode,
  failureText,
  isGatewayFailure,
  type FailedAttempt,
} from '../../../ts/gateway/forward/failure.ts'
import { isIdempotent, isRetryable, RetryBudget } from '../../../ts/gateway/forward/retry.ts'
import { AttemptFlag, ErrorReason } from '../../../ts/shared/native.ts'

const { nothingSent, nothingReceived, reused } = AttemptFlag
const attempt = (change: Partial<FailedAttempt>): FailedAttempt => ({
  reason: ErrorReason.reset,
  flags: 0,
  attempts: 1,
  idempotent: true,
  bodyStreamed: false,
  requestComplete: true,
  ...change,
})

test('not sent again: bytes came back, the body is gone, or the method forbids it', () => {
  assert.ok(!isRetryable(attempt({ flags: 0 })))
  assert.ok(!isRetryable(attempt({ flags: reused })))
  assert.ok(!isRetryable(attempt({ flags: nothingReceived, bodyStreamed: true })))
  assert.ok(!isRetryable(attempt({ flags: nothingReceived | nothingSent, bodyStreamed: true })))
  assert.ok(!isRetryable(attempt({ flags: nothingReceived, idempotent: false })))
})

test('sent again: nothing was sent, whatever the method; or idempotent and nothing came back', () => {
  assert.ok(isRetryable(attempt({ flags: nothingSent | nothingReceived, idempotent: false })))
  assert.ok(isRetryable(attempt({ flags: nothingReceived })))
  assert.ok(isRetryable(attempt({ flags: nothingReceived | reused, reason: ErrorReason.closed })))
  assert.ok(isRetryable(attempt({ flags: nothingReceived, reason: ErrorReason.responseTimeout })))
})

test('the gateway’s own trouble is not retried', () => {
  for (const reason of ['clientPanic', 'clientClosed', 'descriptorLimit', 'bodyMismatch'] as const) {
    assert.ok(!isRetryable(attempt({ reason: ErrorReason[reason], flags: nothingSent | nothingReceived })), reason)
  }
})

test('idempotent methods (RFC 9110 section 9.2.2)', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) assert.ok(isIdempotent(method), method)
  for (const method of ['POST', 'PATCH', 'CONNECT', 'get', '', 'PURGE']) assert.ok(!isIdempotent(method), method)
})

test('budget: without requests and without a floor there is no retry', () => {
  assert.ok(!new RetryBudget({ ratio: 0.2, minPerSecond: 0 }).withdraw(0))
  assert.ok(!new RetryBudget({ ratio: 0, minPerSecond: 0 }).withdraw(0))
})

test('budget: the ratio of the requests of the last 10 s', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 0 })
  for (let i = 0; i < 100; i++) budget.deposit(i)
  const taken = (nowMs: number): number => {
    let count = 0
    while (budget.withdraw(nowMs)) count++
    return count
  }
  assert.equal(taken(100), 20)
  assert.equal(taken(9000), 0)
  for (let i = 0; i < 10; i++) budget.deposit(10_000)
  assert.equal(taken(10_000), 2, 'the first second is forgotten')
})

test('budget: the floor for quiet upstreams', () => {
  const budget = new RetryBudget({ ratio: 0, minPerSecond: 0.5 })
  let count = 0
  while (budget.withdraw(0)) count++
  assert.equal(count, 5)
  assert.ok(budget.withdraw(10_000))
})

test('budget: under an upstream that always fails, retries stay within the ratio', () => {
  const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 0 })
  let retries = 0
  for (let nowMs = 0; nowMs < 60_000; nowMs++) {
    budget.deposit(nowMs)
    for (let i = 0; i < 3 && budget.withdraw(nowMs); i++) retries++
  }
  assert.ok(retries <= 6000, `${retries}`)
  assert.ok(retries > 5000, `${retries}`)
})

test('every reason has a code and a text; unknown ones are internal', () => {
  const codes: Record<keyof typeof ErrorReason, string> = {
    refused: 'upstream_failed',
    unreachable: 'upstream_failed',
    connectTimeout: 'upstream_timeout',
    tls: 'upstream_failed',
    reset: 'upstream_failed',
    closed: 'upstream_failed',
    responseTimeout: 'upstream_timeout',
    idleTimeout: 'upstream_timeout',
    badResponse: 'upstream_failed',
    headTooLarge: 'upstream_failed',
    poolFull: 'overloaded',
    noEndpoint: 'no_peer',
    clientPanic: 'internal',
    clientClosed: 'overloaded',
    descriptorLimit: 'overloaded',
    bodyMismatch: 'internal',
  }
  const texts = new Set<string>()
  for (const [name, reason] of Object.entries(ErrorReason)) {
    assert.equal(failureCode(reason), codes[name as keyof typeof ErrorReason], name)
    texts.add(failureText(reason))
  }
  assert.equal(texts.size, Object.keys(ErrorReason).length)
  for (const reason of [0, -1, 99, NaN]) assert.equal(failureCode(reason), 'internal')
})

test('what speaks against an endpoint', () => {
  const blamed = (change: Partial<FailedAttempt>): boolean => blamesEndpoint(attempt(change))
  for (const reason of ['refused', 'unreachable', 'connectTimeout', 'tls', 'badResponse', 'headTooLarge'] as const) {
    assert.ok(blamed({ reason: ErrorReason[reason] }), reason)
  }
  for (const reason of [
    'poolFull',
    'noEndpoint',
    'clientPanic',
    'clientClosed',
    'descriptorLimit',
    'bodyMismatch',
  ] as const) {
    assert.ok(!blamed({ reason: ErrorReason[reason] }), reason)
  }
  assert.ok(blamed({ reason: ErrorReason.closed, flags: nothingReceived }))
  assert.ok(blamed({ reason: ErrorReason.closed, flags: reused }), 'in the middle of a response')
  assert.ok(!blamed({ reason: ErrorReason.closed, flags: nothingReceived | reused }), 'a kept connection was closed')
  assert.ok(blamed({ reason: ErrorReason.responseTimeout, flags: nothingReceived }))
  assert.ok(!blamed({ reason: ErrorReason.responseTimeout, flags: nothingReceived, requestComplete: false }))
  assert.ok(!blamed({ reason: ErrorReason.idleTimeout, flags: 0 }), 'the client may have stopped reading')
})

test('statuses that speak against an endpoint', () => {
  for (const status of [502, 503, 504]) assert.ok(isGatewayFailure(status))
  for (const status of [200, 404, 429, 500, 501, 505, 599]) assert.ok(!isGatewayFailure(status))
})
