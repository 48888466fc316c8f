// Runs one switch at a time, and turns a burst of wishes into at most one more: a wish that comes while one runs is
// met by the next, which begins after it and so sees what it saw. Control says what a run is.

export class Reloads<Result> {
  readonly #run: () => Promise<Result>
  #tail: Promise<unknown> = Promise.resolve()
  #waiting: Promise<Result> | null = null

  constructor(run: () => Promise<Result>) {
    this.#run = run
  }

  /** Resolves with the result of a run that began after this call. */
  request(): Promise<Result> {
    this.#waiting ??= this.exclusively(() => {
      this.#waiting = null
      return this.#run()
    })
    return this.#waiting
  }

  /** Runs something else in the same line: a push of new addresses, the end. */
  exclusively<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(job)
    this.#tail = result.catch(() => {})
    return result
  }
}
