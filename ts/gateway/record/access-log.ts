// The access log: a JSON line a request, when the configuration asks for it. Lines are collected and written by the
// thread pool, one write at a time; a disk or pipe that does not keep up loses lines, which are counted, but never
// holds up a request and never grows memory past `maxPendingChars`. The worker's wiring owns it and is told of losses;
// record calls `write`.
import { close, open, write } from 'node:fs'
import type { AccessLogPlan } from '../../config/plan.ts'
import { masked } from '../../shared/masked-query.ts'

/** What is logged of a request. The caller may use one object again and again. */
export interface AccessEntry {
  /** Unix time of the request's begin, ms. */
  readonly timeMs: number
  readonly requestId: string
  readonly remoteAddress: string
  readonly method: string
  readonly host: string
  /** With or without query; values of query parameters that carry credentials are masked here. */
  readonly path: string
  /** '' where none matched. */
  readonly route: string
  readonly status: number
  /** Code of the error table, or null. */
  readonly code: string | null
  /** Why a guard has refused; ''. */
  readonly reason: string
  /** Name of the consumer; '' where it is not known. */
  readonly consumer: string
  readonly upstream: string
  readonly endpoint: string
  readonly requestBytes: number
  readonly responseBytes: number
  readonly durationMs: number
  /** Of it, spent waiting for the upstream. The rest is the gateway's own overhead. */
  readonly upstreamMs: number
  readonly protocol: string
  readonly userAgent: string
  /** Lower case; further parameters whose values are masked. */
  readonly secretParameters: ReadonlySet<string>
}

export interface AccessLogOptions {
  /** Characters held in memory at most, written or not. */
  readonly maxPendingChars: number
  readonly flushAfterMs: number
  /** After a failed write, how long until the next one is tried. */
  readonly retryAfterMs: number
  /** The same for a pipe whose reader is slow. */
  readonly pipeRetryAfterMs: number
}

/** What the owner is told. */
export interface AccessLogEvents {
  /** So many more lines are lost. */
  lost(lines: number): void
  /** Lines are lost, or will be when memory is full. Once until `recovered`. An error's code, or `too slow`. */
  failing(reason: string): void
  /** All is written, and nothing was lost for a while. `lines`: lost since `failing`. */
  recovered(lines: number): void
}

const unheard: AccessLogEvents = { lost: () => {}, failing: () => {}, recovered: () => {} }

const defaults: AccessLogOptions = {
  maxPendingChars: 4 * 1024 * 1024,
  flushAfterMs: 100,
  retryAfterMs: 500,
  pipeRetryAfterMs: 20,
}
const flushAtChars = 64 * 1024
/** Without a loss for so long a log has recovered: one that hardly keeps up must not say so twice a second. */
const calmMs = 1000
const newline = 0x0a

export class AccessLog {
  readonly #plan: AccessLogPlan
  readonly #options: AccessLogOptions
  readonly #events: AccessLogEvents
  /** Lines not yet handed to a write. */
  #pending = ''
  #pendingLines = 0
  /** What a full pipe has not taken of the last write. */
  #unsent: Buffer | null = null
  #descriptor: number | null = null
  /** open, write or close is under way. */
  #busy = false
  #reopen = false
  #closing: (() => void) | null = null
  #timer: NodeJS.Timeout | null = null
  /** The last write or open failed; the timer is then the pause before the next try. */
  #failing = false
  /** The last write broke off within a line: what comes next must begin a new one. */
  #torn = false
  /** Lines lost since start. */
  dropped = 0
  /** `dropped` when the present trouble began; -1 while there is none. */
  #droppedBefore = -1
  #lastLossMs = 0

  constructor(plan: AccessLogPlan, options: Partial<AccessLogOptions> = {}, events: AccessLogEvents = unheard) {
    this.#plan = plan
    this.#options = { ...defaults, ...options }
    this.#events = events
    if (plan.target === 'stdout') this.#descriptor = 1
    else if (plan.target === 'stderr') this.#descriptor = 2
  }

  /** Whether this request is to be logged; ask before an entry is filled. Server errors always are. */
  wants(status: number): boolean {
    return status >= 500 || this.#plan.sample >= 1 || (this.#plan.sample > 0 && Math.random() < this.#plan.sample)
  }

