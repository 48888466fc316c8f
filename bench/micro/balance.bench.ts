// What a pick costs, and the whole accounting of one request, in nanoseconds: the median of 9 rounds, with the spread.
// Run: node --import tsx bench/micro/balance.bench.ts
import type { BalancePlan } from '../../ts/config/plan.ts'
import { compileBalancer } from '../../ts/gateway/forward/balance.ts'
import type { Member } from '../../ts/gateway/forward/endpoints.ts'
import { membersOf as weighted, passive, upstreamOf } from '../../test/gateway/forward/members.ts'

const rounds = 9
const iterations = 300_000

const membersOf = (count: number, weightOf: (index: number) => number): Member[] =>
  weighted(Array.from({ length: count }, (_, index) => weightOf(index)))

function measure(name: string, run: (iteration: number) => void): void {
  const results: number[] = []
  for (let round = 0; round < rounds + 2; round++) {
    const from = process.hrtime.bigint()
    for (let i = 0; i < iterations; i++) run(i)
    const ns = Number(process.hrtime.bigint() - from) / iterations
    if (round >= 2) results.push(ns)
  }
  results.sort((a, b) => a - b)
  const [low, median, high] = [results[0]!, results[rounds >> 1]!, results[rounds - 1]!].map(ns => ns.toFixed(1))
  console.log(`${name.padEnd(52)} ${median!.padStart(7)} ns  (${low}..${high})`)
}

const keys = Array.from({ length: 1024 }, (_, i) => `203.0.113.${i % 256}:${i}`)
const plans: [name: string, plan: BalancePlan, weightOf: (index: number) => number][] = [
  ['round-robin, equal weights', { kind: 'round-robin' }, () => 1],
  ['round-robin, smooth weighted', { kind: 'round-robin' }, index => 1 + (index % 3)],
  ['least-connections, all tied', { kind: 'least-connections' }, () => 1],
  ['consistent-hash', { kind: 'consistent-hash', on: 'address', name: '' }, () => 1],
]

for (const [name, plan, weightOf] of plans) {
  for (const count of [1, 3, 10, 100]) {
    const balancer = compileBalancer(plan, membersOf(count, weightOf))
    measure(`pick: ${name}, ${count} endpoints`, i => void balancer.pick(keys[i & 1023]!, 0, i))
  }
}

for (const count of [10, 1000]) {
  const members = membersOf(count, index => 1 + (index % 3))
  const from = performance.now()
  compileBalancer({ kind: 'consistent-hash', on: 'address', name: '' }, members)
  console.log(
    `compile: consistent-hash, ${count} endpoints`.padEnd(52),
    `${(performance.now() - from).toFixed(1)} ms, once`,
  )
}

const breaker = { errorRatio: 0.5, minRequests: 20, windowMs: 10_000, openMs: 5000 }
const { upstream } = upstreamOf([1, 1, 1], { breaker, health: { passive, active: null } })
measure('a request: pick, started, responded, finished', i => {
  const nowMs = 1000 + i * 0.02
  const index = upstream.pick('', 0, nowMs)
  upstream.started(index, 1, nowMs)
  upstream.responded(index, nowMs, 200, nowMs)
  upstream.finished(index, 200)
})
