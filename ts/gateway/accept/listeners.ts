// The listening sockets of one worker. A plan's listeners are opened while it is prepared, so that a port or a
// certificate that cannot be had refuses the plan; those that a plan no longer has stop listening when it takes over,
// while their open connections are served to the end. A listener on the same address is kept, with other certificates
// where they have changed: so a reload touches no listening socket and no open connection.
import { readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import type { ListenPlan, ListenTlsPlan, ServerTimeoutsPlan } from '../../config/plan.ts'
import { native, type PemFile } from '../../shared/native.ts'
import type { Listener } from '../exchange.ts'
import type { FrontEnd } from './front-end.ts'
import { tlsApp } from './tls-app.ts'

export interface ListenerHandlers {
  request(response: HttpResponse, request: HttpRequest, listener: Listener): void
  /** Its sockets have just begun to listen. */
  listening(listener: Listener): void
  /** Adds the WebSocket behaviour to an app (or to one of its server names). */
  webSockets(app: TemplatedApp, listener: Listener): void
}

export interface ListenersOptions {
  readonly frontEnd: FrontEnd
  readonly handlers: ListenerHandlers
  /** A path can be listened on by one process only: the others leave unix sockets to that one. */
  readonly unixSockets: boolean
}

interface Open {
  readonly key: string
  readonly app: TimedApp
  socket: us_listen_socket | null
  /** A unix socket that has not been put in its place yet. */
  unplaced: { readonly from: string; readonly to: string } | null
  /** Certificates below the front end: what they were made from, and their id. */
  certificates: string
  tls: number | null
}

/** Of the front end, absent from its types. */
interface TimedApp extends TemplatedApp {
  setIdleTimeout?(seconds: number): void
  setResponseTimeout?(seconds: number): void
}

export interface PreparedListeners {
  /** At once; resolves when what is not listened on any more is closed. */
  commit(timeouts: ServerTimeoutsPlan): Promise<void>
  abort(): void
}

/** How often a hooked front end is asked which clients keep it waiting. */
const tickMs = 500
/** What a client that has just connected may take to send its request when the worker stops. */
const newcomersMs = 200
/** What the system allows (sockaddr_un), without the zero byte. */
const maxSocketPathBytes = 107
/** The front end's own timers have steps of 4 s, may be early by one, and count to 240 steps. */
const ownStepSeconds = 4
const ownMaxSeconds = 239 * ownStepSeconds

export class Listeners {
  readonly #options: ListenersOptions
  #open: Open[] = []
  /** Apps that no longer listen but may have open connections. */
  #retired: TemplatedApp[] = []
  #idleMs = 0
  readonly #byId: Listener[] = []

  constructor(options: ListenersOptions) {
    this.#options = options
    if (options.frontEnd.hooked) setInterval(() => native().frontEndTick(this.#idleMs), tickMs).unref()
  }

  /** Opens what is new. Throws an Error naming the address or the file that cannot be had; then nothing has changed. */
  prepare(plans: readonly ListenPlan[]): PreparedListeners {
    const kept: Open[] = []
    const opened: Open[] = []
    const renewed: { readonly open: Open; readonly tls: number; readonly certificates: string }[] = []
    const abort = (): void => {
      for (const open of opened) this.#close(open)
      for (const { tls } of renewed) native().frontEndTlsDrop(tls)
    }
    try {
      for (const plan of plans) {
        if (plan.unix !== null && !this.#options.unixSockets) continue
        const existing = this.#open.find(open => open.key === this.#keyOf(plan))
        if (existing === undefined) {
          opened.push(this.#listen(plan))
          continue
        }
        kept.push(existing)
        const certificates = namesOf(plan.tls)
        if (plan.tls === null || certificates === existing.certificates) continue
        renewed.push({ open: existing, tls: belowFrontEnd(plan.tls), certificates })
      }
    } catch (cause) {
      abort()
      throw cause
    }
    return {
      commit: timeouts => {
        for (const open of opened) place(open)
        for (const { open, tls, certificates } of renewed) {
          const before = open.tls!
          native().frontEndTlsExchange(before, tls)
          native().frontEndTlsDrop(before)
          open.tls = tls
          open.certificates = certificates
        }
        const dropped = this.#open.filter(open => !kept.includes(open))
        this.#open = [...kept, ...opened]
        this.#useTimeouts(timeouts)
        if (this.#options.frontEnd.hooked) native().frontEndAccept()
        return loopTurn().then(() => dropped.forEach(open => this.#close(open)))
      },
      abort,
    }
  }

  byId(id: number): Listener {
    return this.#byId[id - 1]!
  }

  /**
   * Stops listening; open connections stay. Resolves when nobody is left who was accepted and has not had the time to
   * say what it wants: such a client would be cut without having been told anything.
   */
  async stop(): Promise<void> {
    const stopped = this.#open
    this.#open = []
    await loopTurn()
    for (const open of stopped) this.#close(open)
    await loopTurn()
    if (!this.#options.frontEnd.hooked) return
    const untilMs = performance.now() + newcomersMs
    while (native().frontEndNewcomers() > 0 && performance.now() < untilMs) await pause(newcomersMs / 10)
  }

  /** Closes every connection at once. */
  closeAll(): void {
    for (const app of this.#retired) app.close()
    this.#retired = []
  }

  #close(open: Open): void {
    if (open.socket !== null) this.#options.frontEnd.uws.us_listen_socket_close(open.socket)
    open.socket = null
    if (open.tls !== null) native().frontEndTlsDrop(open.tls)
    open.tls = null
    if (open.unplaced !== null) rmSync(open.unplaced.from, { force: true })
    open.unplaced = null
    if (!this.#retired.includes(open.app)) this.#retired.push(open.app)
  }

  /** Listeners with the same key differ at most in what can be exchanged while they listen. */
  #keyOf(plan: ListenPlan): string {
    const certificates = this.#options.frontEnd.hooked ? plan.tls !== null : namesOf(plan.tls)
    return JSON.stringify([plan.unix, plan.address, plan.port, certificates])
  }

  #listen(plan: ListenPlan): Open {
    const { uws, hooked } = this.#options.frontEnd
    const listener: Listener = {
      id: this.#byId.length + 1,
      scheme: plan.tls === null ? 'http' : 'https',
      port: plan.port,
    }
    this.#byId.push(listener)
    const attach = (app: TemplatedApp): void => this.#attach(app, listener)
    const tls = plan.tls !== null && hooked ? belowFrontEnd(plan.tls) : null
    const app: TimedApp = plan.tls === null || hooked ? uws.App() : tlsApp(uws, plan, plan.tls, attach)
    attach(app)
    const unplaced = plan.unix === null ? null : { from: besides(plan.unix), to: plan.unix }
    const open: Open = { key: this.#keyOf(plan), app, socket: null, unplaced, certificates: namesOf(plan.tls), tls }
    const took = (socket: us_listen_socket | false): void => {
      if (socket !== false) open.socket = socket
    }
    // Held until the plan is in force: before, there is nothing to answer with.
    if (hooked) native().frontEndNextListener(tls, true)
    if (unplaced === null) app.listen(plan.address, plan.port, took)
    else app.listen_unix(took, unplaced.from)
    if (open.socket === null) {
      this.#close(open)
      throw new Error(`cannot listen on ${plan.unix ?? `${plan.address}:${plan.port}`}`)
    }
    this.#options.handlers.listening(listener)
    return open
  }

  #attach(app: TemplatedApp, listener: Listener): void {
    const { handlers } = this.#options
    handlers.webSockets(app, listener)
    app.any('/*', (response, request) => handlers.request(response, request, listener))
  }

  #useTimeouts({ idleMs }: ServerTimeoutsPlan): void {
    this.#idleMs = idleMs
    // Hooked, the timers are below the front end: its own cut slow uploads (less than 16 KiB/s) and let a client that
    // takes no byte of a response keep it for ever.
    const seconds = this.#options.frontEnd.hooked ? 0 : ownSeconds(idleMs)
    for (const { app } of this.#open) {
      app.setIdleTimeout?.(seconds)
      app.setResponseTimeout?.(seconds)
    }
  }
}

/**
 * A name for a unix socket in the same folder: it is put in its place in one step when the plan takes over, so that a
 * worker exchanges another's without a moment in which the path leads nowhere.
 */
function besides(path: string): string {
  const name = join(dirname(path), `.${process.pid.toString(36)}-${++socketsMade}`)
  return Buffer.byteLength(name) > maxSocketPathBytes ? path : name
}

let socketsMade = 0

function place(open: Open): void {
  if (open.unplaced === null) return
  renameSync(open.unplaced.from, open.unplaced.to)
  open.unplaced = null
}

/** Through the loop's poll phase: whoever waits in the kernel for a listener is accepted there. */
const loopTurn = (): Promise<void> => new Promise(resolve => setImmediate(() => setImmediate(resolve)))

/** Never early: rounded up to whole steps, and one more. */
function ownSeconds(idleMs: number): number {
  if (idleMs === 0) return 0
  return Math.min((Math.ceil(idleMs / 1000 / ownStepSeconds) + 1) * ownStepSeconds, ownMaxSeconds)
}

/** With the fingerprint that tells one content from another. */
const namesOf = (tls: ListenTlsPlan | null): string => JSON.stringify(tls && { ...tls, contents: null })

function belowFrontEnd(tls: ListenTlsPlan): number {
  const { certificates, clientCa, clientCertificate, clientCrl, minVersion, contents } = tls
  const pem = (name: string): PemFile => ({ name, text: contents[name] ?? readFileSync(name, 'latin1') })
  const identities = certificates.map(({ hosts, certificate, key }) => ({
    hosts,
    certificate: pem(certificate),
    key: pem(key),
  }))
  const clients =
    clientCa === null
      ? null
      : {
          authorities: pem(clientCa),
          optional: clientCertificate === 'optional',
          revoked: clientCrl === null ? null : pem(clientCrl),
        }
  return native().frontEndTls(identities, clients, minVersion === '1.3')
}
