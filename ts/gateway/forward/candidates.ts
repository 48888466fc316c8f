// Whom a pick may take. Every balancer looks in up to four passes and takes from the first that has anyone:
//   0 usable endpoints that this request has not tried
//   1 usable endpoints
//   2 ejected ones that it has not tried      } Everyone who is left is ejected by passive health: trying them beats
//   3 ejected ones                            } refusing (as nginx does, and Envoy's panic mode at 0 % healthy).
// Never taken: weight 0, no address, and what active checks call down. If that is everyone, there is no peer.
import type { Member } from './endpoints.ts'

export interface Balancer {
  /**
   * Index of the endpoint in the upstream's list, -1 where there is none. `key`: what to hash, '' for none.
   * `tried`: the `triedBit`s of this request's earlier attempts.
   */
  pick(key: string, tried: number, nowMs: number): number
}

export const noPeer = -1

/** One bit an endpoint. Past 32 endpoints some share a bit: a retry then avoids a few that were not tried. */
export const triedBit = (index: number): number => 1 << (index & 31)

export const passes = 4
const fromEjected = 2
const triedToo = 1

/** Whether `pass` may take the member. */
export function admits(member: Member, index: number, tried: number, nowMs: number, pass: number): boolean {
  const { health } = member
  if (health.down) return false
  if (pass < fromEjected && health.blockedUntilMs > nowMs) return false
  return (pass & triedToo) !== 0 || (tried & triedBit(index)) === 0
}

/** Indexes of the members that may be picked at all under this plan. */
export function pickableIndexes(members: readonly Member[]): number[] {
  return [...members.keys()].filter(index => members[index]!.weight > 0 && members[index]!.endpoint.id >= 0)
}
