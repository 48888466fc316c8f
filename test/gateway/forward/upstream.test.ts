// Pins an upstream as the forward stage sees it: the hooks of an attempt, what they do to health, breaker, budget and
// counters together, an outage from beginning to end, and the snapshot.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noPeer, triedBit } from '../../../ts/gateway/forward/candidates.ts'
import type { FailedAttempt } from '../../../ts/gateway/forward/failure.ts'
import { breakerOpen, type Upstream } from '../../../ts/gateway/forward/upstream.ts'
import { AttemptFlag, ErrorReason } from '../../../ts/shared/native.ts'
import { setDown, upstreamOf } from './members.ts'

const refused: FailedAttempt = {
  reason: ErrorReason.refused,
  flags: AttemptFlag.nothingSent | AttemptFlag.nothingReceived,
  attempts: 1,
  idempotent: false,
  bodyStreamed: false,
  requestComplete: true,
}

/** One request whose attempts all end as `outcome` says for the endpoint; returns the endpoints tried. */
function request(upstream: Upstream, nowMs: number, works: (index: number) => boolean): number[] {
  const attempts: number[] = []
  let tried = 0
  for (;;) {
    const index = upstream.pick('', tried, nowMs)
    if (index < 0) return [...attempts, index]
    attempts.push(index)
    upstream.started(index, attempts.length, nowMs)
    if (works(index)) {
      upstream.responded(index, nowMs, 200, nowMs)
      upstream.finished(index, 200)
      return attempts
    }
    const failure = { ...refused, attempts: attempts.length }
    upstream.failed(index, nowMs, failure, nowMs)
    tried |= triedBit(index)
    if (!upstream.mayRetry(failure, nowMs)) return attempts
  }
}

test('no endpoints, all down, or released: no peer, and it is counted', () => {
  assert.equal(upstreamOf([]).upstream.pick('', 0, 0), noPeer)
  const { upstream, members } = upstreamOf([1, 1])
  for (const member of members) setDown(member, true)
  assert.equal(upstream.pick('', 0, 0), noPeer)
  assert.equal(upstream.state.withoutPeer, 1)
  assert.equal(upstream.snapshot(0).available, false)
  for (const member of members) setDown(member, false)
  for (const { endpoint } of members) endpoint.id = -1
  assert.equal(upstream.pick('', 0, 0), noPeer)
})

test('retries: as many as set, none without, and the budget bounds them in an outage', () => {
  const none = upstreamOf([1, 1], { retries: 0, retryBudget: { ratio: 1, minPerSecond: 100 } }).upstream
  assert.deepEqual(
    request(none, 0, () => false),
    [0],
  )
  const two = upstreamOf([1, 1, 1], { retries: 2, retryBudget: { ratio: 1, minPerSecond: 100 } }).upstream
  assert.deepEqual(
    request(two, 0, () => false),
    [0, 1, 2],
  )
  const { upstream } = upstreamOf([1, 1, 1], { retries: 2, retryBudget: { ratio: 0.2, minPerSecond: 0 } })
  let sent = 0
  for (let i = 0; i < 1000; i++) sent += request(upstream, i, () => false).length
  assert.equal(sent, 1200)
  assert.equal(upstream.state.retries, 200)
  assert.ok(upstream.state.retriesDenied >= 800)
})

test('one of three dies and comes back: ejected after its failures, tried once an ejection, then in use again', () => {
  const { upstream, changes } = upstreamOf([1, 1, 1], { retryBudget: { ratio: 1, minPerSecond: 1 } })
  const sentTo = [0, 0, 0]
  let failedRequests = 0
  for (let nowMs = 1; nowMs <= 10_000; nowMs += 2) {
    const dead = nowMs >= 100 && nowMs < 4000
    const tried = request(upstream, nowMs, index => index !== 1 || !dead)
    if (dead && tried.at(-1) === 1) failedRequests++
    if (dead) for (const index of tried) sentTo[index]!++
  }
  assert.equal(failedRequests, 0)
  // Three failures, then trials at about 1.1 s and 3.1 s.
  assert.equal(sentTo[1], 5)
  assert.deepEqual(
    changes.map(({ kind, forMs }) => [kind, forMs]),
    [
      ['ejected', 1000],
      ['ejected', 2000],
      ['ejected', 4000],
      ['recovered', 0],
    ],
  )
  assert.equal(upstream.snapshot(10_000).endpoints[1]!.state, 'up')
})

test('an endpoint that breaks off every body is ejected, though each head says 200', () => {
  const { upstream, changes } = upstreamOf([1])
  for (let i = 0; i < 3; i++) {
    upstream.started(0, 1, i)
    upstream.responded(0, i, 200, i)
    upstream.failed(0, i, { ...refused, reason: ErrorReason.closed, flags: 0 }, i)
  }
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ['ejected'],
  )
})

