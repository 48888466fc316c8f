// Runtime `js`, isolation `worker`: the plugin runs in a thread that piscina owns. The calls of a turn travel as one message.
// A thread that is stuck in a hook past a call's deadline is stopped, and one that dies is replaced; calls that it had get
// `lost`, calls that come meanwhile wait for the next one, no longer than their deadline.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { PluginPlan } from '../../../config/plan.ts'
import { hookNames, type HookName } from '../../../shared/plugin-hooks.ts'
import { failed, Pending } from '../outcome.ts'
import type { CallHook, MakeReady, RuntimeParts } from '../runtime.ts'
import type { UpstreamCall } from '../../../shared/upstream-calls.ts'
import type { ScriptPlan } from './script.ts'
import type { FromThread, ThreadTask, ToThread } from './thread-messages.ts'
import { callMessage, outcomeIn, type CallMessage } from './wire.ts'

const threadMemoryMiB = 128
/** A plugin that has not come up by then never will. */
const startMs = 10_000
/** Between two looks at a thread that seems stuck. */
const stuckLookMs = 25
/** Calls that wait for one thread; past them a plugin is too slow for its load, and more calls would only cost memory. */
const mostCalls = 10_000
/** A thread that dies as soon as it is up is given time. */
const firstRestMs = 5
const longestRestMs = 1000

export const makeThreaded: MakeReady = async (plan, parts) => {
  const thread = new PluginThread(plan, parts)
  await thread.start()
  const hooks = plan.hooks.map((hook): [HookName, CallHook] => [hook, thread.hook(hook)])
  return { hooks: Object.fromEntries(hooks), close: () => thread.close() }
}

interface Running {
  readonly port: MessagePort
  readonly stop: AbortController
  /** See ThreadTask. */
  readonly running: Int32Array
  isReady: boolean
  /** Forget its requests to upstreams, by their numbers. */
  readonly questions: Map<number, () => void>
  /** A call came back too late: it has been asked whether it lives, and has not answered yet. */
  isLookedAt: boolean
}

class PluginThread {
  readonly #plan: ScriptPlan
  readonly #withBody: boolean
  readonly #parts: RuntimeParts
  readonly #pool: Piscina
  readonly #waiting = new Map<number, Pending>()
  #thread: Running | null = null
  #unsent: CallMessage[] = []
  #nextId = 0
  #closed = false
  #restMs = firstRestMs

