// Pins the circuit breaker: when it opens, the one probe, both ends of half-open, lost and forgotten probes, late results,
// and the window that forgets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Breaker } from '../../../ts/gateway/forward/breaker.ts'
import { SlidingCounts } from '../../../ts/gateway/forward/sliding-counts.ts'

const plan = { errorRatio: 0.5, minRequests: 10, windowMs: 1000, openMs: 5000 }
const record = (breaker: Breaker, count: number, failed: boolean, nowMs: number): void => {
  for (let i = 0; i < count; i++) breaker.record(nowMs, failed, nowMs)
}
const opened = (nowMs = 0): Breaker => {
  const breaker = new Breaker(plan)
  record(breaker, 10, true, nowMs)
  assert.equal(breaker.state, 'open')
  return breaker
}

test('too few requests never open it, however many fail', () => {
  const breaker = new Breaker(plan)
  record(breaker, 9, true, 0)
  assert.equal(breaker.state, 'closed')
  assert.ok(breaker.allow(0))
})

test('it opens at the ratio and not below', () => {
  const below = new Breaker(plan)
  record(below, 51, false, 0)
  record(below, 49, true, 0)
  assert.equal(below.state, 'closed')
  const at = new Breaker(plan)
  record(at, 10, false, 0)
  record(at, 9, true, 0)
  assert.equal(at.state, 'closed')
  assert.equal(at.record(0, true, 0), true)
  assert.equal(at.state, 'open')
})

test('failures older than the window do not count', () => {
  const breaker = new Breaker(plan)
  record(breaker, 9, true, 0)
  record(breaker, 9, true, 1000)
  assert.equal(breaker.state, 'closed')
  record(breaker, 1, true, 1050)
  assert.equal(breaker.state, 'open')
})

test('open: refused until openMs are over, Retry-After says how long', () => {
  const breaker = opened(100)
  assert.ok(!breaker.allow(100))
  assert.equal(breaker.retryAfterSeconds(100), 5)
  assert.equal(breaker.retryAfterSeconds(4200), 1)
  assert.ok(!breaker.allow(5099))
  assert.equal(breaker.retryAfterSeconds(9999), 1)
  assert.ok(breaker.allow(5100))
})

test('half-open: one probe at a time; its success closes with counts at zero', () => {
  const breaker = opened()
  assert.ok(breaker.allow(5000))
  assert.equal(breaker.state, 'half-open')
  for (let i = 0; i < 5; i++) assert.ok(!breaker.allow(5000 + i))
  assert.equal(breaker.record(5000, false, 5010), true)
  assert.equal(breaker.state, 'closed')
  record(breaker, 9, true, 5020)
  assert.equal(breaker.state, 'closed')
})

test('what opened it does not count after it has closed, also where the window is longer than openMs', () => {
  const breaker = new Breaker({ ...plan, openMs: 100 })
  record(breaker, 10, true, 0)
  assert.ok(breaker.allow(100))
  breaker.record(100, false, 110)
  record(breaker, 1, true, 120)
  assert.equal(breaker.state, 'closed')
})

test('half-open: a failed probe opens again for the whole time', () => {
  const breaker = opened()
  assert.ok(breaker.allow(5000))
  assert.equal(breaker.record(5000, true, 6000), true)
  assert.equal(breaker.state, 'open')
  assert.equal(breaker.opened, 2)
  assert.ok(!breaker.allow(10_999))
  assert.ok(breaker.allow(11_000))
})

test('half-open: a probe that ended without a result, or is not heard of, lets another go', () => {
  const breaker = opened()
  assert.ok(breaker.allow(5000))
  breaker.forget(4000, 5001)
  assert.ok(!breaker.allow(5001), 'that was not the probe')
  breaker.forget(5000, 5002)
  assert.ok(breaker.allow(5002))
  assert.ok(!breaker.allow(10_001))
  assert.ok(breaker.allow(10_002))
})

test('late results of requests from before change nothing', () => {
  const breaker = opened(100)
  record(breaker, 10, false, 90)
  assert.equal(breaker.state, 'open')
  assert.ok(breaker.allow(5100))
  breaker.record(90, false, 5200)
  breaker.record(90, true, 5200)
  assert.equal(breaker.state, 'half-open')
  breaker.record(5100, false, 5300)
  for (let i = 0; i < 50; i++) breaker.record(90, true, 5400)
  assert.equal(breaker.state, 'closed')
})

test('sliding counts: the same as counting one by one', () => {
  const counts = new SlidingCounts(1000)
  const events: number[] = []
  let nowMs = 0
  for (let i = 0; i < 2000; i++) {
    nowMs += (i * i) % 7 === 0 ? (i * 37) % 1500 : i % 3
    counts.addTotal(nowMs)
    events.push(nowMs)
    const since = (Math.floor(nowMs / 100) - 9) * 100
    assert.equal(counts.total, events.filter(at => at >= since).length)
  }
  counts.advance(nowMs - 500)
  assert.ok(counts.total > 0, 'a clock that steps back is ignored')
  counts.advance(nowMs + 10_000)
  assert.equal(counts.total, 0)
})
