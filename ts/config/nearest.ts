// "Did you mean": the known name that is closest to a mistyped one. Called by everything that refuses a name.

/** Edits (insert, delete, replace, swap of neighbours) between two short texts, or `limit + 1` once past `limit`. */
function distance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) > limit) return limit + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      let best = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        best = Math.min(best, beforeLast[column - 2]! + 1)
      }
      current.push(best)
    }
    beforeLast = last
    last = current
  }
  return last[right.length]!
}

/** The closest of `known`, case ignored, if it is close enough to be a slip: one edit in three letters. */
export function nearest(name: string, known: Iterable<string>): string | null {
  // Names are short; a long text is no slip of one, and the table below is quadratic.
  if (name.length > 64) return null
  const limit = Math.max(1, Math.floor(name.length / 3))
  const wanted = name.toLowerCase()
  let best: string | null = null
  let bestDistance = limit + 1
  for (const candidate of known) {
    const edits = distance(wanted, candidate.toLowerCase(), limit)
    if (edits < bestDistance) [best, bestDistance] = [candidate, edits]
  }
  return best
}

/** `; did you mean x?` or nothing, to be put behind a message. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const best = nearest(name, known)
  return best === null ? '' : `; did you mean ${best}?`
}
