// What guards ask of the limits file, each by a number that the open file has given it: rules, concurrency limits. A file
// that is opened anew gives new numbers, so each is made when it is first asked for. Called by limit.ts.
import type { LimitWindow, NativeLimits } from '../../shared/native-limits.ts'

export interface LimitRuleOptions {
  readonly rule: string
  readonly windows: readonly LimitWindow[]
  readonly onFailure: 'closed' | 'open'
}

/** Rates and quotas that are decided together. */
export class LimitRule {
  readonly name: string
  readonly isOpen: boolean
  /** Of each window, whether it is a rate. */
  readonly isRate: readonly boolean[]
  /** What an admission counts as. */
  readonly isRateFirst: boolean
  readonly #windows: readonly LimitWindow[]
  #limits: NativeLimits | null = null
  #number = -1
  /** The value of RateLimit-Policy, and what RateLimit calls each window; there once it has a number. */
  policy = ''
  windowNames: readonly string[] = []

  constructor({ rule, windows, onFailure }: LimitRuleOptions, isRateFirst = windows[0]?.kind === 'rate') {
    this.name = rule
    this.isOpen = onFailure === 'open'
    this.isRate = windows.map(({ kind }) => kind === 'rate')
    this.isRateFirst = isRateFirst
    this.#windows = windows
  }

  /** Throws where it cannot be. */
  numberIn(limits: NativeLimits): number {
    return limits === this.#limits ? this.#number : this.#prepare(limits)
  }

  #prepare(limits: NativeLimits): number {
    this.#number = this.made(limits)
    this.policy = limits.policy(this.#number)
    this.windowNames = limits.windowNames(this.#number).split('\n')
    this.#limits = limits
    return this.#number
  }

  protected made(limits: NativeLimits): number {
    return limits.rule(this.name, this.#windows, this.isOpen)
  }

  release(): void {
    this.#limits?.dropRule(this.#number)
    this.#limits = null
  }
}

/** A rule for those keys that have limits of their own of one kind: it counts the other kind where the whole rule does. */
export class PartialRule extends LimitRule {
  readonly #whole: LimitRule
  readonly #without: 'rates' | 'quotas'

  constructor(options: LimitRuleOptions, whole: LimitRule, without: 'rates' | 'quotas') {
    super(options, without === 'quotas')
    this.#whole = whole
    this.#without = without
  }

  protected override made(limits: NativeLimits): number {
    return limits.ruleWithout(this.#whole.numberIn(limits), this.#without === 'rates', this.#without === 'quotas')
  }
}

/** A limit on requests under way at once. */
export class PlaceRule {
  readonly name: string
  readonly isOpen: boolean
  readonly #limit: number
  #limits: NativeLimits | null = null
  #number = -1

  constructor(name: string, limit: number, onFailure: 'closed' | 'open') {
    this.name = name
    this.isOpen = onFailure === 'open'
    this.#limit = limit
  }

  numberIn(limits: NativeLimits): number {
    if (limits !== this.#limits) {
      this.#number = limits.concurrency(this.name, this.#limit, this.isOpen)
      this.#limits = limits
    }
    return this.#number
  }

  release(): void {
    this.#limits?.dropConcurrency(this.#number)
    this.#limits = null
  }
}
