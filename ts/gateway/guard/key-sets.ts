// The worker's keys of issuers, by the URL that control fetches them from. Control says what they are, and again when
// they change; a request with a token of a key that is not there asks control to look again, which it may do once in a
// while only: strangers make up ids of keys. One a worker. Fetches nothing itself.
import type { JwtKeyPlan } from '../../config/jwt-keys.ts'
import type { SecretPlan } from '../../config/plan.ts'
import type { Log } from '../../shared/log.ts'
import type { NativeTokens } from '../../shared/native-jwt.ts'

/** Control is asked for a URL at most once in so long. */
const askAgainMs = 5000
/** Requests wait at most so long, and so many of them. */
const answerMs = 3000
const maxWaiting = 1000

/** A secret that could not be had (of a plan from disk) verifies nothing. */
export function keysJson(keys: readonly JwtKeyPlan[], mostWithoutId: number, secrets: readonly SecretPlan[]): string {
  const whole = keys.map(key => ({ ...key, secret: key.secret === null ? null : (secrets[key.secret]?.value ?? '') }))
  return JSON.stringify({ keys: whole.filter(({ secret }) => secret !== ''), mostWithoutId })
}

/** The keys of one URL. */
export class KeySource {
  readonly #url: string
  readonly #tokens: NativeTokens
  readonly #want: (url: string) => void
  readonly #waiting: (() => void)[] = []
  #askedMs = -Infinity
  #deadline: NodeJS.Timeout | null = null
  /** The addon's number of the set; it changes with the keys. */
  number: number

  constructor(url: string, tokens: NativeTokens, want: (url: string) => void) {
    this.#url = url
    this.#tokens = tokens
    this.#want = want
    this.number = tokens.jwtKeys(keysJson([], 1, []))
  }

  /** `then` is called when control has looked, or has not answered in time. False: it has looked just now. */
  refresh(then: () => void): boolean {
    if (this.#deadline === null) {
      const nowMs = performance.now()
      if (nowMs - this.#askedMs < askAgainMs) return false
      this.#askedMs = nowMs
      this.#deadline = setTimeout(() => this.#answered(), answerMs)
      this.#want(this.#url)
    } else if (this.#waiting.length >= maxWaiting) return false
    this.#waiting.push(then)
    return true
  }

  /** Throws what is wrong with them; then it is as it was. */
  replace(keys: readonly JwtKeyPlan[]): void {
    const number = this.#tokens.jwtKeys(keysJson(keys, 1, []))
    this.#tokens.dropJwtKeys(this.number)
    this.number = number
  }

  /** Control has looked. */
  looked(): void {
    if (this.#deadline !== null) this.#answered()
  }

  #answered(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    this.#deadline = null
    for (const then of this.#waiting.splice(0)) then()
  }
}

export class KeySets {
  readonly #sources = new Map<string, KeySource>()
  readonly #tokens: NativeTokens
  readonly #want: (url: string) => void
  readonly #log: Log

  constructor(tokens: NativeTokens, want: (url: string) => void, log: Log) {
    this.#tokens = tokens
    this.#want = want
    this.#log = log
  }

  /** The same object for one URL, as long as the worker lives: plans come and go. */
  of(url: string): KeySource {
    let source = this.#sources.get(url)
    if (source === undefined) this.#sources.set(url, (source = new KeySource(url, this.#tokens, this.#want)))
    return source
  }

  /** From control. `keys` null: they are as before. */
  receive(url: string, keys: readonly JwtKeyPlan[] | null): void {
    const source = this.of(url)
    try {
      if (keys !== null) source.replace(keys)
    } catch (error) {
      this.#log.error('keys cannot be used; those before stay', { url, reason: (error as Error).message })
    }
    source.looked()
  }
}
