// A front end whose handler answers when the test says so, or by itself in a later turn of the loop; for the tests of
// native/downstream through real sockets.
import { readFileSync } from 'node:fs'
import type { HttpRequest, HttpResponse, us_listen_socket, WebSocketBehavior } from 'uWebSockets.js'
import { loadFrontEnd } from '../../../ts/gateway/accept/front-end.ts'
import { native } from '../../../ts/shared/native.ts'
import type { Scope } from '../../helpers/scope.ts'

export const frontEnd = loadFrontEnd()
const { uws } = frontEnd
const hooks = native()

export interface Seen {
  readonly method: string
  readonly url: string
  readonly slot: number
  /** Number of the request on its connection. */
  readonly number: number
  readonly head: string | null
  readonly address: string | null
  body: Buffer
  aborted: boolean
  /** Answers 200 with this body. */
  answer(body: string): void
}

export interface AppOptions {
  readonly tls?: { readonly certificate: string; readonly key: string }
  readonly host?: string
  /** Nobody is accepted before `frontEndAccept`. */
  readonly held?: boolean
  readonly unix?: string
  readonly webSocket?: WebSocketBehavior<unknown>
  /** Called once the request's body is complete. */
  readonly onRequest?: (seen: Seen) => void
  /** Called when the handler is; true: it has answered in there. */
  readonly onHead?: (response: HttpResponse, request: HttpRequest) => boolean
}

export interface App {
  readonly port: number
  readonly seen: Seen[]
  /** Waits until the condition holds; checked whenever something happened to a request. */
  until(condition: () => boolean): Promise<void>
}

let slots = 0
const freeSlots: number[] = []

function handler(options: AppOptions, seen: Seen[], changed: () => void) {
  return (response: HttpResponse, request: HttpRequest): void => {
    const slot = freeSlots.pop() ?? slots++
    let open = true
    const close = (): void => {
      if (!open) return
      open = false
      hooks.frontEndEnd(slot)
      freeSlots.push(slot)
    }
    const one: Seen = {
      method: request.getCaseSensitiveMethod(),
      url: request.getUrl(),
      slot,
      number: hooks.frontEndBegin(slot),
      head: hooks.frontEndHead()?.toString('latin1') ?? null,
      address: hooks.frontEndAddress(),
      body: Buffer.alloc(0),
      aborted: false,
      answer(body) {
        if (!open) return
        response.cork(() => response.end(body))
        close()
      },
    }
    response.onAborted(() => {
      one.aborted = true
      close()
      changed()
    })
    seen.push(one)
    if (options.onHead?.(response, request)) {
      close()
    } else {
      const parts: Buffer[] = []
      response.onData((chunk, last) => {
        parts.push(Buffer.from(Buffer.from(chunk)))
        if (!last) return
        one.body = Buffer.concat(parts)
        if (options.onRequest) options.onRequest(one)
        else setImmediate(() => one.answer(one.url))
        changed()
      })
    }
    changed()
  }
}

export function startApp(scope: Scope, options: AppOptions = {}): App {
  const seen: Seen[] = []
  const waiting = new Set<() => void>()
  const changed = (): void => waiting.forEach(check => check())
  const app = uws.App()
  let tls: number | null = null
  if (options.tls) {
    const pem = (name: string) => ({ name, text: readFileSync(name, 'utf8') })
    const { certificate, key } = options.tls
    tls = hooks.frontEndTls([{ hosts: [], certificate: pem(certificate), key: pem(key) }], null, false)
  }
  hooks.frontEndNextListener(tls, options.held ?? false)
  if (options.webSocket) app.ws('/socket', options.webSocket)
  app.any('/*', handler(options, seen, changed))
  let listening: us_listen_socket | undefined
  const took = (socket: us_listen_socket | false): void => {
    if (socket !== false) listening = socket
  }
  if (options.unix) app.listen_unix(took, options.unix)
  else app.listen(options.host ?? '127.0.0.1', 0, took)
  if (!listening) throw new Error('cannot listen')
  const port = options.unix ? 0 : uws.us_socket_local_port(listening)
  scope.after(() => app.close())
  return {
    port,
    seen,
    until: condition =>
      new Promise(resolve => {
        const check = (): void => {
          if (!condition()) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
}
