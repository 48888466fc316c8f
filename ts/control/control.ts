// The control process: takes the configuration through load -> ports -> names -> workers, at start and at each reload,
// and ends everything in order. `polygate run` owns it. Serves no request itself, and a worker must never wait for it.
import { EventEmitter } from 'node:events'
import type { Plan } from '../config/plan.ts'
import type { Log } from '../shared/log.ts'
import { packageVersion } from '../shared/native.ts'
import { AdminServer, type AdminSubject, type ReloadResult } from './admin.ts'
import { Names } from './dns.ts'
import { exposition, type ProcessRow } from './exposition.ts'
import { KeySets, type KeySetBounds } from './key-sets.ts'
import { readLastGood, saveLastGood } from './last-good.ts'
import { refuseOtherSizes, withCountingFile } from './counting.ts'
import { withCopies } from './native-copies.ts'
import { MetricsTotals } from './metrics.ts'
import { claimPorts, removeSocket, socketPaths } from './ports.ts'
import { Reloads } from './reloads.ts'
import { restoreSecrets } from './secrets.ts'
import { keySetsFile } from './saved-key-sets.ts'
import { StartFailure, Supervisor } from './supervisor.ts'
import { vitalsOf } from './vitals.ts'
import { FileWatch, filesNamedBy } from './watch.ts'

export interface ControlOptions {
  /** Reads the configuration anew. Throws an Error whose message has a line a reason. */
  readonly load: () => Plan | Promise<Plan>
  readonly configFile: string
  /** The file that a worker process runs. */
  readonly workerEntry: string
  readonly lastGoodFile: string
  /** Start with the last good plan where the configuration cannot be used. */
  readonly lastGood: boolean
  readonly watch: boolean
  readonly log: Log
  /** DNS servers instead of the system's. */
  readonly dnsServers?: readonly string[]
  readonly keySetBounds?: Partial<KeySetBounds>
  readonly startTimeoutMs?: number
  readonly prepareTimeoutMs?: number
}

export interface ControlEvents {
  /** A reload has ended. */
  reload: [result: ReloadResult]
  /** Workers run on a plan with other addresses. */
  addresses: [version: string]
  /** A worker serves. */
  worker: [number: number, pid: number, version: string]
  /** A worker process has ended. */
  ended: [number: number, pid: number, reason: string]
}

/** How long start and reload wait for names and keys; what answers later is pushed then. */
const learnWaitMs = 1500

export class Control extends EventEmitter<ControlEvents> implements AdminSubject {
  readonly #options: ControlOptions
  readonly #log: Log
  readonly #totals = new MetricsTotals()
  readonly #names: Names
  readonly #keySets: KeySets
  readonly #supervisor: Supervisor
  readonly #reloads: Reloads<ReloadResult>
  readonly #watch: FileWatch | null
  #admin: AdminServer | null = null
  /** As configured, with ports; without addresses of names. */
  #configured: Plan | null = null
  /** Claimed, and perhaps not in force yet: what workers may have opened. */
  #claimed: Plan | null = null
  /** What the workers run. */
  #plan: Plan | null = null
  #lastReload: ReloadResult | null = null
  #stopping = false
  #addressesDue = false

