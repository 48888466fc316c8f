// The listening sockets of one worker. A plan's listeners are opened while it is prepared, so that a port that
// cannot be had refuses the plan; those that a plan no longer has stop listening when it takes over, while their open
// connections are served to the end. A listener whose description is unchanged is kept as it is, so a reload does not
// touch it. TLS: one app per listener, the first certificate for clients that name no known server, the others by SNI.
import type * as UwsModule from 'uWebSockets.js'
import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import type { ListenPlan } from '../../config/plan.ts'
import type { Listener } from '../exchange.ts'

type Uws = typeof UwsModule

export interface ListenerHandlers {
  request(response: HttpResponse, request: HttpRequest, listener: Listener): void
  /** Adds the WebSocket behaviour to an app (or to one of its server names). */
  webSockets(app: TemplatedApp, listener: Listener): void
}

interface Open {
  readonly key: string
  readonly listener: Listener
  readonly app: TemplatedApp
  socket: us_listen_socket | null
}

export interface PreparedListeners {
  commit(): void
  abort(): void
}

/** TLS 1.2 cipher suites that need a pre-shared key: nobody has one, so only TLS 1.3 can be agreed on. */
const noTls12Ciphers = 'ECDHE-PSK-CHACHA20-POLY1305'

export class Listeners {
  readonly #uws: Uws
  readonly #handlers: ListenerHandlers
  #open: Open[] = []
  /** Apps that no longer listen but may have open connections. */
  #retired: TemplatedApp[] = []

  constructor(uws: Uws, handlers: ListenerHandlers) {
    this.#uws = uws
    this.#handlers = handlers
  }

  /** Opens what is new. Throws an Error naming the address that could not be listened on; then nothing has changed. */
  prepare(plans: readonly ListenPlan[]): PreparedListeners {
    const kept: Open[] = []
    const opened: Open[] = []
    try {
      for (const plan of plans) {
        const key = JSON.stringify(plan)
        const existing = this.#open.find(open => open.key === key)
        if (existing) kept.push(existing)
        else opened.push(this.#listen(plan, key))
      }
    } catch (cause) {
      for (const open of opened) this.#close(open)
      throw cause
    }
    return {
      commit: () => {
        for (const open of this.#open) if (!kept.includes(open)) this.#close(open)
        this.#open = [...kept, ...opened]
      },
      abort: () => {
        for (const open of opened) this.#close(open)
      },
    }
  }

  /** Stops listening; open connections stay. */
  stop(): void {
    for (const open of this.#open) this.#close(open)
    this.#open = []
  }

  /** Closes every connection at once. */
  closeAll(): void {
    for (const app of this.#retired) app.close()
    this.#retired = []
  }

  #close(open: Open): void {
    if (open.socket !== null) this.#uws.us_listen_socket_close(open.socket)
    open.socket = null
    if (!this.#retired.includes(open.app)) this.#retired.push(open.app)
  }

  #listen(plan: ListenPlan, key: string): Open {
    const listener: Listener = { plan, scheme: plan.tls === null ? 'http' : 'https', port: plan.port }
    const app = plan.tls === null ? this.#uws.App() : this.#tlsApp(plan, plan.tls, listener)
    this.#attach(app, listener)
    const open: Open = { key, listener, app, socket: null }
    const took = (socket: us_listen_socket | false): void => {
      if (socket !== false) open.socket = socket
    }
    if (plan.unix === null) app.listen(plan.address, plan.port, took)
    else app.listen_unix(took, plan.unix)
    if (open.socket === null) {
      app.close()
      throw new Error(`cannot listen on ${plan.unix ?? `${plan.address}:${plan.port}`}`)
    }
    return open
  }

  #tlsApp(plan: ListenPlan, tls: NonNullable<ListenPlan['tls']>, listener: Listener): TemplatedApp {
    const optionsOf = (entry: { certificate: string; key: string }) => ({
      cert_file_name: entry.certificate,
      key_file_name: entry.key,
      ...(tls.clientCa === null ? {} : { ca_file_name: tls.clientCa }),
      ...(tls.minVersion === '1.3' ? { ssl_ciphers: noTls12Ciphers } : {}),
    })
    const [first, ...others] = tls.certificates
    if (first === undefined) throw new Error(`the TLS listener ${plan.address}:${plan.port} has no certificate`)
    const app = this.#uws.SSLApp(optionsOf(first))
    for (const entry of others) {
      for (const host of entry.hosts) {
        app.addServerName(host, optionsOf(entry))
        // Each server name has a router of its own in the front end.
        this.#attach(app.domain(host), listener)
      }
    }
    return app.domain('')
  }

  #attach(app: TemplatedApp, listener: Listener): void {
    this.#handlers.webSockets(app, listener)
    app.any('/*', (response, request) => this.#handlers.request(response, request, listener))
  }
}