  constructor(plan: PluginPlan, parts: RuntimeParts) {
    if (plan.script === null) throw new Error('there is no script')
    const { name, entry, config, hooks, fingerprint, script } = plan
    this.#plan = { name, entry, config, hooks, fingerprint, script }
    this.#withBody = plan.requestBodyBytes > 0
    this.#parts = parts
    this.#pool = new Piscina({
      filename: threadFile(),
      // The next thread starts as soon as one has died.
      minThreads: 1,
      maxThreads: 1,
      // The task never ends, so there is no other to wait for; waiting on a lock would stop the plugin's own timers.
      atomics: 'disabled',
      resourceLimits: { maxOldGenerationSizeMb: threadMemoryMiB },
      recordTiming: false,
    })
    this.#pool.on('error', () => {}) // A thread that dies is seen by its task.
  }

  /** Rejects where the plugin cannot be used. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`not ready within ${startMs / 1000} s`))
        this.close()
      }, startMs)
      this.#begin((problem: string | null) => {
        clearTimeout(timer)
        if (problem === null) resolve()
        else {
          reject(new Error(problem))
          this.close()
        }
      })
    })
  }

  close(): void {
    this.#closed = true
    this.#thread?.port.close()
    this.#thread = null
    void this.#pool.destroy()
  }

  hook(hook: HookName): CallHook {
    const number = hookNames.indexOf(hook)
    return (exchange, reply, timeoutMs) => {
      if (this.#waiting.size >= mostCalls) return failed('timeout', `${mostCalls} calls wait already`)
      const id = this.#nextId
      this.#nextId = (id + 1) | 0
      if (this.#unsent.length === 0) queueMicrotask(() => this.#flush())
      this.#unsent.push(callMessage(id, number, exchange, reply, this.#parts, this.#withBody))
      const pending = new Pending()
      pending.abandoned = () => this.#late(id, timeoutMs)
      this.#waiting.set(id, pending)
      return pending
    }
  }

  #flush(): void {
    const thread = this.#thread
    // One that may be stuck gets no more: those calls are the next one's, if it is.
    if (thread === null || !thread.isReady || thread.isLookedAt || this.#unsent.length === 0) return
    const calls = this.#unsent
    this.#unsent = []
    thread.port.postMessage(calls)
  }

  /** `started`: hears once that it is ready, or why it cannot be used. */
  #begin(started: (problem: string | null) => void): void {
    const { port1: port, port2 } = new MessageChannel()
    const stop = new AbortController()
    const running = new Int32Array(new SharedArrayBuffer(4))
    const thread: Running = { port, stop, running, questions: new Map(), isReady: false, isLookedAt: false }
    this.#thread = thread
    port.on('message', (message: FromThread) => this.#hear(thread, message, started))
    const task: ThreadTask = { plan: this.#plan, port: port2, running }
    this.#pool.run(task, { transferList: [port2], signal: stop.signal }).then(
      () => this.#ended(thread, 'its thread has ended', started),
      (error: unknown) => this.#ended(thread, error instanceof Error ? error.message : String(error), started),
    )
  }

  #hear(thread: Running, message: FromThread, started: (problem: string | null) => void): void {
    switch (message.kind) {
      case 'outcomes':
        for (const outcome of message.outcomes) {
          const pending = this.#waiting.get(outcome[0])
          this.#waiting.delete(outcome[0])
          pending?.come(outcomeIn(outcome))
        }
        return
      case 'said':
        this.#parts.log.said(message.level, message.message, message.fields)
        return
      case 'asks':
        this.#ask(thread, message.asked, message.call)
        return
      case 'pong':
        thread.isLookedAt = false
        this.#flush()
        return
      case 'ready':
        thread.isReady = true
        started(null)
        this.#flush()
    }
  }

  #ask(thread: Running, asked: number, call: UpstreamCall): void {
    const forget = this.#parts.callUpstream(call, answer => {
      thread.questions.delete(asked)
      thread.port.postMessage({ asked, answer } satisfies ToThread)
    })
    thread.questions.set(asked, forget)
  }

  #ended(thread: Running, reason: string, started: (problem: string | null) => void): void {
    thread.port.close()
    for (const forget of thread.questions.values()) forget()
    if (this.#closed || this.#thread !== thread) return
    this.#thread = null
    if (!thread.isReady) started(reason)
    const sent = [...this.#waiting].filter(([id]) => !this.#unsent.some(call => call[0] === id))
    for (const [id, pending] of sent) {
      this.#waiting.delete(id)
      pending.come(failed('lost', reason))
    }
    this.#restMs = thread.isReady ? firstRestMs : Math.min(this.#restMs * 2, longestRestMs)
    const again = setTimeout(() => {
      if (!this.#closed)
        this.#begin(problem => problem !== null && this.#parts.log.said('error', 'plugin thread', { reason: problem }))
    }, this.#restMs)
    again.unref()
  }

  /** Nobody waits for this call any more. Is its thread slow, or will it never come back? */
  #late(id: number, timeoutMs: number): void {
    if (!this.#waiting.delete(id)) return
    this.#unsent = this.#unsent.filter(call => call[0] !== id)
    const thread = this.#thread
    if (thread === null || !thread.isReady || thread.isLookedAt) return
    thread.isLookedAt = true
    thread.port.postMessage('ping' satisfies ToThread)
    this.#look(thread, Atomics.load(thread.running, 0), timeoutMs)
  }

  /** A thread that answers is alive; one that begins another hook is slow; one that does neither is stuck. */
  #look(thread: Running, seen: number, timeoutMs: number): void {
    setTimeout(() => {
      if (this.#thread !== thread || !thread.isLookedAt) return
      const now = Atomics.load(thread.running, 0)
      if (now !== seen) {
        this.#look(thread, now, timeoutMs)
        return
      }
      this.#parts.log.said('error', 'plugin thread stopped', { reason: `stuck for more than ${timeoutMs} ms` })
      thread.stop.abort()
    }, stuckLookMs)
  }
}

/** Beside this file, built or in source. */
function threadFile(): string {
  const built = fileURLToPath(new URL('thread.js', import.meta.url))
  return existsSync(built) ? built : fileURLToPath(new URL('thread.ts', import.meta.url))
}
