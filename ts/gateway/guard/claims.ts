// What one request claims of the limits file: some rules, each with a key. All are asked for in one crossing; one list is
// used again and again, as a request is decided before the next one comes. Called by limit.ts.
import {
  decisionNumbers,
  LimitDecision,
  LimitVerdict,
  mostClaims,
  type NativeLimits,
} from '../../shared/native-limits.ts'
import type { LimitRule } from './limit-rules.ts'
import type { LimitStore } from './limit-store.ts'

export class Claims {
  readonly #store: LimitStore
  readonly rules: LimitRule[] = []
  readonly keys: string[] = []
  readonly #spread: (number | string)[] = []
  count = 0
  /** Where the last one was decided. */
  limits: NativeLimits | null = null

  constructor(store: LimitStore) {
    this.#store = store
  }

  add(rule: LimitRule, key: string): void {
    // A configuration has no more than so many.
    if (this.count === mostClaims) return
    this.rules[this.count] = rule
    this.keys[this.count] = key
    this.count++
  }

  /** Where they cannot be counted, the request may go on. */
  get isOpen(): boolean {
    for (let claim = 0; claim < this.count; claim++) if (!this.rules[claim]!.isOpen) return false
    return true
  }

  /** One of the LimitDecision numbers of a claim. */
  number(claim: number, what: number): number {
    return this.limits!.decision[claim * decisionNumbers + what]!
  }

  verdict(claim: number): number {
    return this.number(claim, LimitDecision.verdict)
  }

  /** Takes one cell of each, or of none: the claim that refuses, LimitVerdict.noneRefuses, or .closed: nothing is counted. */
  decide(): number {
    if (this.count === 0) return LimitVerdict.noneRefuses
    let limits = this.#store.open ?? this.#store.current()
    // Once more with the file that is there in the place of one that was lost.
    for (let attempt = 0; limits !== null && attempt < 2; attempt++) {
      const refusing = this.#ask(limits)
      if (refusing !== LimitVerdict.closed) {
        this.limits = limits
        return refusing
      }
      limits = this.#store.lost(limits)
    }
    return LimitVerdict.closed
  }

  #ask(limits: NativeLimits): number {
    const { rules, keys, count } = this
    const first = rules[0]!.numberIn(limits)
    if (count === 1) {
      const verdict = limits.decide(first, keys[0]!)
      if (verdict === LimitVerdict.closed) return verdict
      return verdict === LimitVerdict.refused || verdict === LimitVerdict.fullRefused ? 0 : LimitVerdict.noneRefuses
    }
    if (count === 2) return limits.decideAll(2, first, keys[0]!, rules[1]!.numberIn(limits), keys[1]!)
    const spread = this.#spread
    spread.length = 0
    for (let claim = 0; claim < count; claim++) spread.push(rules[claim]!.numberIn(limits), keys[claim]!)
    return limits.decideAll(count, ...spread)
  }
}
