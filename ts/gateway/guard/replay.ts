// What signature guards remember in the limits file, which all workers share: requests that were accepted, and the
// address that a signature belongs to. Called by signature.ts. Where nothing can be remembered it says so; what becomes
// of the request then is the guard's business.
import type { SignatureGuardPlan } from '../../config/plan.ts'
import { ReplayVerdict, type NativeLimits } from '../../shared/native-limits.ts'
import type { LimitStore } from './limit-store.ts'

export class ReplayMemory {
  readonly #plan: SignatureGuardPlan
  readonly #store: LimitStore
  readonly #name: string
  #limits: NativeLimits | null = null
  #window = -1

  constructor(plan: SignatureGuardPlan, store: LimitStore) {
    this.#plan = plan
    this.#store = store
    // Not the route's: what one has accepted another must not accept again.
    this.#name = `signature:${plan.verifier.scheme}:${plan.remember}`
    const limits = store.current()
    // At once, so that a window which cannot be refuses the plan.
    if (limits !== null) this.#windowIn(limits)
  }

  /** Whether a request with this value was accepted already. Remembers nothing. */
  seen(value: Uint8Array): boolean {
    return this.#ask((limits, window) => limits.replaySeen(window, value)) === ReplayVerdict.seen
  }

  /** A ReplayVerdict; `closed` where nothing can be remembered. */
  record(value: Uint8Array): number {
    return this.#ask((limits, window) => limits.replay(window, value))
  }

  /** As `record`: `seen` where another owner was first. */
  claim(value: Uint8Array, owner: string): number {
    return this.#ask((limits, window) => limits.replayClaim(window, value, owner))
  }

  #ask(ask: (limits: NativeLimits, window: number) => number): number {
    let limits = this.#store.open ?? this.#store.current()
    for (let attempt = 0; limits !== null && attempt < 2; attempt++) {
      const verdict = ask(limits, this.#windowIn(limits))
      if (verdict === ReplayVerdict.fullRefused || verdict === ReplayVerdict.fullAdmitted) this.#store.full(this.#name)
      if (verdict !== ReplayVerdict.closed) return verdict
      limits = this.#store.lost(limits)
    }
    return ReplayVerdict.closed
  }

  #windowIn(limits: NativeLimits): number {
    if (limits !== this.#limits) {
      const { rememberSeconds, onFailure } = this.#plan
      this.#window = limits.replayWindow(this.#name, rememberSeconds, onFailure === 'open')
      this.#limits = limits
    }
    return this.#window
  }

  release(): void {
    this.#limits?.dropReplayWindow(this.#window)
    this.#limits = null
  }
}
