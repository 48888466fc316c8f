// What the suite `signing` measures, one call after another. Cases are made once, in the process that measures.

export interface Case {
  readonly name: string
  /** Nanoseconds that the median may have; null: only told. */
  readonly limitNs: number | null
  /** Of one round: short, so that on a busy machine many rounds pass without another process between. */
  readonly calls: number
  /** Before those, not counted: what the case before has pushed out of the caches is no cost of this one. */
  readonly warmUpCalls?: number
  /** Whether the answer was the expected one: anything else ends the suite. */
  readonly run: (nth: number) => boolean
}

export interface CaseResult {
  readonly name: string
  readonly limitNs: number | null
  readonly medianNs: number
  /** Of the rounds, the one in twenty that was quickest, and slowest. */
  readonly lowNs: number
  readonly highNs: number
}

export interface SigningResult {
  readonly kernels: readonly string[]
  readonly cases: readonly CaseResult[]
  readonly tables: number
  readonly bytesPerKey: number
}
