// Keeps as many workers running as the plan wants, all on the same plan: replaces those that end or hang, and switches
// plans as a transaction. Control owns it and tells it the plan; it reads no configuration and serves no one.
//
//   switchTo:  ready workers ──prepare──> all prepared? ──yes──> [commit point: #plan is the new one] ──commit──> all
//                                              └──no: abort to all, #plan stays
//   A worker that is not ready then takes no part; it is brought up with whatever #plan is when it gets there.
import { EventEmitter } from 'node:events'
import type { Plan } from '../config/plan.ts'
import type { MetricsDelta } from '../gateway/record/metrics.ts'
import type { Log } from '../shared/log.ts'
import { heartbeatMs } from './messages.ts'
import { WorkerProcess, type EndReason, type WorkerEnd } from './worker-process.ts'

export interface SupervisorOptions {
  /** The file that each worker runs. */
  readonly entry: string
  readonly log: Log
  readonly onBeat: (worker: WorkerProcess, metrics: MetricsDelta) => void
  /** The worker has said hello, and is given its first plan next. */
  readonly onHello: (worker: WorkerProcess) => void
  /** See WorkerProcessOptions. */
  readonly onKeySetWanted: (worker: WorkerProcess, url: string) => void
  /** From fork to hello. */
  readonly startTimeoutMs?: number
  readonly prepareTimeoutMs?: number
}

export interface SupervisorEvents {
  /** A worker serves the plan in force. */
  ready: [worker: WorkerProcess]
  /** A worker process has ended, wanted or not. */
  ended: [worker: WorkerProcess, end: WorkerEnd]
  /** A worker that should be there has been lost, and is being replaced. */
  restart: [reason: EndReason]
}

export type SwitchResult = { readonly ok: true } | { readonly ok: false; readonly reasons: readonly string[] }

/** The gateway cannot start; the message is for the operator. */
export class StartFailure extends Error {
  override name = 'StartFailure'
}

interface Slot {
  readonly number: number
  worker: WorkerProcess
  /** Ends soon after start, in a row. */
  quickEnds: number
  /** A successor is being brought up beside the worker. */
  recycling: boolean
  timer: NodeJS.Timeout | null
}

/** A worker that lived this long is replaced at once; a shorter life counts as a failed start. */
const quickMs = 1000
const freeRestarts = 2
const maxBackoffMs = 5000
/** What a worker has, after its own deadline, to say its last words. */
const killAfterDrainMs = 300

export class Supervisor extends EventEmitter<SupervisorEvents> {
  readonly #options: Required<SupervisorOptions>
  readonly #slots: Slot[] = []
  /** Draining, to be gone soon. Never replaced. */
  readonly #leaving = new Set<WorkerProcess>()
  #plan: Plan | null = null
  #transaction = 0
  #phase: 'starting' | 'running' | 'stopping' = 'starting'
  readonly #ticks: NodeJS.Timeout

