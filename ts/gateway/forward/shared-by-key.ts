// Values that several plans share as long as one of them needs them: what makes a reload keep connections and health.

export class SharedByKey<T> {
  readonly #entries = new Map<string, { readonly value: T; references: number }>()

  /** The value of `key`, made if nobody has it. What `make` throws leaves nothing behind. */
  acquire(key: string, make: () => T): T {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { value: make(), references: 0 }
      this.#entries.set(key, entry)
    }
    entry.references++
    return entry.value
  }

  /** Gives back one `acquire`; the last one calls `end`. */
  release(key: string, end?: (value: T) => void): void {
    const entry = this.#entries.get(key)
    if (entry === undefined || --entry.references > 0) return
    this.#entries.delete(key)
    end?.(entry.value)
  }

  get size(): number {
    return this.#entries.size
  }
}
