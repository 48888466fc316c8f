// The keys of issuers (JWKS), fetched for all workers: before they grow old, and at once when a worker meets a token of a
// key that it does not know. What was had once is used until there is better: an issuer that is away, or answers
// something else, changes nothing, not even over a restart. Public keys only. Knows no token.
import { checksOf } from '../config/checks.ts'
import { readJwks, type JwtKeyPlan } from '../config/jwt-keys.ts'
import type { Plan } from '../config/plan.ts'
import type { Log } from '../shared/log.ts'
import { fetchText } from './fetch-text.ts'
import { readKeySets, saveKeySets, type SavedKeySet } from './saved-key-sets.ts'

export interface KeySetBounds {
  /** A set counts as fresh for at least and at most so long, whatever its issuer says; and for so long if it says nothing. */
  readonly minFreshSeconds: number
  readonly maxFreshSeconds: number
  readonly freshSeconds: number
  /** Between two fetches that tokens of unknown keys have asked for: strangers can make up ids of keys. */
  readonly askedAgainMs: number
  readonly timeoutMs: number
  readonly maxBytes: number
}

export const keySetBounds: KeySetBounds = {
  minFreshSeconds: 60,
  maxFreshSeconds: 86_400,
  freshSeconds: 600,
  askedAgainMs: 5000,
  timeoutMs: 5000,
  maxBytes: 1024 * 1024,
}

const longestPauseSeconds = 60

export interface KeySetsOptions {
  readonly log: Log
  /** Where sets are kept for the next start. */
  readonly file: string
  /** A set is there, or is another than before. */
  readonly onChange: (url: string, keys: readonly JwtKeyPlan[]) => void
  readonly bounds?: Partial<KeySetBounds>
}

interface KnownSet {
  /** null: never had. */
  keys: readonly JwtKeyPlan[] | null
  /** Unix time of the last fetch that brought keys. */
  fetchedAtMs: number
  timer: NodeJS.Timeout | null
  running: Promise<void> | null
  /** `performance.now()` of the last fetch that a worker has asked for. */
  askedMs: number
  failuresInARow: number
  readonly fetches: { ok: number; failed: number }
}

/** For metrics. */
export interface KeySetRow {
  readonly url: string
  readonly keys: number
  /** Since the last fetch that brought keys; NaN: never. */
  readonly ageSeconds: number
  readonly ok: number
  readonly failed: number
}

export class KeySets {
  readonly #options: KeySetsOptions
  readonly #bounds: KeySetBounds
  readonly #known = new Map<string, KnownSet>()
  #saved: Map<string, SavedKeySet> | null = null

  constructor(options: KeySetsOptions) {
    this.#options = options
    this.#bounds = { ...keySetBounds, ...options.bounds }
  }

