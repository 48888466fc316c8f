// One worker as control sees it: a forked process, its state, and the questions put to it. The supervisor decides when
// to start, ask and end one; nothing here restarts anything.
//
//   starting ──hello──> idle ──prepare, commit──> ready ──drain──> draining ──> dead
//       └──────────────────┴─────────────────────────┴── exit, kill ───────────┘
import { fork, type ChildProcess } from 'node:child_process'
import type { JwtKeyPlan } from '../config/jwt-keys.ts'
import type { Plan } from '../config/plan.ts'
import type { MetricsDelta } from '../gateway/record/metrics.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { vitalsOf } from './vitals.ts'

export type WorkerState = 'starting' | 'idle' | 'ready' | 'draining' | 'dead'

/** Why a worker ended; label of `polygate_worker_restarts_total`. */
export const endReasons = ['exit', 'signal', 'exception', 'heartbeat', 'refused', 'timeout', 'recycled'] as const
export type EndReason = (typeof endReasons)[number]

export interface WorkerEnd {
  readonly reason: EndReason
  /** For people: `SIGSEGV`, `code 70`. */
  readonly text: string
}

export interface WorkerProcessOptions {
  /** The file to fork. */
  readonly entry: string
  /** Number of the worker, from 1; names it in logs and metrics, and goes over to its successor. */
  readonly number: number
  /** Goes to uWebSockets.js by environment: it reads its limit when it is loaded. */
  readonly maxHeadBytes: number
  readonly onBeat: (metrics: MetricsDelta) => void
  /** It has met a token of a key that the set of this URL does not have. */
  readonly onKeySetWanted: (url: string) => void
}

/** A descriptor that leaked into a process of a plugin's could keep the pipe open for ever. */
const closeWithinMs = 200
/** A loop is told from a busy machine by the processor time it has burnt since its second missed beat. */
const loopCpuSeconds = 0.1
const beatsMissedAtMost = 5
/** Where the process wants to run and is not let, it gets this many beats' time before it is given up all the same. */
const beatsStarvedAtMost = 100

interface Question {
  readonly transaction: number
  readonly answer: 'hello' | 'prepared' | 'committed'
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** A worker said no, died or did not answer; the message is for the operator. */
export class WorkerFailure extends Error {
  override name = 'WorkerFailure'
}

export class WorkerProcess {
  readonly number: number
  readonly pid: number
  readonly maxHeadBytes: number
  readonly startedAtMs = Date.now()
  readyAtMs = 0
  state: WorkerState = 'starting'
  /** Version of the plan that it serves. */
  version = ''
  frontEnd = ''
  /** It did not answer in time: it may serve, but cannot be asked anything any more. */
  stuck = false
  readonly ended: Promise<WorkerEnd>
  readonly #child: ChildProcess
  readonly #onBeat: (metrics: MetricsDelta) => void
  readonly #onKeySetWanted: (url: string) => void
  #question: Question | null = null
  #killedFor: EndReason | null = null
  #lastWords = ''
  #missed = 0
  #cpuWhenMissed = 0

