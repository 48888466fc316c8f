// Building blocks of the worker's metrics: which statuses have a label of their own, the histogram's bounds, and a
// table of histograms as flat typed arrays. Called per request, so: no strings, no Map, nothing allocated but when a
// label combination is seen for the first time.

/** Upper bounds in seconds: OpenTelemetry's for HTTP (0.005 to 10), and finer ones below for a gateway's own times. */
export const durationBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
] as const

/** Buckets of one histogram, the last one being +Inf. */
export const bucketCount = durationBounds.length + 1

/**
 * IANA's registered status codes, and 499: the client went away before an answer. Everything else is `_other`, so an
 * upstream that invents statuses cannot grow the number of series.
 */
export const knownStatuses = [
  100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400,
  401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425,
  426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
] as const

export const otherLabel = '_other'
export const statusLabels: readonly string[] = [...knownStatuses.map(String), otherLabel]
const otherStatus = statusLabels.length - 1

const statusIndexes = new Uint8Array(600).fill(otherStatus)
knownStatuses.forEach((status, index) => (statusIndexes[status] = index))

/** Index into `statusLabels`. Out-of-range and odd numbers are `_other`. */
export function statusIndex(status: number): number {
  return statusIndexes[status] ?? otherStatus
}

/** Bounds are tried from the shortest: most of a gateway's answers are found within a few comparisons. */
export function bucketIndex(seconds: number): number {
  let index = 0
  while (index < durationBounds.length && seconds > durationBounds[index]!) index++
  return index
}

/**
 * Histograms by (row, status), where a row is a route with a method, or an upstream. Counts are those since the last
 * `take`. A series gets its place on first use and keeps it.
 */
export class HistogramTable {
  /** Per row: series by status index, plus one; 0 = none yet. Absent until the row is used. */
  readonly #seriesOf: (Uint32Array | undefined)[]
  #rows = new Uint32Array(8)
  #statuses = new Uint8Array(8)
  #buckets = new Uint32Array(8 * bucketCount)
  #sums = new Float64Array(8)
  /** 1: changed since the last `take`, which else would have to look at each bucket. */
  #changed = new Uint8Array(8)
  #series = 0

  constructor(rows: number) {
    this.#seriesOf = new Array<Uint32Array | undefined>(rows).fill(undefined)
  }

  get size(): number {
    return this.#series
  }

  /** `row` must be within what the constructor was given. */
  observe(row: number, status: number, seconds: number): void {
    const column = statusIndex(status)
    const place = this.#seriesOf[row]?.[column]
    const series = place ? place - 1 : this.#add(row, column)
    this.#changed[series] = 1
    // One NaN would stay in the sum for ever.
    const finite = seconds >= 0 && seconds < Infinity ? seconds : 0
    this.#buckets[series * bucketCount + bucketIndex(finite)]!++
    this.#sums[series]! += finite
  }

  #add(row: number, status: number): number {
    const series = this.#series++
    if (series === this.#rows.length) {
      this.#rows = grown(this.#rows, new Uint32Array(series * 2))
      this.#statuses = grown(this.#statuses, new Uint8Array(series * 2))
      this.#changed = grown(this.#changed, new Uint8Array(series * 2))
      this.#sums = grown(this.#sums, new Float64Array(series * 2))
      this.#buckets = grown(this.#buckets, new Uint32Array(series * 2 * bucketCount))
    }
    this.#rows[series] = row
    this.#statuses[series] = status
    const places = (this.#seriesOf[row] ??= new Uint32Array(statusLabels.length))
    places[status] = series + 1
    return series
  }

  /** Gives each series that changed since the last call, as (row, status label, sum, bucket, count, bucket, count…). */
  take(each: (row: number, status: string, numbers: number[]) => void): void {
    for (let series = 0; series < this.#series; series++) {
      if (this.#changed[series] === 0) continue
      this.#changed[series] = 0
      const numbers: number[] = [this.#sums[series]!]
      const first = series * bucketCount
      for (let bucket = 0; bucket < bucketCount; bucket++) {
        const count = this.#buckets[first + bucket]!
        if (count === 0) continue
        numbers.push(bucket, count)
        this.#buckets[first + bucket] = 0
      }
      this.#sums[series] = 0
      each(this.#rows[series]!, statusLabels[this.#statuses[series]!]!, numbers)
    }
  }
}

function grown<T extends Uint32Array | Uint8Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}

/** Plain counters by index, cleared by `take`. */
export class CounterTable {
  readonly #counts: Float64Array

  constructor(size: number) {
    this.#counts = new Float64Array(size)
  }

  add(index: number, amount: number): void {
    this.#counts[index]! += amount
  }

  take(each: (index: number, count: number) => void): void {
    for (let index = 0; index < this.#counts.length; index++) {
      const count = this.#counts[index]!
      if (count === 0) continue
      this.#counts[index] = 0
      each(index, count)
    }
  }
}
