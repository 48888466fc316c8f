// A raw upstream that records every request as the strict reader sees it, and answers each with its number: so a test
// can tell which answer belongs to which request.
import type { Socket } from 'node:net'
import type { Scope } from './scope.ts'
import { startRawUpstream, type RunningUpstream } from './upstream.ts'
import { methodOf, readRequest, targetOf, type WireMessage } from './wire.ts'

export interface Recorded {
  /** Sent back as `x-sequence`. */
  readonly sequence: number
  readonly method: string
  readonly target: string
  readonly message: WireMessage
}

export interface Recorder extends RunningUpstream {
  readonly requests: readonly Recorded[]
  /** Bytes that have come but are no whole request, of each connection that has such. */
  unfinished(): Buffer[]
  /** Forgets what was recorded; connections with unfinished bytes are closed. */
  reset(): void
}

interface Connection {
  readonly socket: Socket
  bytes: Buffer
}

/** Answers with status 200, `x-sequence`, `x-target`, and the request's own body. */
export async function startRecorder(scope: Scope): Promise<Recorder> {
  const requests: Recorded[] = []
  const connections = new Set<Connection>()
  let sequence = 0
  const take = (connection: Connection): void => {
    while (connection.bytes.length > 0) {
      const { whole } = readRequest(connection.bytes)
      if (!whole) return
      connection.bytes = connection.bytes.subarray(whole.size)
      const recorded = { sequence: ++sequence, method: methodOf(whole), target: targetOf(whole), message: whole }
      requests.push(recorded)
      answer(connection.socket, recorded)
    }
  }
  const upstream = await startRawUpstream(scope, socket => {
    const connection: Connection = { socket, bytes: Buffer.alloc(0) }
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
    socket.once('end', () => socket.end())
    socket.on('data', part => {
      connection.bytes = Buffer.concat([connection.bytes, part])
      take(connection)
    })
  })
  return {
    ...upstream,
    requests,
    unfinished: () => [...connections].filter(one => one.bytes.length > 0).map(one => one.bytes),
    reset: () => {
      requests.length = 0
      for (const one of connections) if (one.bytes.length > 0) one.socket.destroy()
    },
  }
}

function answer(socket: Socket, { sequence, method, target, message }: Recorded): void {
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${message.body.length}\r\nX-Sequence: ${sequence}\r\nX-Target: ${target}\r\n\r\n`
  socket.write(method === 'HEAD' ? head : Buffer.concat([Buffer.from(head, 'latin1'), message.body]))
}
