// Pins whom round-robin (plain and weighted) and least-connections pick: exact sequences, who is left out, the order of
// the passes on a retry and when everyone is ejected, and that a pick never takes an unusable endpoint while a usable
// one is there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BalancePlan } from '../../../ts/config/plan.ts'
import { compileBalancer, RoundRobin, SmoothRoundRobin } from '../../../ts/gateway/forward/balance.ts'
import { noPeer, triedBit, type Balancer } from '../../../ts/gateway/forward/candidates.ts'
import { seededRandom } from '../../helpers/random.ts'
import { eject, membersOf, setDown } from './members.ts'

const letters = (balancer: Balancer, count: number, nowMs = 0): string =>
  Array.from({ length: count }, () => 'abcdefghij'[balancer.pick('', 0, nowMs)] ?? '-').join('')

const kinds: BalancePlan[] = [
  { kind: 'round-robin' },
  { kind: 'least-connections' },
  { kind: 'consistent-hash', on: 'address', name: '' },
]

for (const plan of kinds) {
  test(`${plan.kind}: nobody to pick`, () => {
    assert.equal(compileBalancer(plan, []).pick('key', 0, 0), noPeer)
    assert.equal(compileBalancer(plan, membersOf([0, 0])).pick('key', 0, 0), noPeer)
    const unresolved = membersOf([1, 1])
    for (const { endpoint } of unresolved) endpoint.id = -1
    assert.equal(compileBalancer(plan, unresolved).pick('key', 0, 0), noPeer)
  })

  test(`${plan.kind}: all down by active checks is no peer, and they come back`, () => {
    const members = membersOf([1, 2, 3])
    const balancer = compileBalancer(plan, members)
    for (const member of members) setDown(member, true)
    assert.equal(balancer.pick('key', 0, 0), noPeer)
    assert.equal(balancer.pick('key', triedBit(0) | triedBit(1) | triedBit(2), 0), noPeer)
    setDown(members[1]!, false)
    assert.equal(balancer.pick('key', 0, 0), 1)
  })

  test(`${plan.kind}: all ejected are tried in spite of it, except those that are down`, () => {
    const members = membersOf([1, 1, 1, 0])
    const balancer = compileBalancer(plan, members)
    for (const member of members) eject(member, 0)
    setDown(members[0]!, true)
    const picked = new Set<number>()
    for (let i = 0; i < 200; i++) picked.add(balancer.pick(`key ${i}`, 0, 10))
    assert.deepEqual([...picked].sort(), [1, 2])
    assert.equal(balancer.pick('key', triedBit(1), 10), 2)
  })

  test(`${plan.kind}: a retry goes elsewhere, and back only when there is no other usable one`, () => {
    const members = membersOf([1, 1, 1])
    const balancer = compileBalancer(plan, members)
    for (let i = 0; i < 50; i++) {
      const key = `key ${i}`
      const first = balancer.pick(key, 0, 0)
      const second = balancer.pick(key, triedBit(first), 0)
      const third = balancer.pick(key, triedBit(first) | triedBit(second), 0)
      assert.deepEqual([first, second, third].sort(), [0, 1, 2])
      assert.ok(balancer.pick(key, triedBit(0) | triedBit(1) | triedBit(2), 0) >= 0)
    }
    eject(members[1]!, 0)
    eject(members[2]!, 0)
    assert.equal(balancer.pick('key', triedBit(0), 10), 0, 'a tried one before an ejected one')
  })

  test(`${plan.kind}: never an unusable one while a usable one is there (random)`, () => {
    const random = seededRandom(7)
    for (let round = 0; round < 300; round++) {
      const weights = Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * 4))
      const members = membersOf(weights)
      const balancer = compileBalancer(plan, members)
      for (const member of members) {
        member.endpoint.inFlight = Math.floor(random() * 5)
        if (random() < 0.4) eject(member, 1)
        if (random() < 0.3) setDown(member, true)
      }
      for (let pick = 0; pick < 20; pick++) {
        // Ejections end at 1001 or never mattered.
        const nowMs = random() < 0.5 ? 10 : 2000
        let tried = 0
        for (let i = 0; i < 3; i++) if (random() < 0.5) tried |= triedBit(Math.floor(random() * members.length))
        const index = balancer.pick(random() < 0.2 ? '' : `key ${pick}`, tried, nowMs)
        const rank = (at: number): number => {
          const { health, weight } = members[at]!
          if (weight === 0 || health.down) return 4
          return (health.blockedUntilMs > nowMs ? 2 : 0) + ((tried & triedBit(at)) !== 0 ? 1 : 0)
        }
        const best = Math.min(4, ...[...members.keys()].map(rank))
        assert.equal(index === noPeer ? 4 : rank(index), best)
      }
    }
  })
}