  /** Fetches the sets of the plan that are new. Resolves when each was had, from its issuer or from the last run, or `waitMs` are over. */
  async learn(plan: Plan, waitMs: number): Promise<void> {
    const fetches: Promise<void>[] = []
    for (const url of urlsOf(plan)) {
      if (this.#known.has(url)) continue
      const known = this.#begin(url)
      const fetch = this.#refresh(url, known)
      if (known.keys === null) fetches.push(fetch)
    }
    if (fetches.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>(resolve => (timer = setTimeout(resolve, waitMs)))
    await Promise.race([Promise.all(fetches), timeout])
    clearTimeout(timer)
    for (const [url, { keys }] of this.#known) {
      if (keys === null) this.#options.log.warn('no keys yet: tokens of this issuer get 503', { url })
    }
  }

  /** Sets that the plan does not name are not fetched any more. Call when the plan is in force. */
  keepOnly(plan: Plan): void {
    const wanted = urlsOf(plan)
    for (const [url, { timer }] of this.#known) {
      if (wanted.has(url)) continue
      if (timer) clearTimeout(timer)
      this.#known.delete(url)
    }
  }

  /** For a worker that has just started. */
  *known(): Iterable<[url: string, keys: readonly JwtKeyPlan[]]> {
    for (const [url, { keys }] of this.#known) if (keys !== null) yield [url, keys]
  }

  /** A worker has met a token of an unknown key. Resolves when what is known is as new as it may be. */
  async look(url: string): Promise<void> {
    const known = this.#known.get(url)
    if (known === undefined) return
    if (known.running === null) {
      const nowMs = performance.now()
      if (nowMs - known.askedMs < this.#bounds.askedAgainMs) return
      known.askedMs = nowMs
    }
    await this.#refresh(url, known)
  }

  rows(): KeySetRow[] {
    return [...this.#known].map(([url, { keys, fetchedAtMs, fetches }]) => ({
      url,
      keys: keys?.length ?? 0,
      ageSeconds: keys === null ? NaN : Math.max(0, (Date.now() - fetchedAtMs) / 1000),
      ...fetches,
    }))
  }

  close(): void {
    for (const { timer } of this.#known.values()) if (timer) clearTimeout(timer)
    this.#known.clear()
  }

  #begin(url: string): KnownSet {
    const { log, file, onChange } = this.#options
    this.#saved ??= readKeySets(file, log)
    const saved = this.#saved.get(url)
    const known: KnownSet = {
      keys: saved?.keys ?? null,
      fetchedAtMs: saved?.fetchedAtMs ?? 0,
      timer: null,
      running: null,
      askedMs: -Infinity,
      failuresInARow: 0,
      fetches: { ok: 0, failed: 0 },
    }
    this.#known.set(url, known)
    if (known.keys !== null) onChange(url, known.keys)
    return known
  }

  #refresh(url: string, known: KnownSet): Promise<void> {
    known.running ??= this.#fetch(url, known).finally(() => (known.running = null))
    return known.running
  }

  async #fetch(url: string, known: KnownSet): Promise<void> {
    if (known.timer) clearTimeout(known.timer)
    known.timer = null
    const { minFreshSeconds, maxFreshSeconds, freshSeconds } = this.#bounds
    let nextSeconds: number
    try {
      const answer = await fetchText(url, this.#bounds)
      const read = readJwks(answer.text)
      if (read.keys.length === 0)
        throw new Error(`no key that can be used${read.ignored.map(one => `; ${one}`).join('')}`)
      if (this.#known.get(url) !== known) return
      const said = answer.freshSeconds ?? freshSeconds
      nextSeconds = 0.9 * Math.min(Math.max(said, minFreshSeconds), maxFreshSeconds)
      this.#had(url, known, read.keys, read.ignored)
    } catch (error) {
      if (this.#known.get(url) !== known) return
      known.fetches.failed++
      nextSeconds = Math.min(2 ** Math.min(known.failuresInARow, 6), longestPauseSeconds)
      if (known.failuresInARow++ === 0) {
        const kept = known.keys === null ? 'none' : `${known.keys.length} keys`
        this.#options.log.warn('cannot fetch keys', { url, reason: reasonOf(error), kept })
      }
    }
    known.timer = setTimeout(() => void this.#refresh(url, known), nextSeconds * 1000)
    known.timer.unref()
  }

  #had(url: string, known: KnownSet, keys: readonly JwtKeyPlan[], ignored: readonly string[]): void {
    const { log, onChange } = this.#options
    known.fetches.ok++
    known.fetchedAtMs = Date.now()
    if (known.failuresInARow > 0) log.info('keys are fetched again', { url })
    known.failuresInARow = 0
    const isSame = JSON.stringify(keys) === JSON.stringify(known.keys)
    known.keys = keys
    if (!isSame) {
      for (const reason of ignored) log.warn('a key is ignored', { url, reason })
      log.info('keys', { url, ids: keys.map(({ id }) => id ?? '-').join() })
      onChange(url, keys)
    }
    this.#save()
  }

  #save(): void {
    const { file, log } = this.#options
    const sets = [...this.#known].flatMap(([url, { keys, fetchedAtMs }]) =>
      keys === null ? [] : [{ url, keys, fetchedAtMs }],
    )
    try {
      saveKeySets(file, sets)
    } catch (error) {
      log.warn('cannot keep keys for the next start', { file, reason: reasonOf(error) })
    }
  }
}

function urlsOf(plan: Plan): Set<string> {
  const checks = plan.routes.flatMap(({ guards }) => checksOf(guards))
  return new Set(checks.flatMap(check => (check.kind === 'jwt' && check.jwks !== null ? [check.jwks] : [])))
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node's error for several addresses that all refused says nothing itself.
  const { code } = error as NodeJS.ErrnoException
  return error.message || code || error.name
}
