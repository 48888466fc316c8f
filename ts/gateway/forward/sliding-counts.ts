// How many things happened lately, and how many of them were of the counted kind: what the breaker and the retry
// budget decide on. A ring of buckets, so adding costs a few nanoseconds and allocates nothing.

const buckets = 10

/** Covers the running bucket and the nine before it: between 0.9 and 1.0 of `windowMs`. */
export class SlidingCounts {
  total = 0
  marked = 0
  readonly #bucketMs: number
  readonly #totals = new Int32Array(buckets)
  readonly #marks = new Int32Array(buckets)
  #bucket = -1

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / buckets
  }

  addTotal(nowMs: number): void {
    this.advance(nowMs)
    this.total++
    this.#totals[this.#bucket % buckets]!++
  }

  addMarked(nowMs: number): void {
    this.advance(nowMs)
    this.marked++
    this.#marks[this.#bucket % buckets]!++
  }

  /** Forgets what is older than the window; call before `total` or `marked` is read. */
  advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.#bucketMs)
    if (bucket <= this.#bucket) return
    if (bucket - this.#bucket >= buckets) {
      this.clear()
    } else {
      for (let stale = this.#bucket + 1; stale <= bucket; stale++) {
        const at = stale % buckets
        this.total -= this.#totals[at]!
        this.marked -= this.#marks[at]!
        this.#totals[at] = 0
        this.#marks[at] = 0
      }
    }
    this.#bucket = bucket
  }

  clear(): void {
    this.total = 0
    this.marked = 0
    this.#totals.fill(0)
    this.#marks.fill(0)
  }
}
