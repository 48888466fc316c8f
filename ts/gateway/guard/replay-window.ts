// Values that may be seen once within their time: nonces, signatures. Over all workers, in the limits file. For guards that
// have verified what they record: what is not genuine must leave no trace.
//
// Each value takes 17 bytes of the file, and the file has room for `counting.replays` of them. An honest value is taken
// for a seen one with a probability of at most 31 / 2^39 (6 in 10^11). Nothing that was recorded is missed within its
// time; a full file is `fullRefused`, or `fullAdmitted` where the guard fails open.
import type { NativeLimits } from '../../shared/native-limits.ts'
import { ReplayVerdict } from '../../shared/native-limits.ts'
import type { LimitStore } from './limit-store.ts'

export interface ReplayWindowOptions {
  /** Names the values apart from those of other windows: 1 to 64 printable ASCII characters, no quotes. */
  readonly name: string
  /** At least twice the clock skew that the scheme allows; values are kept up to 16 seconds longer. */
  readonly ttlSeconds: number
  readonly onFailure: 'closed' | 'open'
}

export class ReplayWindow {
  readonly name: string
  /** What cannot be recorded is let through. */
  readonly isOpen: boolean
  readonly #ttlSeconds: number
  readonly #store: LimitStore
  #limits: NativeLimits | null = null
  #number = -1

  /** Made at once where the file can be had, so that a window which cannot be refuses the plan. */
  constructor({ name, ttlSeconds, onFailure }: ReplayWindowOptions, store: LimitStore) {
    this.name = name
    this.isOpen = onFailure === 'open'
    this.#ttlSeconds = ttlSeconds
    this.#store = store
    const limits = store.current()
    if (limits !== null) this.#numberIn(limits)
  }

  /** Records it, and says whether it is new: a ReplayVerdict, or null where nothing can be recorded now. */
  record(value: string | Uint8Array): number | null {
    let limits = this.#store.open ?? this.#store.current()
    // Once more with the file that is there in the place of one that was lost.
    for (let attempt = 0; limits !== null && attempt < 2; attempt++) {
      const verdict = limits.replay(this.#numberIn(limits), value)
      if (verdict >= ReplayVerdict.fullRefused) this.#store.full(this.name)
      if (verdict >= 0) return verdict
      limits = this.#store.lost(limits)
    }
    return null
  }

  #numberIn(limits: NativeLimits): number {
    if (limits !== this.#limits) {
      this.#number = limits.replayWindow(this.name, this.#ttlSeconds, this.isOpen)
      this.#limits = limits
    }
    return this.#number
  }

  release(): void {
    this.#limits?.dropReplayWindow(this.#number)
    this.#limits = null
  }
}
