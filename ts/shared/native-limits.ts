// Types and constants of the addon's limits file: rate limits and quotas that all workers of a gateway share. The guard
// stage uses it. The Rust side is native/addon/src/limits.rs, over native/limits.

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

export interface NativeLimits {
  /** Of the decision that was made last; see LimitDecision. */
  readonly decision: Float64Array
  /** `kept`, `created`, or `rebuilt: ` and why. */
  readonly opened: string
  /** A number, valid until `dropRule`. Counts stay with the name and the kinds of windows. Throws TypeError. */
  rule(name: string, windows: readonly LimitWindow[], admitWhenFull: boolean): number
  dropRule(rule: number): void
  /** The value of `RateLimit-Policy`. */
  policy(rule: number): string
  /** Asks for one cell of the key's limit, in all windows or none. Returns a LimitVerdict, and fills `decision`. */
  decide(rule: number, key: string): number
  /** Lets go of the file. */
  close(): void
}

export const LimitVerdict = {
  admitted: 0,
  refused: 1,
  /** The file is full of keys that have used up their limits. */
  fullRefused: 2,
  fullAdmitted: 3,
} as const

/** By index of `decision`: about the window that is the tightest, or that refuses for the longest. */
export const LimitDecision = {
  window: 0,
  limit: 1,
  remaining: 2,
  /** Until the whole limit is there again. */
  resetSeconds: 3,
  /** Until the same request would be admitted; 0 for one that is. */
  retrySeconds: 4,
} as const
