// Passwords of a worker: one verifier for all plans, so that a reload forgets nothing that it knows, and the requests that
// wait for a hash. The guard basic.ts asks it; the worker's wiring makes one.
import { randomBytes } from 'node:crypto'
import { native } from '../../shared/native.ts'
import { PasswordCheck, type NativePasswords, type PasswordAccount } from '../../shared/native-passwords.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Verdict, type Exchange } from '../exchange.ts'

/** What a guard says of the outcome: the number of a hash, or a PasswordCheck. */
export type Conclude = (exchange: Exchange, outcome: number) => Verdict

/** See GuardOptions. */
export type Settle = (exchange: Exchange, tag: number, conclude: (exchange: Exchange) => Verdict) => void

interface Waiting {
  readonly exchange: Exchange
  readonly conclude: Conclude
}

export class Passwords {
  readonly #heads: RequestHeads
  readonly #settle: Settle
  /** Made for the first plan that has a basic guard. */
  #open: NativePasswords | null = null
  /** By tag. Each comes back once, also that of a request which has ended since. */
  readonly #waiting = new Map<number, Waiting>()

  constructor(heads: RequestHeads, settle: Settle) {
    this.#heads = heads
    this.#settle = settle
  }

  /** A number for `check`, valid until `drop`. */
  know(accounts: readonly PasswordAccount[]): number {
    this.#open ??= new (native().Passwords)(this.#heads.id, randomBytes(32), count => this.#told(count))
    return this.#open.accounts(accounts)
  }

  drop(accounts: number): void {
    this.#open?.dropAccounts(accounts)
  }

  /** Of the request's Authorization header. `conclude` says what comes of it: now, or later. */
  check(accounts: number, exchange: Exchange, conclude: Conclude): Verdict {
    const { slot, tag } = exchange
    const outcome = this.#open!.check(accounts, slot, tag)
    if (outcome !== PasswordCheck.later) return conclude(exchange, outcome)
    this.#waiting.set(tag, { exchange, conclude })
    return Verdict.later
  }

  #told(count: number): void {
    // A copy: those who are told may ask about others, and the next batch lies in the same place.
    const results = this.#open!.results.slice(0, count * 2)
    for (let at = 0; at < results.length; at += 2) {
      const [tag, outcome] = [results[at]!, results[at + 1]!]
      const waiting = this.#waiting.get(tag)
      if (waiting === undefined) continue
      this.#waiting.delete(tag)
      this.#settle(waiting.exchange, tag, exchange => waiting.conclude(exchange, outcome))
    }
  }
}