  constructor(options: ControlOptions) {
    super()
    this.#options = options
    const log = (this.#log = options.log)
    this.#names = new Names({
      log,
      onChange: () => this.#pushAddresses(),
      ...(options.dnsServers ? { servers: options.dnsServers } : {}),
    })
    this.#keySets = new KeySets({
      log,
      file: keySetsFile(options.lastGoodFile),
      onChange: (url, keys) => {
        for (const worker of this.#supervisor.workers()) worker.tellKeySet(url, keys)
      },
      ...(options.keySetBounds ? { bounds: options.keySetBounds } : {}),
    })
    this.#supervisor = new Supervisor({
      entry: options.workerEntry,
      log,
      onBeat: (worker, metrics) => this.#totals.merge(worker.pid, worker.state !== 'dead', metrics),
      onHello: worker => {
        for (const [url, keys] of this.#keySets.known()) worker.tellKeySet(url, keys)
      },
      onKeySetWanted: (worker, url) => void this.#keySets.look(url).then(() => worker.tellKeySet(url, null)),
      ...(options.startTimeoutMs ? { startTimeoutMs: options.startTimeoutMs } : {}),
      ...(options.prepareTimeoutMs ? { prepareTimeoutMs: options.prepareTimeoutMs } : {}),
    })
    this.#supervisor.on('ready', worker => this.emit('worker', worker.number, worker.pid, worker.version))
    this.#supervisor.on('restart', reason => this.#totals.restarted(reason))
    this.#supervisor.on('ended', (worker, end) => {
      this.#totals.forget(worker.pid)
      this.emit('ended', worker.number, worker.pid, end.reason)
    })
    this.#reloads = new Reloads(() => this.#reload())
    this.#watch = options.watch
      ? new FileWatch(
          () => void this.reload(),
          (folder, reason) => log.warn('cannot watch folder', { folder, reason }),
        )
      : null
  }

  /** Rejects, with nothing left running, where the gateway cannot start: the message says why, a line a reason. */
  async start(): Promise<void> {
    try {
      const configured = await claimPorts(this.#placed(await this.#loadOrLastGood()), null)
      this.#claimed = configured
      if (this.#stopping) throw new StartFailure('stopped while starting')
      // Workers need most of the time there is: they load while names are resolved and the admin port is opened.
      this.#supervisor.fork(configured.workers, configured.limits.maxHeadBytes)
      const learnt = this.#learn(configured)
      if (configured.admin) this.#admin = await AdminServer.open(this, configured.admin)
      await learnt
      const plan = this.#names.applyTo(configured)
      this.#totals.use(plan)
      await this.#supervisor.start(plan)
      this.#inForce(configured, plan)
    } catch (error) {
      await this.stop()
      throw error instanceof Error ? error : new StartFailure(String(error))
    }
    // Names that were answered while the workers started.
    this.#pushAddresses()
  }

  /** The plan that the workers run. */
  get plan(): Plan {
    if (!this.#plan) throw new Error('control has not started')
    return this.#plan
  }

  get frontEnd(): string {
    return this.#supervisor.frontEnd
  }

  get adminPort(): number {
    return this.#admin?.port ?? 0
  }

  workers(): readonly { number: number; pid: number; state: string; version: string }[] {
    return this.#supervisor.workers().map(({ number, pid, state, version }) => ({ number, pid, state, version }))
  }

  /** Reads the configuration and switches all workers, or none. */
  reload(): Promise<ReloadResult> {
    return this.#reloads.request()
  }

  /** Lets requests in flight end, for as long as the plan allows, then stops. */
  async drain(): Promise<void> {
    this.#end()
    await this.#supervisor.drain(this.#plan?.timeouts.drainMs ?? 0)
    await this.#ended()
  }

  /** Stops at once. */
  async stop(): Promise<void> {
    this.#end()
    await this.#supervisor.kill()
    await this.#ended()
  }

  /** No worker is left. */
  async #ended(): Promise<void> {
    for (const plan of [this.#configured, this.#claimed]) await Promise.all(socketPaths(plan).map(removeSocket))
    await this.#admin?.close()
  }

  #end(): void {
    this.#stopping = true
    this.#watch?.close()
    this.#names.close()
    this.#keySets.close()
  }

  async #loadOrLastGood(): Promise<Plan> {
    try {
      return await this.#options.load()
    } catch (error) {
      if (!this.#options.lastGood) throw error
      let lastGood
      try {
        lastGood = readLastGood(this.#options.lastGoodFile)
      } catch (second) {
        throw new StartFailure(`${messageOf(error)}\nno last good plan either: ${messageOf(second)}`)
      }
      for (const reason of reasonsOf(error)) this.#log.error('configuration refused', { reason })
      this.#log.warn('running on the last good plan', { version: lastGood.plan.version, savedAt: lastGood.savedAt })
      this.#lastReload = { ok: false, version: lastGood.plan.version, at: now(), reasons: reasonsOf(error) }
      const { plan, missing } = restoreSecrets(lastGood.plan, process.env)
      for (const lack of missing) this.#log.error('a secret of the last good plan cannot be had', { lack })
      return plan
    }
  }

  /** Names the files and folders of the state folder. */
  #placed(plan: Plan): Plan {
    const { lastGoodFile } = this.#options
    return withCopies(withCountingFile(plan, lastGoodFile, this.#log), lastGoodFile)
  }

  async #reload(): Promise<ReloadResult> {
    let newAdmin: AdminServer | null = null
    try {
      if (this.#stopping || !this.#configured) throw new Error('the gateway is stopping')
      const before = this.#configured
      const wanted = this.#placed(await this.#options.load())
      refuseOtherSizes(before.counting, wanted.counting)
      const configured = await claimPorts(wanted, before)
      this.#claimed = configured
      await this.#learn(configured)
      const { admin } = configured
      const adminMoves = admin !== null && (before.admin?.address !== admin.address || before.admin.port !== admin.port)
      if (adminMoves) newAdmin = await AdminServer.open(this, admin)
      const plan = this.#names.applyTo(configured)
      const result = await this.#supervisor.switchTo(plan)
      if (!result.ok) throw new Error(result.reasons.join('\n'))
      if (adminMoves || admin === null) {
        void this.#admin?.close()
        this.#admin = newAdmin
      } else this.#admin?.useToken(admin.token)
      this.#inForce(configured, plan)
      await Promise.all(socketPaths(before, configured).map(removeSocket))
      this.#lastReload = { ok: true, version: plan.version, at: now() }
      this.#log.info('reloaded', { version: plan.version })
    } catch (error) {
      void newAdmin?.close()
      this.#lastReload = { ok: false, version: this.#plan?.version ?? '', at: now(), reasons: reasonsOf(error) }
      for (const reason of this.#lastReload.reasons) this.#log.error('reload refused; the old plan stays', { reason })
      if (this.#configured) this.#keepOnly(this.#configured)
      await Promise.all(socketPaths(this.#claimed, this.#configured).map(removeSocket))
    }
    this.#totals.reloaded(this.#lastReload.ok ? 'ok' : 'refused')
    this.emit('reload', this.#lastReload)
    return this.#lastReload
  }

  async #learn(plan: Plan): Promise<void> {
    await Promise.all([this.#names.learn(plan, learnWaitMs), this.#keySets.learn(plan, learnWaitMs)])
  }

  #keepOnly(plan: Plan): void {
    this.#names.keepOnly(plan)
    this.#keySets.keepOnly(plan)
  }

  /** All workers run it now. */
  #inForce(configured: Plan, plan: Plan): void {
    this.#configured = configured
    this.#plan = plan
    this.#totals.use(plan)
    this.#keepOnly(configured)
    this.#watch?.follow([this.#options.configFile, ...filesNamedBy(configured)])
    try {
      saveLastGood(this.#options.lastGoodFile, configured)
    } catch (error) {
      this.#log.warn('cannot keep the last good plan', { file: this.#options.lastGoodFile, reason: messageOf(error) })
    }
  }

  /** Switches to the addresses known now, if they are others than those in force. */
  #pushAddresses(): void {
    if (this.#addressesDue || !this.#configured) return
    this.#addressesDue = true
    void this.#reloads.exclusively(async () => {
      this.#addressesDue = false
      if (this.#stopping || !this.#configured) return
      const plan = this.#names.applyTo(this.#configured)
      if (plan.version === this.#plan?.version) return
      const result = await this.#supervisor.switchTo(plan)
      if (!result.ok) return this.#log.error('workers refuse new addresses', { reason: result.reasons.join('; ') })
      this.#plan = plan
      this.#log.info('addresses changed', { version: plan.version })
      this.emit('addresses', plan.version)
    })
  }

  ready(): boolean {
    return !this.#stopping && this.#supervisor.readyWorkers > 0
  }

  lastReload(): ReloadResult | null {
    return this.#lastReload
  }

  report(): readonly string[] {
    const workers = this.#supervisor.workers()
    const lines = [
      `${this.ready() ? 'ok' : 'not ready'}${this.#stopping ? ' (draining)' : ''}`,
      `polygate ${packageVersion} front-end="${this.frontEnd}"`,
      `plan ${this.#plan?.version ?? 'none'}`,
    ]
    const last = this.#lastReload
    if (!last) lines.push('reload none')
    else if (last.ok) lines.push(`reload ok ${last.at} ${last.version}`)
    else lines.push(`reload refused ${last.at}`, ...last.reasons.map(reason => `  ${reason}`))
    for (const worker of workers) {
      lines.push(`worker ${worker.number} ${worker.state} pid=${worker.pid} plan=${worker.version || 'none'}`)
    }
    for (const { labels, value } of this.#totals.health().values()) {
      lines.push(`endpoint ${labels.join(' ')} workers=${value}`)
    }
    return lines
  }

  metrics(): string {
    const processes: ProcessRow[] = []
    const add = (name: string, pid: number): void => {
      const vitals = vitalsOf(pid)
      if (vitals) processes.push({ name, rssBytes: vitals.rssBytes, cpuSeconds: vitals.cpuSeconds })
    }
    add('control', process.pid)
    // A number may have two processes while one takes over from the other: the later one is shown.
    const byNumber = new Map(this.#supervisor.workers().map(worker => [worker.number, worker.pid]))
    for (const [number, pid] of byNumber) add(`worker ${number}`, pid)
    return exposition({
      totals: this.#totals,
      planVersion: this.#plan?.version ?? '',
      polygateVersion: packageVersion,
      frontEnd: this.frontEnd,
      workersReady: this.#supervisor.readyWorkers,
      processes,
      keySets: this.#keySets.rows(),
    })
  }
}

const now = (): string => new Date().toISOString()
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
/** The message's lines; what follows a line's indent belongs to it, but operators get each on a line anyway. */
const reasonsOf = (error: unknown): string[] =>
  messageOf(error)
    .split('\n')
    .filter(line => line !== '')