  constructor(options: WorkerProcessOptions) {
    this.number = options.number
    this.maxHeadBytes = options.maxHeadBytes
    this.#onBeat = options.onBeat
    this.#onKeySetWanted = options.onKeySetWanted
    this.#child = fork(options.entry, [], {
      // A debugger's port can be held by one process only. The loader (tsx) stays, where control runs from source.
      execArgv: process.execArgv.filter(option => !option.startsWith('--inspect')),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {
        ...process.env,
        UWS_HTTP_MAX_HEADERS_SIZE: String(options.maxHeadBytes),
        POLYGATE_WORKER: String(options.number),
        POLYGATE_CONTROL: String(process.pid),
      },
    })
    this.pid = this.#child.pid ?? 0
    this.#child.on('message', message => this.#receive(message as FromWorker))
    this.ended = new Promise(resolve => {
      const end = (code: number | null, signal: string | null): void => {
        if (this.state === 'dead') return
        this.state = 'dead'
        const text = signal ?? `code ${code}`
        this.#question?.reject(new WorkerFailure(this.#lastWords || `ended with ${text}`))
        this.#question = null
        const reason = this.#killedFor ?? (signal ? 'signal' : code === 70 ? 'exception' : 'exit')
        resolve({ reason, text })
      }
      // What the process had sent before it died is still in the pipe at `exit`; `close` comes after the pipe's end.
      this.#child.on('close', end)
      this.#child.on('exit', (code, signal) => void setTimeout(end, closeWithinMs, code, signal).unref())
      // Emitted for failed kills and sends as well: those are followed by an exit of their own.
      this.#child.on('error', error => {
        if (this.#child.pid === undefined) {
          this.#lastWords = `cannot be started: ${error.message}`
          end(null, null)
        }
      })
    })
  }

  /** Resolves when the process waits for a plan. */
  hello(timeoutMs: number): Promise<void> {
    return this.state === 'starting' || this.state === 'dead'
      ? this.#ask('hello', 0, null, timeoutMs)
      : Promise.resolve()
  }

  prepare(transaction: number, plan: Plan, timeoutMs: number): Promise<void> {
    return this.#ask('prepared', transaction, { kind: 'prepare', transaction, plan }, timeoutMs)
  }

  async commit(transaction: number, version: string, timeoutMs: number): Promise<void> {
    await this.#ask('committed', transaction, { kind: 'commit', transaction, version }, timeoutMs)
    this.version = version
  }

  /** Not before its hello. null: they are as they were. */
  tellKeySet(url: string, keys: readonly JwtKeyPlan[] | null): void {
    if (this.state !== 'starting' && this.state !== 'dead') this.#send({ kind: 'keySet', url, keys })
  }

  /** Also ends a prepare that has not been answered. */
  abort(transaction: number, version: string): void {
    if (this.#question?.transaction === transaction) {
      this.#question.reject(new WorkerFailure('aborted'))
      this.#question = null
    }
    this.#send({ kind: 'abort', transaction, version })
  }

  drain(deadlineMs: number): void {
    if (this.state === 'dead' || this.state === 'draining') return
    this.state = 'draining'
    this.#send({ kind: 'drain', deadlineMs })
  }

  kill(reason: EndReason): void {
    this.#killedFor ??= reason
    this.#child.kill('SIGKILL')
  }

  /** Once each `heartbeatMs`. Counts ticks and not time, so that control's own stall is not held against workers. */
  tick(): void {
    if (this.state === 'starting' || this.state === 'dead' || this.#question) return
    this.#missed++
    if (this.#missed === 2) this.#cpuWhenMissed = vitalsOf(this.pid)?.cpuSeconds ?? 0
    if (this.#missed < beatsMissedAtMost) return
    const vitals = vitalsOf(this.pid)
    const starved = vitals?.state === 'R' && vitals.cpuSeconds - this.#cpuWhenMissed < loopCpuSeconds
    if (!starved || this.#missed > beatsStarvedAtMost) this.kill('heartbeat')
  }

  #ask(answer: Question['answer'], transaction: number, message: ToWorker | null, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.state === 'dead') return reject(new WorkerFailure(this.#lastWords || 'has ended'))
      const timer = setTimeout(() => {
        this.#question = null
        this.stuck = true
        reject(new WorkerFailure(`did not answer within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#question = {
        transaction,
        answer,
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
        reject: error => {
          clearTimeout(timer)
          reject(error)
        },
      }
      if (message) this.#send(message)
    })
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case 'hello':
        this.state = 'idle'
        this.frontEnd = message.frontEnd
        return this.#answered('hello', 0)
      case 'prepared':
      case 'committed':
        return this.#answered(message.kind, message.transaction)
      case 'refused':
        if (message.transaction === 0) this.#lastWords = message.reason
        if (this.#question?.transaction !== message.transaction) return
        this.#question.reject(new WorkerFailure(message.reason))
        this.#question = null
        return
      case 'beat':
        this.#missed = 0
        if (message.metrics) this.#onBeat(message.metrics)
        return
      case 'keySetWanted':
        return this.#onKeySetWanted(message.url)
      case 'drained':
        return
    }
  }

  #answered(answer: Question['answer'], transaction: number): void {
    const question = this.#question
    if (question?.answer !== answer || question.transaction !== transaction) return
    this.#question = null
    this.#missed = 0
    question.resolve()
  }

  #send(message: ToWorker): void {
    // A worker that has just died is told of by its exit; the failed send adds nothing.
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}
