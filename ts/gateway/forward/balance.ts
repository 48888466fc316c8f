// Which of an upstream's endpoints gets the next attempt. Compiled when a plan is prepared; a pick allocates nothing
// and costs O(1) (round-robin with equal weights, consistent hash) or one or two passes over the endpoints.
// Whom it may take: candidates.ts.
import type { BalancePlan } from '../../config/plan.ts'
import type { Member } from './endpoints.ts'
import { admits, noPeer, passes, pickableIndexes, type Balancer } from './candidates.ts'
import { ConsistentHash } from './consistent-hash.ts'

export function compileBalancer(plan: BalancePlan, members: readonly Member[]): Balancer {
  switch (plan.kind) {
    case 'round-robin':
      return roundRobin(members)
    case 'least-connections':
      return new LeastConnections(members)
    case 'consistent-hash':
      return new ConsistentHash(members, roundRobin(members))
  }
}

function roundRobin(members: readonly Member[]): Balancer {
  const pickable = pickableIndexes(members)
  const weight = members[pickable[0] ?? 0]?.weight
  return pickable.every(index => members[index]!.weight === weight)
    ? new RoundRobin(members)
    : new SmoothRoundRobin(members)
}

/** Equal weights: the next one in the list. The same order as SmoothRoundRobin's, without looking at everyone. */
export class RoundRobin implements Balancer {
  readonly #members: readonly Member[]
  readonly #pickable: readonly number[]
  #next = 0

  constructor(members: readonly Member[]) {
    this.#members = members
    this.#pickable = pickableIndexes(members)
  }

  pick(_key: string, tried: number, nowMs: number): number {
    const pickable = this.#pickable
    const length = pickable.length
    for (let pass = 0; pass < passes; pass++) {
      let at = this.#next
      for (let seen = 0; seen < length; seen++) {
        const index = pickable[at]!
        if (++at === length) at = 0
        if (admits(this.#members[index]!, index, tried, nowMs, pass)) {
          this.#next = at
          return index
        }
      }
    }
    return noPeer
  }
}

/**
 * nginx's smooth weighted round-robin (ngx_http_upstream_round_robin.c): everyone gains its weight, the richest is
 * taken and pays the sum of all. Weights 5, 1, 1 give a a b a c a a.
 */
export class SmoothRoundRobin implements Balancer {
  readonly #members: readonly Member[]
  readonly #pickable: readonly number[]
  readonly #current: Float64Array

  constructor(members: readonly Member[]) {
    this.#members = members
    this.#pickable = pickableIndexes(members)
    this.#current = new Float64Array(members.length)
  }

  pick(_key: string, tried: number, nowMs: number): number {
    const members = this.#members
    const pickable = this.#pickable
    const current = this.#current
    for (let pass = 0; pass < passes; pass++) {
      let best = noPeer
      let sum = 0
      for (let at = 0; at < pickable.length; at++) {
        const index = pickable[at]!
        const member = members[index]!
        if (!admits(member, index, tried, nowMs, pass)) continue
        sum += member.weight
        current[index]! += member.weight
        if (best === noPeer || current[index]! > current[best]!) best = index
      }
      if (best !== noPeer) {
        current[best]! -= sum
        return best
      }
    }
    return noPeer
  }
}

/** Fewest requests in flight per weight, counted over all that this worker sends there; ties by smooth round-robin. */
export class LeastConnections implements Balancer {
  readonly #members: readonly Member[]
  readonly #pickable: readonly number[]
  readonly #current: Float64Array

  constructor(members: readonly Member[]) {
    this.#members = members
    this.#pickable = pickableIndexes(members)
    this.#current = new Float64Array(members.length)
  }

  pick(_key: string, tried: number, nowMs: number): number {
    const members = this.#members
    const pickable = this.#pickable
    for (let pass = 0; pass < passes; pass++) {
      let best = noPeer
      let ties = 0
      for (let at = 0; at < pickable.length; at++) {
        const index = pickable[at]!
        const member = members[index]!
        if (!admits(member, index, tried, nowMs, pass)) continue
        const order = best === noPeer ? -1 : compareLoad(member, members[best]!)
        if (order < 0) {
          best = index
          ties = 1
        } else if (order === 0) {
          ties++
        }
      }
      if (ties === 1) return best
      if (ties > 1) return this.#nextOfTied(members[best]!, tried, nowMs, pass)
    }
    return noPeer
  }

  #nextOfTied(least: Member, tried: number, nowMs: number, pass: number): number {
    const members = this.#members
    const pickable = this.#pickable
    const current = this.#current
    let best = noPeer
    let sum = 0
    for (let at = 0; at < pickable.length; at++) {
      const index = pickable[at]!
      const member = members[index]!
      if (!admits(member, index, tried, nowMs, pass) || compareLoad(member, least) !== 0) continue
      sum += member.weight
      current[index]! += member.weight
      if (best === noPeer || current[index]! > current[best]!) best = index
    }
    current[best]! -= sum
    return best
  }
}

/** Negative where `a` has less to do for its weight. Multiplied out: no division, no rounding. */
function compareLoad(a: Member, b: Member): number {
  return a.endpoint.inFlight * b.weight - b.endpoint.inFlight * a.weight
}
