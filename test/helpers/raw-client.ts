// A client of one TCP connection that sends bytes as they are and reads the answers strictly.
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { Scope } from './scope.ts'
import { readResponse, statusOf, type WireMessage } from './wire.ts'

export interface Answers {
  /** Final responses, in order. */
  readonly finals: readonly WireMessage[]
  readonly interims: readonly WireMessage[]
  /** Bytes after the last whole response. */
  readonly rest: Buffer
}

export class RawClient {
  readonly #socket: Socket
  readonly #checks = new Set<() => void>()
  #bytes = Buffer.alloc(0)
  #closed = false
  #reset = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', part => {
      this.#bytes = Buffer.concat([this.#bytes, part])
      this.#wake()
    })
    socket.on('error', error => (this.#reset = (error as NodeJS.ErrnoException).code === 'ECONNRESET'))
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        this.#closed = true
        this.#wake()
      })
    }
  }

  /** Rejects when nothing accepts. `from`: the client's own address, any of 127.0.0.0/8 on Linux. */
  static async connect(scope: Scope, port: number, from = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true, allowHalfOpen: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const client = new RawClient(socket)
    scope.after(() => client.destroy())
    return client
  }

  /** Over TLS. Rejects when the handshake fails. Believes any certificate unless the options say otherwise. */
  static async connectTls(scope: Scope, port: number, options: ConnectionOptions = {}): Promise<RawClient> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    const client = new RawClient(socket)
    scope.after(() => client.destroy())
    return client
  }

  #wake(): void {
    for (const check of this.#checks) check()
  }

  /** Whether the other side has ended the connection. */
  get closed(): boolean {
    return this.#closed
  }

  /** Whether it ended with a reset. */
  get wasReset(): boolean {
    return this.#reset
  }

  /** All bytes that have come. */
  get bytes(): Buffer {
    return this.#bytes
  }

  get socket(): Socket {
    return this.#socket
  }

  /** Strings are latin-1: a character is a byte. Resolves when the kernel has taken all, or the connection is gone. */
  send(bytes: string | Buffer): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writable) return Promise.resolve()
    // The callback comes with an error when the connection goes first: `closed` says so.
    return new Promise(resolve => {
      this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => resolve())
    })
  }

  /** What has come so far. `methods`: of the requests that the final responses answer, in order; GET where it ends. */
  answers(methods: readonly string[] = []): Answers {
    const finals: WireMessage[] = []
    const interims: WireMessage[] = []
    let at = 0
    while (at < this.#bytes.length) {
      const { whole } = readResponse(this.#bytes, at, methods[finals.length] ?? 'GET', this.#closed)
      if (!whole) break
      const status = statusOf(whole)
      if (status >= 100 && status < 200 && status !== 101) interims.push(whole)
      else finals.push(whole)
      at += whole.size
      if (status === 101) break
    }
    return { finals, interims, rest: this.#bytes.subarray(at) }
  }

  /** Waits for `count` final responses or the end of the connection, whichever is first. */
  async finals(count: number, methods: readonly string[] = []): Promise<Answers> {
    await this.#until(() => this.#closed || this.answers(methods).finals.length >= count)
    return this.answers(methods)
  }

  /** Waits for the other side to end the connection. */
  ended(): Promise<void> {
    return this.#until(() => this.#closed)
  }

  /** Waits until the received bytes contain `text`; rejects when the connection ends first. */
  async contains(text: string): Promise<void> {
    await this.#until(() => this.#closed || this.#bytes.includes(text, 0, 'latin1'))
    if (!this.#bytes.includes(text, 0, 'latin1'))
      throw new Error(`the connection ended before ${JSON.stringify(text)} came`)
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const check = (): void => {
        if (!holds()) return
        this.#checks.delete(check)
        resolve()
      }
      this.#checks.add(check)
      check()
    })
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