  write(entry: AccessEntry): void {
    if (this.#pending.length >= this.#options.maxPendingChars || this.#closing) {
      this.#lose(1, 'too slow')
      return
    }
    this.#pending += lineOf(entry)
    this.#pendingLines++
    if (this.#pending.length >= flushAtChars) this.#flush()
    else if (this.#timer === null && !this.#busy) this.#flushLater(this.#options.flushAfterMs)
  }

  /** Log rotation: what comes from now on goes to a newly opened file of the same name. */
  reopen(): void {
    if (this.#plan.target === 'stdout' || this.#plan.target === 'stderr') return
    this.#reopen = true
    this.#flush()
  }

  /** Writes what is left, then closes. Resolves in any case; a target that refuses loses what was left. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#closing = resolve
      this.#flush()
    })
  }

  #flushLater(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#flush()
    }, ms)
    this.#timer.unref()
  }

  /** One step of: close the old file, open, write, again. Each step calls the next when it has ended. */
  #flush(): void {
    // A full buffer must not try again with each request.
    const paused = this.#failing && this.#timer !== null
    if (this.#busy || (paused && !this.#closing && !this.#reopen)) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#reopen) this.#closeFile()
    else if (this.#pendingLines === 0 && this.#unsent === null) this.#finish()
    else if (this.#descriptor === null) this.#openFile()
    else this.#writeOut(this.#descriptor)
  }

  #closeFile(): void {
    this.#reopen = false
    const descriptor = this.#descriptor
    this.#descriptor = null
    this.#failing = false
    if (descriptor === null) return this.#flush()
    this.#busy = true
    close(descriptor, () => {
      this.#busy = false
      this.#flush()
    })
  }

  #openFile(): void {
    this.#busy = true
    open(this.#plan.target, 'a', 0o640, (error, descriptor) => {
      this.#busy = false
      if (error) {
        this.#troubled(error.code ?? error.message)
        return this.#failed(this.#options.retryAfterMs)
      }
      this.#descriptor = descriptor
      this.#flush()
    })
  }

  #writeOut(descriptor: number): void {
    this.#busy = true
    if (this.#unsent) {
      const unsent = this.#unsent
      this.#unsent = null
      return this.#writeFrom(descriptor, unsent, 0)
    }
    const bytes = Buffer.from(this.#torn ? `\n${this.#pending}` : this.#pending, 'utf8')
    this.#pending = ''
    this.#pendingLines = 0
    this.#writeFrom(descriptor, bytes, 0)
  }

  #writeFrom(descriptor: number, bytes: Buffer, offset: number): void {
    write(descriptor, bytes, offset, bytes.length - offset, null, (error, written) => {
      const end = offset + (error ? 0 : written)
      if (!error && end < bytes.length && written > 0) return this.#writeFrom(descriptor, bytes, end)
      this.#busy = false
      if (!error && end === bytes.length) {
        this.#torn = false
        this.#failing = false
        this.#wrote()
        return this.#flush()
      }
      // A full pipe takes the rest later; from a full disk the lines are given up, or memory would fill instead.
      const again = error?.code === 'EAGAIN'
      if (again) this.#unsent = bytes.subarray(end)
      else {
        if (end > 0) this.#torn = bytes[end - 1] !== newline
        const lines = linesIn(bytes.subarray(end)) - (end === 0 && bytes[0] === newline ? 1 : 0)
        this.#lose(lines, error?.code ?? 'nothing written')
      }
      this.#failed(again ? this.#options.pipeRetryAfterMs : this.#options.retryAfterMs)
    })
  }

  #lose(lines: number, reason: string): void {
    if (lines === 0) return
    this.#troubled(reason)
    this.dropped += lines
    this.#lastLossMs = performance.now()
    this.#events.lost(lines)
  }

  #troubled(reason: string): void {
    if (this.#droppedBefore >= 0) return
    this.#droppedBefore = this.dropped
    this.#events.failing(reason)
  }

  #wrote(): void {
    if (this.#droppedBefore < 0 || this.#pendingLines > 0 || performance.now() - this.#lastLossMs < calmMs) return
    this.#events.recovered(this.dropped - this.#droppedBefore)
    this.#droppedBefore = -1
  }

  #failed(retryAfterMs: number): void {
    this.#failing = true
    if (this.#closing) {
      this.#lose(this.#pendingLines + (this.#unsent ? linesIn(this.#unsent) : 0), 'too slow')
      this.#pending = ''
      this.#pendingLines = 0
      this.#unsent = null
      this.#finish()
    } else if (this.#pendingLines > 0 || this.#unsent) {
      this.#flushLater(retryAfterMs)
    }
  }

  #finish(): void {
    if (this.#closing === null) return
    const done = this.#closing
    const descriptor = this.#descriptor
    if (descriptor === null || descriptor <= 2) return done()
    this.#descriptor = null
    close(descriptor, () => done())
  }
}

function linesIn(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) lines++
  return lines
}

function lineOf(entry: AccessEntry): string {
  const { durationMs, upstreamMs } = entry
  return (
    `{"time":"${new Date(entry.timeMs).toISOString()}","requestId":${JSON.stringify(entry.requestId)}` +
    `,"remoteAddress":${JSON.stringify(entry.remoteAddress)},"method":${JSON.stringify(entry.method)}` +
    `,"host":${JSON.stringify(entry.host)},"path":${JSON.stringify(masked(entry.path, entry.secretParameters))}` +
    `,"route":${JSON.stringify(entry.route)},"status":${entry.status},"code":${JSON.stringify(entry.code)}` +
    `,"reason":${JSON.stringify(entry.reason)},"consumer":${JSON.stringify(entry.consumer)}` +
    `,"upstream":${JSON.stringify(entry.upstream)},"endpoint":${JSON.stringify(entry.endpoint)}` +
    `,"requestBytes":${entry.requestBytes},"responseBytes":${entry.responseBytes}` +
    `,"durationMs":${round(durationMs)},"upstreamMs":${round(upstreamMs)}` +
    `,"overheadMs":${round(Math.max(0, durationMs - upstreamMs))}` +
    `,"protocol":${JSON.stringify(entry.protocol)},"userAgent":${JSON.stringify(entry.userAgent)}}\n`
  )
}

/** Microseconds are enough, and NaN is no JSON. */
const round = (ms: number): number => (Number.isFinite(ms) ? Math.round(ms * 1000) / 1000 : 0)