test('round-robin: equal weights take turns', () => {
  const balancer = compileBalancer({ kind: 'round-robin' }, membersOf([2, 2, 0, 2]))
  assert.ok(balancer instanceof RoundRobin)
  assert.equal(letters(balancer, 7), 'abdabda')
})

test('round-robin: an ejected endpoint is left out and its turns are shared evenly', () => {
  const members = membersOf([1, 1, 1, 1])
  const balancer = compileBalancer({ kind: 'round-robin' }, members)
  eject(members[1]!, 0)
  assert.equal(letters(balancer, 9, 10), 'acdacdacd')
  assert.equal(letters(balancer, 4, 1000), 'abcd', 'its ejection is over')
})

test('smooth weighted round-robin: the classic sequence', () => {
  const balancer = compileBalancer({ kind: 'round-robin' }, membersOf([5, 1, 1]))
  assert.ok(balancer instanceof SmoothRoundRobin)
  assert.equal(letters(balancer, 14), 'aabacaaaabacaa')
})

test('smooth weighted round-robin: exact shares in every period, the same turns as plain with equal weights', () => {
  const weights = [7, 3, 1, 0, 2]
  const balancer = compileBalancer({ kind: 'round-robin' }, membersOf(weights))
  for (let period = 0; period < 5; period++) {
    const counts = weights.map(() => 0)
    for (let i = 0; i < 13; i++) counts[balancer.pick('', 0, 0)]!++
    assert.deepEqual(counts, weights)
  }
  assert.equal(letters(new SmoothRoundRobin(membersOf([1, 1, 1])), 7), 'abcabca')
})

test('smooth weighted round-robin: shares of the others while one is ejected', () => {
  const members = membersOf([5, 2, 1])
  const balancer = compileBalancer({ kind: 'round-robin' }, members)
  eject(members[0]!, 0)
  assert.equal(letters(balancer, 6, 10).replaceAll('c', '').length, 4)
})

test('least-connections: ties take turns by weight', () => {
  const balancer = compileBalancer({ kind: 'least-connections' }, membersOf([2, 1]))
  assert.equal(letters(balancer, 6), 'abaaba')
})

test('least-connections: the one with the fewest in flight for its weight', () => {
  const members = membersOf([1, 4, 1])
  const balancer = compileBalancer({ kind: 'least-connections' }, members)
  members[0]!.endpoint.inFlight = 1
  members[1]!.endpoint.inFlight = 3
  members[2]!.endpoint.inFlight = 2
  assert.equal(letters(balancer, 3), 'bbb')
  members[1]!.endpoint.inFlight = 5
  assert.equal(letters(balancer, 3), 'aaa')
})

test('least-connections: a slow endpoint gets the share that it can work off', () => {
  // One request comes each millisecond; a and b take 4 ms for one, c takes 40.
  const durations = [4, 4, 40]
  const members = membersOf([1, 1, 1])
  const balancer = compileBalancer({ kind: 'least-connections' }, members)
  const counts = [0, 0, 0]
  let running: { index: number; untilMs: number }[] = []
  let most = 0
  for (let nowMs = 0; nowMs < 4000; nowMs++) {
    for (const { index, untilMs } of running) if (untilMs <= nowMs) members[index]!.endpoint.inFlight--
    running = running.filter(({ untilMs }) => untilMs > nowMs)
    const index = balancer.pick('', 0, nowMs)
    members[index]!.endpoint.inFlight++
    counts[index]!++
    running.push({ index, untilMs: nowMs + durations[index]! })
    most = Math.max(most, ...members.map(({ endpoint }) => endpoint.inFlight))
  }
  assert.ok(counts[2]! < counts[0]! / 5, counts.join())
  assert.ok(Math.abs(counts[0]! - counts[1]!) < counts[0]! / 20, counts.join())
  assert.ok(most <= 3, `no queue grows: ${most}`)
})

test('more than 32 endpoints: a retry still finds somebody', () => {
  const members = membersOf(Array.from({ length: 70 }, () => 1))
  const balancer = compileBalancer({ kind: 'round-robin' }, members)
  assert.equal(balancer.pick('', 0, 0), 0)
  assert.equal(balancer.pick('', triedBit(0) | triedBit(1), 0), 2)
  for (const member of members.slice(1)) setDown(member, true)
  assert.equal(balancer.pick('', triedBit(32), 0), 0, 'shares its bit with the tried one')
})
