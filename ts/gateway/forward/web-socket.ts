// WebSockets: the front end ends the client's, `ws` begins the upstream's, and messages are relayed between them.
// (uWebSockets.js cannot tunnel raw bytes after an upgrade.) The client is upgraded only when the upstream has
// accepted, with the subprotocol it chose; an upstream that declines has its status passed on by the caller.
// Pings, pongs and close codes travel end to end. A slow client pauses the upstream's socket; a slow upstream has
// native/downstream stop reading from the client. Where that cannot be, what waits for it is bounded and the pair is
// closed past that. A client that is not read from for two minutes has answered no ping and is closed by the front end.
import type { HttpRequest, HttpResponse, TemplatedApp, WebSocket as ClientSocket } from 'uWebSockets.js'
import { WebSocket as UpstreamSocket } from 'ws'
import type { HeaderPair } from '../../config/plan.ts'
import { AttemptFlag, ErrorReason, native } from '../../shared/native.ts'
import type { Handshake } from '../exchange.ts'
import { HandshakeWatch } from './web-socket-failure.ts'

/** A message larger than this closes its connection with 1009. */
const maxMessageBytes = 16 * 1024 * 1024
/** Above this the other side's reading is paused, above the next the connection is closed where it cannot be. */
const pauseAboveBytes = 256 * 1024
const closeAboveBytes = 32 * 1024 * 1024
/** Close codes that may not be sent (RFC 6455 7.4.1): they stand for "no code" and "connection lost". */
const sendable = (code: number): boolean =>
  (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 4999 && code !== 1015)

export interface UpstreamTarget {
  /** `ws://host:port/path`, `wss://…` or `ws+unix:/socket:/path`. */
  readonly url: string
  readonly headers: Record<string, string | string[]>
  readonly connectTimeoutMs: number
  readonly tls: { ca?: Buffer; cert?: Buffer; key?: Buffer; servername?: string; rejectUnauthorized?: boolean }
}

export interface ConnectHandlers {
  /** The upstream said 101: upgrade the client by calling `relay.upgrade`. */
  accepted(): void
  /** The upstream answered with another status. */
  declined(status: number, headers: readonly HeaderPair[], body: Uint8Array): void
  /** There is no answer that could be used: an ErrorReason, bits of AttemptFlag. */
  failed(reason: number, flags: number): void
}

/** An upstream's answer other than 101 is passed on up to this length. */
const maxDeclinedBytes = 64 * 1024
/** Of the connection, or written by the front end. */
const ownHeaders = new Set(
  'connection keep-alive proxy-connection te trailer transfer-encoding upgrade content-length date'.split(' '),
)

/** `raw`: name, value, name, value, ... */
function declinedHeaders(raw: readonly string[]): HeaderPair[] {
  const pairs: HeaderPair[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (!ownHeaders.has(raw[i]!.toLowerCase())) pairs.push([raw[i]!, raw[i + 1]!])
  }
  return pairs
}

/** What the front end keeps with a client's socket: it copies the properties of what it is given. */
interface Joined {
  readonly relay: Relay
}

/** One client's and one upstream's WebSocket, joined. */
export class Relay {
  readonly upstream: UpstreamSocket
  client: ClientSocket<Joined> | null = null
  /** Messages that came before the client was upgraded. */
  #early: { message: Buffer; binary: boolean }[] = []
  #over = false
  /** Called once when it is over, after it had been joined. */
  onOver: (() => void) | null = null
  /** Of the client, as native/downstream knows it; 0: it does not. */
  #connection = 0
  #clientStopped = false
  readonly #relays: Set<Relay>

