// Consistent hashing: the same key goes to the same endpoint, in every worker and after every reload. Weighted
// rendezvous hashing (highest random weight; Thaler and Ravishankar 1998) over a fixed number of buckets, worked out
// when the plan is prepared: a key's bucket names its owner in O(1). An endpoint that goes takes only its own buckets
// with it and they spread over all others; one that comes takes its share and moves nothing else. While an owner is
// ejected, its buckets' second best is found by one pass over the endpoints.
import { admits, noPeer, passes, pickableIndexes, type Balancer } from './candidates.ts'
import type { Member } from './endpoints.ts'

/** Shares are even to within 1/sqrt(buckets per endpoint): 2 % for 10 endpoints. Changing it moves every key. */
const buckets = 0x8000

export class ConsistentHash implements Balancer {
  readonly #members: readonly Member[]
  readonly #pickable: readonly number[]
  readonly #withoutKey: Balancer
  readonly #identities: Uint32Array
  readonly #owners = new Uint16Array(buckets)

  /** `withoutKey` picks for requests that have no key. */
  constructor(members: readonly Member[], withoutKey: Balancer) {
    this.#members = members
    this.#pickable = pickableIndexes(members)
    this.#withoutKey = withoutKey
    this.#identities = identitiesOf(members)
    if (this.#pickable.length === 0) return
    for (let bucket = 0; bucket < buckets; bucket++) this.#owners[bucket] = this.#best(bucket, 0, 0, passes)
  }

  pick(key: string, tried: number, nowMs: number): number {
    if (key === '') return this.#withoutKey.pick(key, tried, nowMs)
    if (this.#pickable.length === 0) return noPeer
    const bucket = hashText(key) % buckets
    const owner = this.#owners[bucket]!
    if (admits(this.#members[owner]!, owner, tried, nowMs, 0)) return owner
    for (let pass = 0; pass < passes; pass++) {
      const best = this.#best(bucket, tried, nowMs, pass)
      if (best !== noPeer) return best
    }
    return noPeer
  }

  /**
   * The admitted endpoint with the least -ln(u) / weight, where u in (0, 1] is the hash of bucket and endpoint: each
   * wins with a probability in proportion to its weight. With `pass` = `passes` everyone is admitted.
   */
  #best(bucket: number, tried: number, nowMs: number, pass: number): number {
    const seed = Math.imul(bucket + 1, 0x9e3779b1)
    let best = noPeer
    let least = Infinity
    for (const index of this.#pickable) {
      const member = this.#members[index]!
      if (pass !== passes && !admits(member, index, tried, nowMs, pass)) continue
      const chance = (mix(seed ^ this.#identities[index]!) + 1) / 0x1_0000_0000
      // 1 - u <= -ln(u), so most lose before a logarithm is taken.
      if (1 - chance >= least * member.weight) continue
      const cost = -Math.log(chance) / member.weight
      if (cost < least) {
        least = cost
        best = index
      }
    }
    return best
  }
}

/** An endpoint is known by its URL and address, so its keys stay when others come and go around it. */
function identitiesOf(members: readonly Member[]): Uint32Array {
  const seen = new Map<string, number>()
  return Uint32Array.from(members, ({ endpoint }) => {
    const name = `${endpoint.url} ${endpoint.address}`
    const copies = seen.get(name) ?? 0
    seen.set(name, copies + 1)
    // The same peer listed twice has two shares.
    return hashText(copies === 0 ? name : `${name} ${copies}`)
  })
}

/** FNV-1a over the UTF-16 units, then mixed. Not keyed: who chooses many keys can aim them at one endpoint. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash)
}

/** MurmurHash3's finaliser: a bijection of 32 bits, so different endpoints never tie in a bucket. */
function mix(value: number): number {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
