// The worker's hold on a limits file: opened when a plan first needs it, looked at once a second, and opened anew when
// another program has damaged it or taken it away. A worker without it serves on; what then becomes of limited requests
// is the guards' business. One for each file that a plan in use counts in. The seam for a store elsewhere: what guards
// ask of NativeLimits, an engine that leases cells from a server (native/limits/src/engine.rs) answers as well.
import type { CountingPlan } from '../../config/plan.ts'
import type { Log } from '../../shared/log.ts'
import { native } from '../../shared/native.ts'
import { PlaceVerdict, renewMs, type NativeLimits } from '../../shared/native-limits.ts'
import type { PlaceRule } from './limit-rules.ts'

const lookAgainMs = 1000
/** A full file is said once in so long. */
const fullAgainMs = 60_000

export class LimitStore {
  readonly #counting: CountingPlan
  readonly #log: Log
  readonly #released: () => void
  #users = 1
  #triedMs = -Infinity
  #failing = false
  #fullMs = -Infinity
  #look: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined
  /** The file, while it can be had. */
  open: NativeLimits | null = null

  constructor(counting: CountingPlan, log: Log, released: () => void) {
    this.#counting = counting
    this.#log = log
    this.#released = released
    if (counting.file === null) return
    this.current()
    this.#look = setInterval(() => this.#lookAfter(), lookAgainMs).unref()
  }

  use(): void {
    this.#users++
  }

  /** By whoever has made or used it. The last one closes the file. */
  release(): void {
    if (--this.#users > 0) return
    this.close()
    this.#released()
  }

  close(): void {
    clearInterval(this.#look)
    clearInterval(this.#renewal)
    this.open?.close()
    this.open = null
    this.#triedMs = Infinity
  }

  /** The open file, or null while it cannot be had. */
  current(): NativeLimits | null {
    const { file, keys, replays } = this.#counting
    if (this.open !== null || file === null) return this.open
    const nowMs = performance.now()
    if (nowMs - this.#triedMs < lookAgainMs) return null
    this.#triedMs = nowMs
    try {
      this.open = new (native().Limits)(file, keys, replays)
    } catch (error) {
      if (!this.#failing) this.#log.error('limits cannot be counted', { file, reason: (error as Error).message })
      this.#failing = true
      return null
    }
    const { opened } = this.open
    if (opened.startsWith('rebuilt')) {
      const flaw = opened.includes('other sizes') ? 'had another size' : 'was damaged'
      this.#log.warn(`the limits file ${flaw}: counts begin anew`, { file, opened })
    }
    if (this.#failing) this.#log.info('limits are counted again', { file })
    this.#failing = false
    return this.open
  }

  /** It has said that it is closed: what is there in its place now, or null. */
  lost(limits: NativeLimits): NativeLimits | null {
    if (limits === this.open) {
      this.#log.error('another program has changed the limits file: it is opened anew', { file: this.#counting.file })
      this.open = null
      this.#triedMs = -Infinity
    }
    return this.current()
  }

  /** It has no room for a key. */
  full(rule: string): void {
    this.#fullOf('keys that have used up their limits', { rule })
  }

  /** It has no room for a value that may come once. */
  fullOfReplays(window: string): void {
    this.#fullOf('requests that must not come again', { window, replays: this.#counting.replays })
  }

  #fullOf(what: string, fields: Readonly<Record<string, string | number>>): void {
    const nowMs = performance.now()
    if (nowMs - this.#fullMs < fullAgainMs) return
    this.#fullMs = nowMs
    this.#log.error(`the limits file is full of ${what}`, fields)
  }

  /** A place for a request; a lease, or a PlaceVerdict below 0. `lease`: what it has already, or 0. */
  place(lease: number, rule: PlaceRule, key: string): number {
    let limits = this.open ?? this.current()
    for (let attempt = 0; limits !== null && attempt < 2; attempt++) {
      const verdict = limits.acquire(lease, rule.numberIn(limits), key)
      if (verdict !== PlaceVerdict.closed) return verdict
      limits = this.lost(limits)
    }
    return PlaceVerdict.closed
  }

  /** Gives a lease's places back; 0 is none. */
  leave(lease: number): void {
    if (lease !== 0) this.open?.release(lease)
  }

  /** Places are held from now on. */
  keepPlaces(): void {
    this.#renewal ??= setInterval(() => this.#renew(), renewMs).unref()
  }

  #renew(): void {
    const lost = this.open?.renew() ?? 0
    if (lost > 0)
      this.#log.warn('requests had lost their places for a while: this worker had stopped, or the clock was set', {
        lost,
      })
  }

  #lookAfter(): void {
    if (this.open === null) this.current()
    else if (!this.open.current()) {
      this.open.close()
      this.lost(this.open)
    }
  }
}

/** The stores of the plans in use, one a file. */
export class LimitStores {
  readonly #log: Log
  readonly #stores = new Map<string | null, LimitStore>()

  constructor(log: Log) {
    this.#log = log
  }

  /** To be given back by `release`. */
  of(counting: CountingPlan): LimitStore {
    const { file } = counting
    const known = this.#stores.get(file)
    if (known !== undefined) {
      known.use()
      return known
    }
    const store = new LimitStore(counting, this.#log, () => this.#stores.delete(file))
    this.#stores.set(file, store)
    return store
  }

  /** The worker ends: places that are still held come back now. */
  close(): void {
    for (const store of this.#stores.values()) store.close()
  }
}