  constructor(target: UpstreamTarget, protocols: readonly string[], handlers: ConnectHandlers, relays: Set<Relay>) {
    this.#relays = relays
    let watch: HandshakeWatch | null = null
    this.upstream = new UpstreamSocket(target.url, [...protocols], {
      headers: target.headers,
      handshakeTimeout: target.connectTimeoutMs,
      maxPayload: maxMessageBytes,
      perMessageDeflate: false,
      autoPong: false,
      followRedirects: false,
      finishRequest: request => {
        watch = new HandshakeWatch(request, target.url.startsWith('wss'))
        request.end()
      },
      ...target.tls,
    })
    relays.add(this)
    let settled = false
    this.upstream.on('open', () => {
      settled = true
      handlers.accepted()
    })
    this.upstream.on('unexpected-response', (_request, response) => {
      settled = true
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= maxDeclinedBytes) chunks.push(chunk)
        else response.destroy()
      })
      response.on('close', () => {
        this.abandon()
        handlers.declined(response.statusCode ?? 502, declinedHeaders(response.rawHeaders), Buffer.concat(chunks))
      })
    })
    this.upstream.on('error', error => {
      if (settled) return
      settled = true
      this.abandon()
      // No request was even made of a target that `ws` cannot read.
      if (watch === null) handlers.failed(ErrorReason.badResponse, AttemptFlag.nothingSent)
      else handlers.failed(watch.reasonOf(error), watch.flags)
    })
    this.upstream.on('message', (message: Buffer, binary) => this.#toClient(message, binary))
    this.upstream.on('ping', payload => this.client?.ping(payload))
    this.upstream.on('close', (code, reason) => this.#upstreamClosed(code, reason))
  }

  /** `connection`: as `frontEndConnection` says. */
  upgrade(response: HttpResponse, handshake: Handshake, requestId: string, connection: number): void {
    this.#connection = connection
    response.cork(() => {
      response.writeStatus('101 Switching Protocols')
      response.writeHeader('x-request-id', requestId)
      response.upgrade<Joined>({ relay: this }, handshake.key, this.upstream.protocol, '', handshake.context)
    })
  }

  opened(client: ClientSocket<Joined>): void {
    this.client = client
    for (const { message, binary } of this.#early) this.#toClient(message, binary)
    this.#early = []
  }

  /** The client has gone before it was upgraded, or the upstream has declined. */
  abandon(): void {
    this.#end()
    this.upstream.on('error', () => {})
    this.upstream.terminate()
  }

  #end(): void {
    this.#over = true
    this.#relays.delete(this)
    this.onOver?.()
    this.onOver = null
  }

  toUpstream(message: ArrayBuffer, binary: boolean): void {
    if (this.upstream.readyState !== UpstreamSocket.OPEN) return
    // The front end takes the memory back when this returns.
    this.upstream.send(Buffer.from(message.slice(0)), { binary }, this.#upstreamTook)
    const waiting = this.upstream.bufferedAmount
    if (waiting > pauseAboveBytes && !this.#clientStopped) {
      this.#clientStopped = native().frontEndStopReading(this.#connection, true)
    }
    if (waiting > closeAboveBytes && !this.#clientStopped) this.client?.end(1013, 'the upstream is too slow')
  }

  readonly #upstreamTook = (): void => {
    if (this.upstream.bufferedAmount <= pauseAboveBytes) this.#goOn()
  }

  #goOn(): void {
    if (!this.#clientStopped) return
    this.#clientStopped = false
    native().frontEndStopReading(this.#connection, false)
  }

  clientDrained(): void {
    if (this.upstream.isPaused && (this.client?.getBufferedAmount() ?? 0) <= pauseAboveBytes) this.upstream.resume()
  }

  clientClosed(code: number, reason: ArrayBuffer): void {
    this.client = null
    if (this.#over) return
    this.#end()
    if (sendable(code)) this.upstream.close(code, Buffer.from(reason.slice(0)))
    else if (code === 1005) this.upstream.close()
    else this.upstream.terminate()
  }

  /** The worker stops: both sides are told to go elsewhere. */
  goAway(): void {
    this.#goOn()
    this.client?.end(1001, 'the gateway is going away')
  }

  #toClient(message: Buffer, binary: boolean): void {
    const { client } = this
    if (client === null) {
      if (!this.#over) this.#early.push({ message, binary })
      return
    }
    client.send(message, binary)
    if (client.getBufferedAmount() > pauseAboveBytes) this.upstream.pause()
  }

  #upstreamClosed(code: number, reason: Buffer): void {
    if (this.#over) return
    this.#end()
    const { client } = this
    this.client = null
    if (client === null) return
    // It has to be read from to be seen to close.
    this.#goOn()
    if (sendable(code)) client.end(code, reason)
    else if (code === 1005) client.end()
    else client.close()
  }
}

export class WebSockets {
  readonly #relays = new Set<Relay>()

  get active(): number {
    return this.#relays.size
  }

  connect(target: UpstreamTarget, protocols: readonly string[], handlers: ConnectHandlers): Relay {
    return new Relay(target, protocols, handlers, this.#relays)
  }

  goAway(): void {
    for (const relay of this.#relays) relay.goAway()
  }

  /** Adds the behaviour to an app; `upgrade` gets the request before anything has been answered. */
  attach(
    app: TemplatedApp,
    upgrade: (response: HttpResponse, request: HttpRequest, handshake: Handshake) => void,
  ): void {
    app.ws<Joined>('/*', {
      maxPayloadLength: maxMessageBytes,
      maxBackpressure: 0,
      closeOnBackpressureLimit: false,
      idleTimeout: 120,
      sendPingsAutomatically: true,
      upgrade: (response, request, context) => {
        upgrade(response, request, {
          key: request.getHeader('sec-websocket-key'),
          protocols: request.getHeader('sec-websocket-protocol'),
          context,
        })
      },
      open: socket => socket.getUserData().relay.opened(socket),
      message: (socket, message, binary) => socket.getUserData().relay.toUpstream(message, binary),
      drain: socket => socket.getUserData().relay.clientDrained(),
      ping: (socket, payload) => {
        const { upstream } = socket.getUserData().relay
        if (upstream.readyState === UpstreamSocket.OPEN) upstream.ping(Buffer.from(payload.slice(0)))
      },
      pong: (socket, payload) => {
        const { upstream } = socket.getUserData().relay
        if (upstream.readyState === UpstreamSocket.OPEN) upstream.pong(Buffer.from(payload.slice(0)))
      },
      close: (socket, code, reason) => socket.getUserData().relay.clientClosed(code, reason),
    })
  }
}
