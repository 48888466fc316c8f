// Pins consistent hashing: no key and odd keys, even and weighted shares, and that keys move only from the endpoint that
// went, or to the one that came.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileBalancer } from '../../../ts/gateway/forward/balance.ts'
import { triedBit } from '../../../ts/gateway/forward/candidates.ts'
import type { Member } from '../../../ts/gateway/forward/endpoints.ts'
import { eject, membersOf } from './members.ts'

const balancerOf = (members: readonly Member[]) =>
  compileBalancer({ kind: 'consistent-hash', on: 'header', name: 'x-user' }, members)
const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`)

/** The port of each key's endpoint. */
const owners = (members: readonly Member[], nowMs = 0): string[] => {
  const balancer = balancerOf(members)
  return keys.map(key => members[balancer.pick(key, 0, nowMs)]!.endpoint.url)
}

test('requests without a key take turns', () => {
  const balancer = balancerOf(membersOf([1, 1, 1]))
  assert.deepEqual(
    Array.from({ length: 5 }, () => balancer.pick('', 0, 0)),
    [0, 1, 2, 0, 1],
  )
})

test('odd keys have a place, too, and keep it', () => {
  const balancer = balancerOf(membersOf([1, 1, 1]))
  for (const key of [' ', '\0', 'é', '\u{1F600}', 'x'.repeat(100_000)]) {
    const index = balancer.pick(key, 0, 0)
    assert.ok(index >= 0)
    for (let i = 0; i < 3; i++) assert.equal(balancer.pick(key, 0, 0), index)
  }
})

test('shares are even', () => {
  const counts = new Map<string, number>()
  for (const url of owners(membersOf(Array.from({ length: 10 }, () => 1)))) counts.set(url, (counts.get(url) ?? 0) + 1)
  assert.equal(counts.size, 10)
  for (const count of counts.values()) assert.ok(Math.abs(count - 2000) < 250, [...counts.values()].join())
})

test('shares follow the weights', () => {
  const members = membersOf([1, 2, 0, 5])
  const counts = [0, 0, 0, 0]
  const balancer = balancerOf(members)
  for (const key of keys) counts[balancer.pick(key, 0, 0)]!++
  assert.equal(counts[2], 0)
  for (const [index, share] of [
    [0, 1 / 8],
    [1, 2 / 8],
    [3, 5 / 8],
  ] as const) {
    assert.ok(Math.abs(counts[index]! / keys.length - share) < 0.015, counts.join())
  }
})

test('one of ten goes: its keys spread over the others, nobody else moves', () => {
  const members = membersOf(Array.from({ length: 10 }, () => 1))
  const before = owners(members)
  const gone = members[3]!.endpoint.url
  const after = owners(members.filter((_, index) => index !== 3))
  const moved = keys.filter((_, i) => before[i] !== after[i]).length
  const takers = new Set<string>()
  for (const [i, url] of before.entries()) {
    if (url === gone) takers.add(after[i]!)
    else assert.equal(after[i], url)
  }
  assert.ok(Math.abs(moved / keys.length - 0.1) < 0.015, `${moved}`)
  assert.equal(takers.size, 9)
})

test('one comes, at any place of the list: it takes its share and moves nothing else', () => {
  const members = membersOf(Array.from({ length: 11 }, () => 1))
  const before = owners(members.slice(1))
  const after = owners(members)
  const come = members[0]!.endpoint.url
  for (const [i, url] of after.entries()) if (url !== come) assert.equal(url, before[i])
  assert.ok(Math.abs(after.filter(url => url === come).length / keys.length - 1 / 11) < 0.015)
})

test('a weight grows: keys move to that endpoint only', () => {
  const before = owners(membersOf([1, 1, 1]))
  const after = owners(membersOf([1, 2, 1]))
  for (const [i, url] of after.entries()) if (url !== before[i]) assert.match(url, /9001$/)
})

test('an ejection moves the same keys as a removal, and they come back', () => {
  const members = membersOf(Array.from({ length: 10 }, () => 1))
  const before = owners(members)
  eject(members[3]!, 0)
  assert.deepEqual(owners(members, 10), owners(members.filter((_, index) => index !== 3)))
  assert.deepEqual(owners(members, 1000), before)
})

test('a retry goes where the keys would go if the first endpoint were away', () => {
  const members = membersOf([1, 1, 1, 1])
  const balancer = balancerOf(members)
  const without = members.map((_, gone) => members.filter((_, index) => index !== gone))
  const balancersWithout = without.map(balancerOf)
  for (const key of keys.slice(0, 2000)) {
    const first = balancer.pick(key, 0, 0)
    const second = balancer.pick(key, triedBit(first), 0)
    assert.equal(members[second], without[first]![balancersWithout[first]!.pick(key, 0, 0)])
  }
})

test('the same peer twice has two shares', () => {
  const [a, b] = membersOf([1, 1])
  const twice = [a!, b!, { ...b! }]
  const counts = [0, 0, 0]
  const balancer = balancerOf(twice)
  for (const key of keys) counts[balancer.pick(key, 0, 0)]!++
  for (const count of counts) assert.ok(Math.abs(count / keys.length - 1 / 3) < 0.02, counts.join())
})
