// The worker's hold on the limits file: opened when a plan first needs it, asked for again once a second while it cannot
// be had. A worker without it serves on; what then becomes of limited requests is limit.ts's business. One a worker.
import type { LimitGuardPlan } from '../../config/plan.ts'
import type { Log } from '../../shared/log.ts'
import { native } from '../../shared/native.ts'
import { LimitVerdict, type NativeLimits } from '../../shared/native-limits.ts'

/** Keys that are counted at once, over all rules (14 MiB), and values for replay windows. All workers must say the same. */
const keyCount = 100_000
const replayCount = 65_536
const tryAgainMs = 1000
/** A full file is said once in so long. */
const fullAgainMs = 60_000

export class LimitStore {
  readonly #log: Log
  #file: string | null = null
  #open: NativeLimits | null = null
  #triedMs = -Infinity
  #failing = false
  #fullMs = -Infinity

  constructor(log: Log) {
    this.#log = log
  }

  /** The file of a plan that is being prepared. */
  use(file: string | null): void {
    if (file === null || file === this.#file) return
    this.#open?.close()
    this.#open = null
    this.#file = file
    this.#triedMs = -Infinity
    this.current()
  }

  /** The open file, or null while it cannot be had. */
  current(): NativeLimits | null {
    if (this.#open !== null || this.#file === null) return this.#open
    const nowMs = performance.now()
    if (nowMs - this.#triedMs < tryAgainMs) return null
    this.#triedMs = nowMs
    const file = this.#file
    try {
      this.#open = new (native().Limits)(file, keyCount, replayCount)
    } catch (error) {
      if (!this.#failing) this.#log.error('limits cannot be counted', { file, reason: (error as Error).message })
      this.#failing = true
      return null
    }
    const { opened } = this.#open
    if (opened.startsWith('rebuilt')) this.#log.warn('the limits file was damaged: counts begin anew', { file, opened })
    if (this.#failing) this.#log.info('limits are counted again', { file })
    this.#failing = false
    return this.#open
  }

  /** Has no room for a key. */
  full(rule: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#fullMs < fullAgainMs) return
    this.#fullMs = nowMs
    this.#log.error('the limits file is full of keys that have used up their limits', { rule })
  }
}

/** A rule of the running plan; its number in the file's object is made when it is first needed. */
export class LimitRule {
  readonly plan: LimitGuardPlan
  readonly #store: LimitStore
  #limits: NativeLimits | null = null
  #number = -1
  /** The value of RateLimit-Policy; '' before the first decision. */
  policy = ''

  constructor(plan: LimitGuardPlan, store: LimitStore) {
    this.plan = plan
    this.#store = store
  }

  /** Made at once where that is possible, so that a rule which cannot be refuses the plan. */
  prepare(): void {
    const limits = this.#store.current()
    if (limits === null || limits === this.#limits) return
    this.#number = limits.rule(this.plan.rule, this.plan.windows, this.plan.onFailure === 'open')
    this.policy = limits.policy(this.#number)
    this.#limits = limits
  }

  /** The numbers of the last decision. */
  get decision(): Float64Array {
    return this.#limits!.decision
  }

  /** A LimitVerdict, or null where nothing can be counted. */
  decide(key: string): number | null {
    if (this.#limits === null) this.prepare()
    if (this.#limits === null) return null
    const verdict = this.#limits.decide(this.#number, key)
    if (verdict === LimitVerdict.fullRefused || verdict === LimitVerdict.fullAdmitted) this.#store.full(this.plan.rule)
    if (verdict >= 0) return verdict
    // The store has another file by now.
    this.#limits = null
    return null
  }

  release(): void {
    this.#limits?.dropRule(this.#number)
    this.#limits = null
  }
}
