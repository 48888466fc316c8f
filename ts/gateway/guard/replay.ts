// Values that may be seen once within their time, or by one owner alone: requests that a signature guard has accepted, the
// address that a signature belongs to. Over all workers, in the limits file. Called by signature.ts, with what it has
// verified: what is not genuine must leave no trace. Where nothing can be remembered it says so; what becomes of the
// request then is the guard's business.
//
// Each value takes 17 bytes of the file, one with an owner twice that, and the file has room for `counting.replays` of
// them. An honest value is taken for a seen one with a probability of at most 31 / 2^39 (6 in 10^11). Nothing that was
// recorded is missed within its time; a full file is `fullRefused`, or `fullAdmitted` where the guard fails open.
import { ReplayVerdict, type NativeLimits } from '../../shared/native-limits.ts'
import type { LimitStore } from './limit-store.ts'

export interface ReplayMemoryOptions {
  /** Names the values apart from those of other memories: 1 to 64 printable ASCII characters, no quotes. */
  readonly name: string
  /** At least twice the clock skew that the scheme allows; values are kept up to 16 seconds longer. */
  readonly ttlSeconds: number
  readonly onFailure: 'closed' | 'open'
}

export class ReplayMemory {
  readonly #options: ReplayMemoryOptions
  readonly #store: LimitStore
  #limits: NativeLimits | null = null
  #window = -1

  /** Made at once where the file can be had, so that what cannot be refuses the plan. */
  constructor(options: ReplayMemoryOptions, store: LimitStore) {
    this.#options = options
    this.#store = store
    const limits = store.current()
    if (limits !== null) this.#windowIn(limits)
  }

  /** Whether this value was recorded already. Records nothing. */
  seen(value: Uint8Array): boolean {
    return this.#ask((limits, window) => limits.replaySeen(window, value)) === ReplayVerdict.seen
  }

  /** Records it, and says whether it is new: a ReplayVerdict; `closed` where nothing can be recorded now. */
  record(value: Uint8Array): number {
    return this.#ask((limits, window) => limits.replay(window, value))
  }

  /** As `record`: `seen` where another owner was first. */
  claim(value: Uint8Array, owner: string): number {
    return this.#ask((limits, window) => limits.replayClaim(window, value, owner))
  }

  #ask(ask: (limits: NativeLimits, window: number) => number): number {
    let limits = this.#store.open ?? this.#store.current()
    // Once more with the file that is there in the place of one that was lost.
    for (let attempt = 0; limits !== null && attempt < 2; attempt++) {
      const verdict = ask(limits, this.#windowIn(limits))
      if (verdict >= ReplayVerdict.fullRefused) this.#store.fullOfReplays(this.#options.name)
      if (verdict !== ReplayVerdict.closed) return verdict
      limits = this.#store.lost(limits)
    }
    return ReplayVerdict.closed
  }

  #windowIn(limits: NativeLimits): number {
    if (limits !== this.#limits) {
      const { name, ttlSeconds, onFailure } = this.#options
      this.#window = limits.replayWindow(name, ttlSeconds, onFailure === 'open')
      this.#limits = limits
    }
    return this.#window
  }

  release(): void {
    this.#limits?.dropReplayWindow(this.#window)
    this.#limits = null
  }
}
