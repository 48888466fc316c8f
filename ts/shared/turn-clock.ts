// The time, for what is done many times in one turn of the loop: a look at the clock costs as much as a match. Held by
// the worker's wiring around a batch of rows, which takes less than a millisecond; anywhere else it is the real time.
let heldMs = -1

/** Milliseconds, as `performance.now()`. */
export const turnNowMs = (): number => (heldMs < 0 ? performance.now() : heldMs)

/** The time stands still until `releaseTurn`. */
export function holdTurn(): void {
  heldMs = performance.now()
}

export function releaseTurn(): void {
  heldMs = -1
}
