// A map whose look-up takes a part of a string without cutting it out: a route is found without an allocation, however
// many segments its path has. Filled while routes are compiled, read by the router. Keys come from the configuration,
// so clients can not make them collide.

const smallest = 8

/** What is kept in a span map. Key and hash lie in the value itself: with thousands of routes each object touched is a
 *  miss of the processor's cache, and those are most of a look-up's time. */
export class Keyed {
  readonly key: string
  readonly hash: number

  constructor(key: string) {
    this.key = key
    this.hash = hashOf(key, 0, key.length)
  }

  /** Whether the key is `text.slice(start, end)`. */
  is(text: string, start: number, end: number): boolean {
    return this.key.length === end - start && text.startsWith(this.key, start)
  }
}

export class SpanMap<T extends Keyed> {
  /** Length of the longest key: a client's longer text is not even hashed. */
  longest = -1
  size = 0
  #mask = smallest - 1
  #slots: (T | undefined)[] = new Array<T | undefined>(smallest).fill(undefined)

  /** The value whose key is `text.slice(start, end)`. */
  get(text: string, start: number, end: number): T | undefined {
    if (end - start > this.longest) return undefined
    const hash = hashOf(text, start, end)
    const slots = this.#slots
    const mask = this.#mask
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const value = slots[at]
      if (value === undefined || (value.hash === hash && value.is(text, start, end))) return value
    }
  }

  /** Adds a value whose key is not yet there. */
  add(value: T): void {
    if (this.size * 2 >= this.#slots.length) this.#grow()
    this.longest = Math.max(this.longest, value.key.length)
    this.#place(value)
    this.size++
  }

  #place(value: T): void {
    let at = value.hash & this.#mask
    while (this.#slots[at] !== undefined) at = (at + 1) & this.#mask
    this.#slots[at] = value
  }

  #grow(): void {
    const old = this.#slots
    this.#mask = old.length * 2 - 1
    this.#slots = new Array<T | undefined>(old.length * 2).fill(undefined)
    for (const value of old) if (value !== undefined) this.#place(value)
  }
}

/** FNV-1a over UTF-16 units, its high bits folded into the low ones that choose the slot. 31 bits: a small integer. */
function hashOf(text: string, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & 0x7fff_ffff
}
