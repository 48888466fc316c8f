// Types and constants of the addon's limits file: rate limits, quotas, places under concurrency limits and replay windows
// that all workers of a gateway share. The guard stage uses it, through limit-store.ts alone. The Rust side is
// native/addon/src/limits.rs and limit_places.rs, over native/limits.

export interface NativeLimitsModule {
  /**
   * Opens the file, or makes or rebuilds it, waiting while another process does so. `keys`: how many are counted at once,
   * about 145 bytes each; `replays`: values that are remembered at once. Throws an Error that says why it cannot be had.
   */
  Limits: new (file: string, keys: number, replays: number) => NativeLimits
}

export interface LimitWindow {
  readonly kind: 'rate' | 'hour' | 'day' | 'month'
  readonly limit: number
  /** Of `rate` alone; 0 otherwise. */
  readonly periodMs: number
  readonly burst: number
}

/** Claims that one request can have. */
export const mostClaims = 8

export interface NativeLimits {
  /** Of the claims that were decided last, `decisionNumbers` for each; see LimitDecision. */
  readonly decision: Float64Array
  /** `kept`, `created`, or `rebuilt: ` and why. */
  readonly opened: string
  /** A number, valid until `dropRule`. Counts stay with the name and the kinds of windows. Throws TypeError. */
  rule(name: string, windows: readonly LimitWindow[], admitWhenFull: boolean): number
  /** The same rule without its rates, its quotas: those are neither looked at nor changed. -1: no window would be left. */
  ruleWithout(rule: number, rates: boolean, quotas: boolean): number
  dropRule(rule: number): void
  /** The value of `RateLimit-Policy`. */
  policy(rule: number): string
  /** What `RateLimit` calls its windows, a line each. */
  windowNames(rule: number): string
  /** Asks for one cell of the key's limit, in all windows or none. Returns a LimitVerdict, and fills `decision`. */
  decide(rule: number, key: string): number
  /**
   * Asks for one cell of each claim, a rule and a key, or of none. Returns the claim that refuses, from 0, or
   * LimitVerdict.noneRefuses or .closed, and fills `decision`. At most `mostClaims`.
   */
  decideAll(count: number, ...claims: readonly (number | string)[]): number
  /** Gives a cell back that was taken for a request which something else has refused. */
  giveBack(rule: number, key: string): void

  /** A limit on requests under way: a number, valid until `dropConcurrency`. `limit`: 1 to 65,535. Throws TypeError. */
  concurrency(name: string, limit: number, admitWhenFull: boolean): number
  dropConcurrency(concurrency: number): void
  /** A place for the lease, or for a new one where that is 0. Returns the lease, or a PlaceVerdict below 0. */
  acquire(lease: number, concurrency: number, key: string): number
  /** Gives all places of a lease back. One that has ended, or belongs to a file that was open before, is ignored. */
  release(lease: number): void
  /** Keeps the places of all leases; to be called every `renewMs`. How many had been lost, and are taken again. */
  renew(): number

  /**
   * Where values are seen once within their time, 1 second to 366 days; they are kept up to 16 seconds longer. A number,
   * valid until `dropReplayWindow`. Each value takes 17 bytes of the file. Throws TypeError.
   */
  replayWindow(name: string, ttlSeconds: number, admitWhenFull: boolean): number
  dropReplayWindow(window: number): void
  /**
   * Records a value, once over all workers; returns a ReplayVerdict. A text counts by the lower byte of each of its
   * characters. An honest value is taken for a seen one with a probability of at most 31 / 2^39 (6 in 10^11).
   */
  replay(window: number, value: string | Uint8Array): number
  /** ReplayVerdict.first or seen; records nothing. */
  replaySeen(window: number, value: string | Uint8Array): number
  /** Records a value for whoever asks first: `first` also whenever the same owner asks again, `seen` for every other. */
  replayClaim(window: number, value: string | Uint8Array, owner: string): number

  /** Whether the open file is still the one at its path, and whole. Two system calls. */
  current(): boolean
  /** Lets go of the file, and gives back the places of all leases. Decisions are `closed` from then on. */
  close(): void
}

export const LimitVerdict = {
  admitted: 0,
  refused: 1,
  /** The file is full of keys that have used up their limits. */
  fullRefused: 2,
  fullAdmitted: 3,
  /** The file has been closed, or is not what it was: it must be opened anew. */
  closed: -1,
  /** Of `decideAll`. */
  noneRefuses: -2,
} as const

export const PlaceVerdict = {
  closed: -1,
  refused: -2,
  fullRefused: -3,
  fullAdmitted: -4,
} as const

export const ReplayVerdict = {
  first: 0,
  seen: 1,
  /** There is no room to remember it. */
  fullRefused: 2,
  fullAdmitted: 3,
  closed: -1,
} as const

/** Places of a worker that does not renew them for 10 seconds come back. */
export const renewMs = 2500

export const decisionNumbers = 6

/** By index in a claim's part of `decision`: about the window that is the tightest, or that refuses for the longest. */
export const LimitDecision = {
  window: 0,
  limit: 1,
  remaining: 2,
  /** Until the whole limit is there again. */
  resetSeconds: 3,
  /** Until the same request would be admitted; 0 for one that is. */
  retrySeconds: 4,
  /** A LimitVerdict. */
  verdict: 5,
} as const

/** A cell that a request has taken, and which can be given back. */
export interface CountedCell {
  /** Its numbers mean nothing to another. */
  readonly limits: NativeLimits
  readonly rule: number
  readonly key: string
}
