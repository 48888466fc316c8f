// Pins an endpoint's health: what ejects it, for how long, the single trial after that, which late results are ignored,
// and how active checks turn their verdict. Time is a number.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Health } from '../../../ts/gateway/forward/health.ts'
import type { StateChange } from '../../../ts/gateway/forward/state-change.ts'
import { passive } from './members.ts'

function healthOf(settings: typeof passive | null = passive) {
  const changes: StateChange[] = []
  const health = new Health('peer', settings, { healthyAfter: 2, unhealthyAfter: 3 }, one => changes.push(one))
  return { health, changes, kinds: () => changes.map(({ kind }) => kind) }
}
const usable = (health: Health, nowMs: number): boolean => !health.down && health.blockedUntilMs <= nowMs
const fail = (health: Health, times: number, nowMs: number): void => {
  for (let i = 0; i < times; i++) health.failed(nowMs, 'connection refused', nowMs)
}

test('without passive health nothing ejects; without active checks nothing takes down', () => {
  const { health, changes } = healthOf(null)
  fail(health, 100, 5)
  health.started(6)
  assert.ok(usable(health, 6))
  const unchecked = new Health('peer', passive, null, one => changes.push(one))
  for (let i = 0; i < 100; i++) unchecked.checked(false, 'test')
  assert.ok(usable(unchecked, 6))
  assert.deepEqual(changes, [])
})

test('failures in a row eject; a whole good response ends the row, a good head does not', () => {
  const { health, changes } = healthOf()
  fail(health, 2, 0)
  health.succeeded()
  fail(health, 2, 0)
  health.responded(0)
  assert.ok(usable(health, 0))
  fail(health, 1, 7)
  assert.ok(!usable(health, 7))
  assert.ok(!usable(health, 1006))
  assert.ok(usable(health, 1007))
  assert.deepEqual(changes, [{ kind: 'ejected', subject: 'peer', cause: 'connection refused', forMs: 1000 }])
})

test('the time doubles with each failed trial, up to the maximum; a success starts anew', () => {
  const { health, changes } = healthOf()
  let nowMs = 0
  fail(health, 3, nowMs)
  for (const forMs of [1000, 2000, 4000, 8000, 8000]) {
    assert.equal(changes.at(-1)!.forMs, forMs)
    assert.ok(!usable(health, nowMs + forMs - 1))
    nowMs += forMs
    assert.ok(usable(health, nowMs))
    health.started(nowMs)
    health.failed(nowMs, 'connection refused', nowMs + 1)
    nowMs += 1
  }
  nowMs += 8000
  health.started(nowMs)
  health.responded(nowMs)
  assert.equal(changes.at(-1)!.kind, 'recovered')
  assert.ok(usable(health, nowMs))
  fail(health, 3, nowMs + 1)
  assert.equal(changes.at(-1)!.forMs, 1000)
})

test('after an ejection one request is the trial; another may go when it ends without a result or is not heard of', () => {
  const { health } = healthOf()
  fail(health, 3, 0)
  assert.ok(usable(health, 1000))
  health.started(1000)
  assert.ok(!usable(health, 1001))
  health.forget(1000, 1100)
  assert.ok(usable(health, 1100))
  health.started(1100)
  assert.ok(!usable(health, 2099))
  assert.ok(usable(health, 2100), 'lost: ejectMs are over')
})

test('results of requests from before the ejection change nothing', () => {
  const { health, kinds } = healthOf()
  fail(health, 3, 500)
  health.responded(400)
  health.failed(400, 'connection reset', 600)
  assert.ok(!usable(health, 1499))
  health.started(1500)
  health.failed(450, 'no response in time', 1600)
  health.forget(450, 1600)
  health.responded(450)
  assert.ok(!usable(health, 1600), 'the trial is still out')
  health.responded(1500)
  assert.deepEqual(kinds(), ['ejected', 'recovered'])
  for (let i = 0; i < 10; i++) health.failed(450, 'no response in time', 1700)
  assert.ok(usable(health, 1700))
})

test('a request sent in spite of the ejection: its success counts, its failure does not double the time', () => {
  const { health, kinds } = healthOf()
  fail(health, 3, 0)
  health.started(100)
  health.failed(100, 'connection refused', 110)
  assert.ok(usable(health, 1000))
  assert.ok(!usable(health, 999))
  health.started(200)
  health.responded(200)
  assert.ok(usable(health, 210))
  assert.deepEqual(kinds(), ['ejected', 'recovered'])
})

test('active checks: the verdict turns after as many in a row as set, and says so once', () => {
  const { health, kinds } = healthOf()
  const check = (...results: boolean[]): void => results.forEach(passed => health.checked(passed, 'check'))
  check(false, false, true, false, false)
  assert.ok(!health.down)
  check(false)
  assert.ok(health.down)
  check(false, true, false, true)
  assert.ok(health.down)
  check(true)
  assert.ok(!health.down)
  check(true, true)
  assert.deepEqual(kinds(), ['unhealthy', 'healthy'])
})

test('active checks: turning healthy ends an ejection, passing on does not', () => {
  const { health, kinds } = healthOf()
  fail(health, 3, 0)
  for (let i = 0; i < 5; i++) health.checked(true, 'check')
  assert.ok(!usable(health, 10))
  for (let i = 0; i < 3; i++) health.checked(false, 'check')
  for (let i = 0; i < 2; i++) health.checked(true, 'check')
  assert.ok(usable(health, 10))
  assert.deepEqual(kinds(), ['ejected', 'unhealthy', 'healthy', 'recovered'])
})

test('state, for people', () => {
  const { health } = healthOf()
  assert.equal(health.state(0), 'up')
  fail(health, 3, 0)
  assert.equal(health.state(999), 'ejected')
  assert.equal(health.state(1000), 'trial')
  for (let i = 0; i < 3; i++) health.checked(false, 'check')
  assert.equal(health.state(1000), 'down')
})