test('502, 503 and 504 eject, 500 and 404 do not', () => {
  const { upstream, changes } = upstreamOf([1])
  const answer = (...statuses: number[]): void => {
    for (const status of statuses) {
      upstream.started(0, 1, 0)
      upstream.responded(0, 0, status, 0)
      upstream.finished(0, status)
    }
  }
  answer(500, 500, 500, 404, 503, 502, 500, 503)
  assert.equal(changes.length, 0)
  answer(502, 504)
  assert.deepEqual(changes[0], { kind: 'ejected', subject: 'http://127.0.0.1:9000', cause: 'status 504', forMs: 1000 })
})

test('in flight goes back to zero however an attempt ends', () => {
  const { upstream } = upstreamOf([1])
  const endpoint = upstream.endpoint(0)
  for (let i = 0; i < 4; i++) upstream.started(0, 1, 0)
  assert.equal(endpoint.inFlight, 4)
  upstream.finished(0, 200)
  upstream.failed(0, 0, refused, 0)
  upstream.failed(0, 0, { ...refused, reason: ErrorReason.poolFull }, 0)
  upstream.abandoned(0, 0, 0)
  assert.equal(endpoint.inFlight, 0)
  assert.equal(endpoint.requests, 4)
  assert.equal(endpoint.failures, 2)
})

const breaker = { errorRatio: 0.5, minRequests: 4, windowMs: 1000, openMs: 500 }

test('breaker: opens for the whole upstream, one probe, then closed', () => {
  const { upstream, changes } = upstreamOf([1, 1], { breaker, retries: 0, health: { passive: null, active: null } })
  for (let i = 0; i < 4; i++) request(upstream, 0, () => false)
  assert.equal(upstream.pick('', 0, 10), breakerOpen)
  assert.equal(upstream.retryAfterSeconds(10), 1)
  assert.equal(upstream.state.refusedByBreaker, 1)
  const probe = upstream.pick('', 0, 500)
  upstream.started(probe, 1, 500)
  assert.equal(upstream.pick('', 0, 501), breakerOpen)
  upstream.responded(probe, 500, 200, 502)
  upstream.finished(probe, 200)
  assert.ok(upstream.pick('', 0, 503) >= 0)
  const kinds = changes.map(({ kind }) => kind).filter(kind => kind.startsWith('breaker'))
  assert.deepEqual(kinds, ['breaker-open', 'breaker-closed'])
})

test('breaker: a retry stops when it opens; a probe that the client left or the pool refused lets another go', () => {
  const { upstream } = upstreamOf([1, 1, 1, 1, 1], {
    breaker,
    retries: 9,
    retryBudget: { ratio: 9, minPerSecond: 9 },
  })
  assert.deepEqual(
    request(upstream, 0, () => false),
    [0, 1, 2, 3, breakerOpen],
  )
  const first = upstream.pick('', 0, 500)
  upstream.started(first, 1, 500)
  upstream.abandoned(first, 500, 510)
  const second = upstream.pick('', 0, 510)
  assert.ok(second >= 0)
  upstream.started(second, 1, 510)
  upstream.failed(second, 510, { ...refused, reason: ErrorReason.poolFull }, 510)
  assert.ok(upstream.pick('', 0, 511) >= 0)
})

test('breaker: no endpoint to send to does not use up the probe', () => {
  const { upstream, members } = upstreamOf([1], { breaker, retries: 0 })
  for (let i = 0; i < 4; i++) request(upstream, 0, () => false)
  setDown(members[0]!, true)
  assert.equal(upstream.pick('', 0, 600), noPeer)
  setDown(members[0]!, false)
  assert.equal(upstream.pick('', 0, 601), 0)
})

test('snapshot: what readyz and metrics show', () => {
  const { upstream, members } = upstreamOf([2, 1, 0], { breaker })
  members[2]!.endpoint.id = -1
  upstream.started(0, 1, 0)
  setDown(members[1]!, true)
  const snapshot = upstream.snapshot(0)
  assert.equal(snapshot.name, 'echo')
  assert.equal(snapshot.available, true)
  assert.equal(snapshot.breaker, 'closed')
  assert.deepEqual(snapshot.endpoints[0], {
    url: 'http://127.0.0.1:9000',
    address: '127.0.0.1:9000',
    id: 0,
    weight: 2,
    state: 'up',
    inFlight: 1,
    requests: 1,
    failures: 0,
  })
  assert.deepEqual(
    snapshot.endpoints.map(({ state }) => state),
    ['up', 'down', 'unresolved'],
  )
})
