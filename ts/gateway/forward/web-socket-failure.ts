// Why an upstream's WebSocket could not be opened, in the words of the upstream client (ErrorReason, AttemptFlag), so
// that retries, health and metrics treat it like any other attempt. Called by web-socket.ts; knows `ws` and Node's codes.
import type { ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import { AttemptFlag, ErrorReason } from '../../shared/native.ts'

/** How far the handshake has come. */
const Stage = { connecting: 0, connected: 1, sent: 2 } as const

/** Watches one handshake, from before its connection is made. */
export class HandshakeWatch {
  readonly #tls: boolean
  #stage: number = Stage.connecting
  #socket: Socket | null = null
  #reused = 0
  #bytesBefore = 0

  constructor(request: ClientRequest, tls: boolean) {
    this.#tls = tls
    request.once('socket', socket => this.#follow(socket))
  }

  #follow(socket: Socket): void {
    this.#socket = socket
    // A kept connection has been connected long before, and has bytes of earlier answers behind it.
    this.#bytesBefore = socket.bytesRead
    const ready = (): void => void (this.#stage = Stage.sent)
    if (!socket.connecting) {
      this.#reused = AttemptFlag.reused
      return ready()
    }
    socket.once('connect', () => (this.#stage = this.#tls ? Stage.connected : Stage.sent))
    // Node writes the request once TLS is up.
    if (this.#tls) socket.once('secureConnect', ready)
  }

  /** Bits of AttemptFlag. */
  get flags(): number {
    if (this.#stage !== Stage.sent) return AttemptFlag.nothingSent | AttemptFlag.nothingReceived
    const received = (this.#socket?.bytesRead ?? 0) > this.#bytesBefore
    return this.#reused | (received ? 0 : AttemptFlag.nothingReceived)
  }

  /** The ErrorReason for what `ws` reported. */
  reasonOf(error: NodeJS.ErrnoException): number {
    switch (error.code ?? '') {
      case 'ECONNREFUSED':
      case 'ENOENT': // a unix socket that is not there
        return ErrorReason.refused
      case 'EHOSTUNREACH':
      case 'ENETUNREACH':
      case 'EADDRNOTAVAIL':
        return ErrorReason.unreachable
      case 'EMFILE':
      case 'ENFILE':
        return ErrorReason.descriptorLimit
      case 'ETIMEDOUT':
        return this.#stage === Stage.sent ? ErrorReason.responseTimeout : ErrorReason.connectTimeout
      default:
        return this.#otherReason(error)
    }
  }

  #otherReason(error: NodeJS.ErrnoException): number {
    if (error.message === handshakeTimedOut) {
      return this.#stage === Stage.sent ? ErrorReason.responseTimeout : ErrorReason.connectTimeout
    }
    if (this.#stage === Stage.connected) return ErrorReason.tls
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return ErrorReason.reset
    // What is left is an answer that is no HTTP, or not this handshake's.
    return this.#stage === Stage.sent ? ErrorReason.badResponse : ErrorReason.unreachable
  }
}

/** The message of `ws`, which gives it no code. */
const handshakeTimedOut = 'Opening handshake has timed out'
