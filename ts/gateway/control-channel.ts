// The worker's side of control/messages.ts: obeys prepare, commit, abort and drain, beats, and ends the process when
// control is gone. Called once by worker.ts (and by the test workers). Knows nothing of requests: the gateway does.
import type { JwtKeyPlan } from '../config/jwt-keys.ts'
import type { Plan } from '../config/plan.ts'
import { beatsPerReport, heartbeatMs, type FromWorker, type ToWorker } from '../control/messages.ts'
import { createLog, type Log } from '../shared/log.ts'
import type { MetricsDelta } from './record/metrics.ts'

/** What serves requests in this process. */
export interface Gateway {
  /** Loads the plan beside the running one. Rejects with an Error whose message the operator reads. */
  prepare(plan: Plan): Promise<void>
  /** Switches to the prepared plan. */
  commit(version: string): Promise<void>
  abort(version: string): void
  /** Stops listening and resolves when nothing is in flight, at the deadline at the latest. */
  drain(deadlineMs: number): Promise<void>
  takeMetrics(): MetricsDelta
  /** Control has fetched keys from this URL; null: they are as they were. */
  keySet(url: string, keys: readonly JwtKeyPlan[] | null): void
}

/** What the gateway tells control. */
export interface ToControl {
  /** Asks it to look for new keys at a URL. */
  readonly wantKeySet: (url: string) => void
  /** What has held the loop for long has returned: it is not hung, though timers, and so heartbeats, may still have to wait. */
  readonly stillAlive: () => void
}

/** Exit code of a worker that failed by an error nobody caught (sysexits: internal software error). */
export const exitSoftware = 70

const defaultDrainMs = 10_000

/**
 * Exits the process at the latest when the drain's deadline is over. `onOrphaned`: control is gone; the process will end
 * by itself within so many milliseconds.
 */
export async function serveControl(
  create: (control: ToControl) => Promise<Gateway> | Gateway,
  frontEnd: () => string,
  onOrphaned: (withinMs: number) => void = () => {},
): Promise<void> {
  const log = createLog(`worker ${process.env['POLYGATE_WORKER'] ?? process.pid}`)
  if (!process.send) throw new Error('a worker is started by control, not by hand: use `polygate run`')
  // Ctrl-C reaches the whole group, and SIGHUP a whole session: control decides what they mean.
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  const channel = new ControlChannel(log, onOrphaned)
  process.on('uncaughtException', error => channel.crash(error))
  process.on('disconnect', () => channel.orphaned())
  process.on('SIGTERM', () => channel.drain(channel.drainMs))
  process.on('message', message => channel.receive(message as ToWorker))
  try {
    const gateway = await create({
      wantKeySet: url => send({ kind: 'keySetWanted', url }),
      stillAlive: () => channel.stillAlive(),
    })
    channel.open(gateway, frontEnd())
  } catch (error) {
    send({ kind: 'refused', transaction: 0, version: '', reason: messageOf(error) }, () => process.exit(exitSoftware))
  }
}

class ControlChannel {
  readonly #log: Log
  readonly #onOrphaned: (withinMs: number) => void
  #gateway: Gateway | null = null
  #prepared: { transaction: number; plan: Plan } | null = null
  /** Prepares and commits run one after the other, in the order of their messages. */
  #order: Promise<void> = Promise.resolve()
  #draining = false
  /** Of the drain under way. */
  #exitAtMs = 0
  #beats = 0
  #beatAtMs = 0
  /** Of the running plan; what an orphan gives its requests. */
  drainMs = defaultDrainMs

  constructor(log: Log, onOrphaned: (withinMs: number) => void) {
    this.#log = log
    this.#onOrphaned = onOrphaned
  }

  open(gateway: Gateway, frontEnd: string): void {
    this.#gateway = gateway
    send({ kind: 'hello', frontEnd })
    setInterval(() => this.#beat(), heartbeatMs)
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'prepare':
        this.#order = this.#order.then(() => this.#prepare(message.transaction, message.plan))
        break
      case 'commit':
        this.#order = this.#order.then(() => this.#commit(message.transaction))
        break
      case 'abort':
        this.#order = this.#order.then(() => this.#abort(message.transaction))
        break
      case 'keySet':
        this.#gateway?.keySet(message.url, message.keys)
        break
      case 'drain':
        this.drain(message.deadlineMs)
        break
    }
  }

  async #prepare(transaction: number, plan: Plan): Promise<void> {
    if (this.#draining || !this.#gateway) return
    const { version } = plan
    try {
      await this.#gateway.prepare(plan)
      this.#prepared = { transaction, plan }
      send({ kind: 'prepared', transaction, version })
    } catch (error) {
      send({ kind: 'refused', transaction, version, reason: messageOf(error) })
    }
  }

  async #commit(transaction: number): Promise<void> {
    const prepared = this.#prepared
    if (this.#draining || !this.#gateway || prepared?.transaction !== transaction) return
    this.#prepared = null
    const { version, timeouts } = prepared.plan
    try {
      await this.#gateway.commit(version)
      this.drainMs = timeouts.drainMs
      send({ kind: 'committed', transaction, version })
    } catch (error) {
      send({ kind: 'refused', transaction, version, reason: messageOf(error) })
    }
  }

  #abort(transaction: number): void {
    if (this.#prepared?.transaction !== transaction) return
    const { version } = this.#prepared.plan
    this.#prepared = null
    this.#gateway?.abort(version)
  }

  stillAlive(): void {
    if (performance.now() - this.#beatAtMs >= heartbeatMs) this.#beat()
  }

  #beat(): void {
    this.#beatAtMs = performance.now()
    if (++this.#beats % beatsPerReport === 0) this.#report()
    else if (process.connected) send({ kind: 'beat', metrics: null })
  }

  #report(): void {
    if (this.#gateway && process.connected) send({ kind: 'beat', metrics: this.#gateway.takeMetrics() })
  }

  /** Ends the process when the gateway has nothing in flight any more, or at the deadline. */
  drain(deadlineMs: number): void {
    if (this.#draining) return
    this.#draining = true
    this.#exitAtMs = performance.now() + deadlineMs + heartbeatMs
    const finish = (): void => {
      this.#report()
      if (process.connected) send({ kind: 'drained' }, () => process.exit(0))
      else process.exit(0)
    }
    if (!this.#gateway) return finish()
    // The gateway keeps the deadline; this is for one that does not.
    setTimeout(finish, deadlineMs + heartbeatMs)
    this.#gateway.drain(deadlineMs).then(finish, (error: unknown) => {
      this.#log.error('drain failed', { reason: messageOf(error) })
      finish()
    })
  }

  /** Control is gone: nobody would replace, reload or stop this process. */
  orphaned(): void {
    if (!this.#draining) {
      this.#log.error('control is gone; this worker ends its requests and exits')
      this.drain(this.drainMs)
    }
    this.#onOrphaned(Math.max(0, this.#exitAtMs - performance.now()))
  }

  /** State is unknown after an error nobody caught: say so, hand over what was counted, and be replaced. */
  crash(error: unknown): void {
    this.#log.error('uncaught error', {
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
    try {
      this.#report()
    } finally {
      process.exit(exitSoftware)
    }
  }
}

/** `done` is called once the message has left the process, or cannot. */
function send(message: FromWorker, done: () => void = () => {}): void {
  if (!process.send) return done()
  try {
    process.send(message, undefined, undefined, () => done())
  } catch {
    done()
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