  constructor(options: SupervisorOptions) {
    super()
    this.#options = { startTimeoutMs: 15_000, prepareTimeoutMs: 10_000, ...options }
    this.#ticks = setInterval(() => {
      for (const worker of this.workers()) worker.tick()
    }, heartbeatMs)
  }

  /** All processes, those that are leaving too. */
  workers(): WorkerProcess[] {
    return [...this.#slots.map(slot => slot.worker), ...this.#leaving]
  }

  get readyWorkers(): number {
    return this.#phase === 'running' ? this.#slots.filter(slot => slot.worker.state === 'ready').length : 0
  }

  get frontEnd(): string {
    return this.#slots[0]?.worker.frontEnd ?? ''
  }

  /** Forks workers before there is a plan for them: they load while names are resolved. */
  fork(count: number, maxHeadBytes: number): void {
    for (let number = 1; number <= count; number++) this.#addSlot(number, maxHeadBytes)
  }

  /** Brings the forked workers up. Rejects with StartFailure if one of them cannot serve the plan. */
  async start(plan: Plan): Promise<void> {
    this.#plan = plan
    const { startTimeoutMs, prepareTimeoutMs } = this.#options
    const transaction = ++this.#transaction
    const all = this.#slots.map(slot => slot.worker)
    const each = async (step: (worker: WorkerProcess) => Promise<void>): Promise<void> => {
      const steps = all.map(worker =>
        step(worker).catch((error: unknown) => {
          throw new StartFailure(`worker ${worker.number}: ${messageOf(error)}`)
        }),
      )
      await Promise.all(steps)
    }
    await each(async worker => {
      await worker.hello(startTimeoutMs)
      this.#options.onHello(worker)
      await worker.prepare(transaction, plan, prepareTimeoutMs)
    })
    await each(worker => worker.commit(transaction, plan.version, prepareTimeoutMs))
    // `drain` may have been called meanwhile: TypeScript does not see that awaiting lets others run.
    if ((this.#phase as string) === 'stopping') throw new StartFailure('stopped while starting')
    this.#phase = 'running'
    for (const slot of this.#slots) {
      if (slot.worker.state === 'dead') this.#replace(slot)
      else this.#markReady(slot.worker)
    }
  }

  /** Must not be called while an earlier call is under way. */
  async switchTo(plan: Plan): Promise<SwitchResult> {
    const { prepareTimeoutMs } = this.#options
    const transaction = ++this.#transaction
    const takingPart = this.#slots.map(slot => slot.worker).filter(worker => worker.state === 'ready' && !worker.stuck)
    try {
      await Promise.all(
        takingPart.map(worker =>
          worker.prepare(transaction, plan, prepareTimeoutMs).catch((error: unknown) => {
            throw new Error(`worker ${worker.number}: ${messageOf(error)}`)
          }),
        ),
      )
      // A worker may have ended after its own answer, while the others were still preparing.
      const lost = takingPart.find(worker => worker.state !== 'ready')
      if (lost) throw new Error(`worker ${lost.number}: ended before the switch`)
    } catch (error) {
      for (const worker of takingPart) worker.abort(transaction, plan.version)
      // A worker that never answered serves on, but would not hear of the next plan either.
      void this.#recycle(this.#slots.filter(slot => slot.worker.stuck))
      return { ok: false, reasons: [messageOf(error)] }
    }
    this.#plan = plan
    await Promise.all(
      takingPart.map(async worker => {
        try {
          await worker.commit(transaction, plan.version, prepareTimeoutMs)
        } catch (error) {
          this.#options.log.error('worker failed to switch', { worker: worker.number, reason: messageOf(error) })
          worker.kill('refused')
        }
      }),
    )
    for (const slot of this.#slots) {
      const { worker } = slot
      if (worker.state === 'ready' && !worker.stuck && !takingPart.includes(worker)) void this.#bringUp(worker)
    }
    this.#resize(plan)
    return { ok: true }
  }

  /** Resolves when no worker is left. Workers that outlive the deadline are killed. */
  async drain(deadlineMs: number): Promise<void> {
    this.#stop()
    const left = this.workers().filter(worker => worker.state !== 'dead')
    await Promise.all(left.map(worker => this.#dismiss(worker, deadlineMs)))
    clearInterval(this.#ticks)
  }

  /** Kills every worker now. */
  async kill(): Promise<void> {
    this.#stop()
    const left = this.workers().filter(worker => worker.state !== 'dead')
    for (const worker of left) worker.kill('exit')
    await Promise.all(left.map(worker => worker.ended))
    clearInterval(this.#ticks)
  }

  #stop(): void {
    this.#phase = 'stopping'
    for (const slot of this.#slots) if (slot.timer) clearTimeout(slot.timer)
  }

  #addSlot(number: number, maxHeadBytes: number): Slot {
    const slot: Slot = {
      number,
      worker: this.#forkWorker(number, maxHeadBytes),
      quickEnds: 0,
      recycling: false,
      timer: null,
    }
    this.#slots.push(slot)
    return slot
  }

  #forkWorker(number: number, maxHeadBytes: number): WorkerProcess {
    const worker: WorkerProcess = new WorkerProcess({
      entry: this.#options.entry,
      number,
      maxHeadBytes,
      onBeat: metrics => this.#options.onBeat(worker, metrics),
      onKeySetWanted: url => this.#options.onKeySetWanted(worker, url),
    })
    void worker.ended.then(end => this.#onEnded(worker, end))
    return worker
  }

  #onEnded(worker: WorkerProcess, end: WorkerEnd): void {
    this.emit('ended', worker, end)
    if (this.#leaving.delete(worker) || this.#phase !== 'running') return
    const slot = this.#slots.find(slot => slot.worker === worker)
    if (!slot) return
    const lifeMs = Date.now() - (worker.readyAtMs || worker.startedAtMs)
    slot.quickEnds = worker.readyAtMs === 0 || lifeMs < quickMs ? slot.quickEnds + 1 : 0
    const waits = slot.quickEnds - freeRestarts
    const delayMs = waits <= 0 ? 0 : Math.min(100 * 2 ** (waits - 1), maxBackoffMs)
    this.#options.log.error('worker lost', {
      worker: slot.number,
      pid: worker.pid,
      end: end.text,
      reason: end.reason,
      delayMs,
    })
    this.emit('restart', end.reason)
    if (delayMs === 0) this.#replace(slot)
    else slot.timer = setTimeout(() => this.#replace(slot), delayMs)
  }

  #replace(slot: Slot): void {
    slot.timer = null
    const plan = this.#plan
    if (this.#phase !== 'running' || !plan || !this.#slots.includes(slot)) return
    slot.worker = this.#forkWorker(slot.number, plan.limits.maxHeadBytes)
    void this.#bringUp(slot.worker)
  }

  /** Gets a worker onto the plan in force, whichever that is by then. Kills it where that fails. */
  async #bringUp(worker: WorkerProcess): Promise<boolean> {
    const { startTimeoutMs, prepareTimeoutMs, log } = this.#options
    if (worker.state === 'ready') worker.state = 'idle'
    try {
      await worker.hello(startTimeoutMs)
      this.#options.onHello(worker)
      for (;;) {
        const plan = this.#plan
        if (!plan) return false
        const transaction = ++this.#transaction
        await worker.prepare(transaction, plan, prepareTimeoutMs)
        if (plan !== this.#plan) {
          worker.abort(transaction, plan.version)
          continue
        }
        await worker.commit(transaction, plan.version, prepareTimeoutMs)
        if (plan === this.#plan) break
      }
    } catch (error) {
      if (this.#phase !== 'running') return false
      log.error('worker does not come up', { worker: worker.number, pid: worker.pid, reason: messageOf(error) })
      worker.kill(worker.state === 'starting' ? 'timeout' : 'refused')
      return false
    }
    if (this.#phase === 'running') this.#markReady(worker)
    return true
  }

  #markReady(worker: WorkerProcess): void {
    worker.state = 'ready'
    worker.readyAtMs = Date.now()
    this.emit('ready', worker)
  }

  /** After a switch: more or fewer workers, and new ones for those that were started with another head limit. */
  #resize(plan: Plan): void {
    while (this.#slots.length > plan.workers) {
      const slot = this.#slots.pop()!
      if (slot.timer) clearTimeout(slot.timer)
      if (slot.worker.state !== 'dead') void this.#dismiss(slot.worker, plan.timeouts.drainMs)
    }
    const outdated = this.#slots.filter(slot => slot.worker.maxHeadBytes !== plan.limits.maxHeadBytes)
    for (let number = this.#slots.length + 1; number <= plan.workers; number++) {
      void this.#bringUp(this.#addSlot(number, plan.limits.maxHeadBytes).worker)
    }
    void this.#recycle(outdated)
  }

  /** One after the other, the successor first, so that there are never fewer than before. */
  async #recycle(slots: readonly Slot[]): Promise<void> {
    for (const slot of slots) {
      const plan = this.#plan
      if (this.#phase !== 'running' || !plan) return
      if (!this.#slots.includes(slot) || slot.recycling) continue
      slot.recycling = true
      await this.#succeed(slot, plan)
      slot.recycling = false
    }
  }

  async #succeed(slot: Slot, plan: Plan): Promise<void> {
    const old = slot.worker
    const successor = this.#forkWorker(slot.number, plan.limits.maxHeadBytes)
    this.#leaving.add(successor)
    const up = await this.#bringUp(successor)
    if (!up || !this.#slots.includes(slot) || slot.worker !== old) {
      if (successor.state !== 'dead') void this.#dismiss(successor, plan.timeouts.drainMs)
      return
    }
    this.#leaving.delete(successor)
    slot.worker = successor
    if (old.state !== 'dead') void this.#dismiss(old, plan.timeouts.drainMs)
  }

  async #dismiss(worker: WorkerProcess, deadlineMs: number): Promise<void> {
    this.#leaving.add(worker)
    worker.drain(deadlineMs)
    const timer = setTimeout(() => worker.kill('exit'), deadlineMs + killAfterDrainMs)
    await worker.ended
    clearTimeout(timer)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
