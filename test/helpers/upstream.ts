// Upstreams for tests: node:http with a handler, and a raw TCP peer that a script drives byte by byte. Real sockets on
// port 0, closed with the test.
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Scope } from './scope.ts'

export interface RunningUpstream {
  readonly port: number
  /** `http://127.0.0.1:PORT`, as a peer's url in the configuration. */
  readonly url: string
  /** Connections that it has accepted so far. */
  connections(): number
  close(): Promise<void>
}

async function listen(scope: Scope, server: Server): Promise<RunningUpstream> {
  const sockets = new Set<Socket>()
  let accepted = 0
  server.on('connection', socket => {
    accepted++
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // Node's 511 are too few for a test that connects at once: a dropped SYN is sent again after a second only.
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve)
  })
  const { port } = server.address() as AddressInfo
  const close = (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    return new Promise(resolve => server.close(() => resolve()))
  }
  scope.after(close)
  return { port, url: `http://127.0.0.1:${port}`, connections: () => accepted, close }
}

/** An HTTP upstream. Its keep-alive connections stay open until the test ends. */
export function startUpstream(scope: Scope, handler: RequestListener): Promise<RunningUpstream> {
  const server = createHttpServer({ keepAliveTimeout: 0 }, handler)
  return listen(scope, server)
}

/** An HTTP upstream that answers each request with what it saw of it, as JSON: method, url, headers, body. */
export const startEcho = (scope: Scope): Promise<RunningUpstream> =>
  startUpstream(scope, (req, res) => {
    void readBody(req).then(body => {
      const { method, url, rawHeaders } = req
      const text = JSON.stringify({ method, url, rawHeaders, headers: req.headers, body: body.toString('latin1') })
      res.writeHead(200, { 'content-type': 'application/json' }).end(text)
    })
  })

export async function readBody(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}

/**
 * A raw TCP upstream: `script` is called for each connection, with a function that waits until the received bytes
 * contain `text` and gives all bytes so far (it rejects when the peer ends first).
 */
export function startRawUpstream(
  scope: Scope,
  script: (socket: Socket, received: (text: string) => Promise<Buffer>) => unknown,
): Promise<RunningUpstream> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    let bytes = Buffer.alloc(0)
    let over = false
    const checks = new Set<() => void>()
    const wake = (): void => checks.forEach(check => check())
    socket.on('data', part => {
      bytes = Buffer.concat([bytes, part])
      wake()
    })
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        over = true
        wake()
      })
    }
    const received = (text: string): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = bytes.includes(text, 0, 'latin1')
          if (!found && !over) return
          checks.delete(check)
          if (found) resolve(bytes)
          else reject(new Error(`the peer ended before it sent ${JSON.stringify(text)}`))
        }
        checks.add(check)
        check()
      })
    void Promise.resolve(script(socket, received)).catch(() => socket.destroy())
  })
  return listen(scope, server)
}
