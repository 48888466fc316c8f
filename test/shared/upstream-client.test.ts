// Pins: the upstream client as JavaScript sees it, over real sockets: rows and slab, bodies both ways, back-pressure,
// what happens inside the callback, and that neither workers nor an idle client keep a process from ending.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  AttemptFlag,
  ErrorReason,
  native,
  Row,
  rowInts,
  RowKind,
  SubmitFlag,
  type EndpointOptions,
  type UpstreamClient,
} from '../../ts/shared/native.ts'

interface Answer {
  kind: number
  status: number
  head: string
  body: Buffer
  length: number
  reason: number
  attempt: number
}

/** A client that gathers each tag's rows, and tells whoever waits for one. */
class Gatherer {
  readonly client: UpstreamClient
  readonly answers = new Map<number, Answer>()
  onRow: (tag: number, kind: number) => void = () => {}

  constructor() {
    this.client = new (native().UpstreamClient)(
      { slabBytes: 1 << 20, maxRows: 64, headerPrefix: '\r\nvia: 1.1 test' },
      rows => this.take(rows),
    )
  }

  private take(count: number): void {
    const { rows, slab } = this.client
    const tags = Array.from({ length: count }, (_, row) => rows[row * rowInts + Row.tag])
    for (let row = 0; row < count; row++) {
      const at = (index: number): number => rows[row * rowInts + index] ?? 0
      const tag = at(Row.tag)
      assert.equal(tag, tags[row], 'a row changed under the callback')
      const answer = this.answers.get(tag) ?? {
        kind: 0,
        status: 0,
        head: '',
        body: Buffer.alloc(0),
        length: 0,
        reason: 0,
        attempt: 0,
      }
      this.answers.set(tag, answer)
      answer.kind |= at(Row.kind)
      if (at(Row.kind) & RowKind.head) {
        answer.status = at(Row.status)
        answer.head = slab.latin1Slice(at(Row.headOffset), at(Row.headOffset) + at(Row.headLength))
        answer.length = (at(Row.lengthLow) >>> 0) + at(Row.lengthHigh) * 2 ** 32
      }
      const body = slab.subarray(at(Row.bodyOffset), at(Row.bodyOffset) + at(Row.bodyLength))
      answer.body = Buffer.concat([answer.body, body])
      answer.reason = at(Row.reason)
      answer.attempt = at(Row.attempt)
      this.onRow(tag, at(Row.kind))
    }
  }

  /** Resolves when `tag` has ended or failed. */
  async ended(tag: number): Promise<Answer> {
    return this.row(tag, RowKind.end | RowKind.error)
  }

  async row(tag: number, bits: number): Promise<Answer> {
    const before = this.onRow
    await new Promise<void>(resolve => {
      const seen = (): boolean => ((this.answers.get(tag)?.kind ?? 0) & bits) !== 0
      if (seen()) return resolve()
      this.onRow = (changed, kind) => {
        before(changed, kind)
        if (seen()) resolve()
      }
    })
    this.onRow = before
    return this.answers.get(tag) as Answer
  }
}

const endpoint = (port: number, changes: Partial<EndpointOptions> = {}): EndpointOptions => ({
  ip: '127.0.0.1',
  port,
  unix: null,
  tls: null,
  connectTimeoutMs: 5_000,
  responseTimeoutMs: 5_000,
  idleTimeoutMs: 5_000,
  maxConnections: 16,
  maxWaiting: 16,
  poolIdleMs: 5_000,
  ...changes,
})

async function listen(context: TestContext, accept: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    accept(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Calls `answer` for each head that arrives. */
const eachHead = (answer: (head: string, socket: Socket) => void) => (socket: Socket) => {
  let text = ''
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end + 4)
      text = text.slice(end + 4)
      answer(head, socket)
    }
  })
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`
const sized = (body: string): string =>
  `HTTP/1.1 200 OK\r\nX-Name: value\r\nDate: now\r\nContent-Length: ${body.length}\r\n\r\n${body}`

function gather(context: TestContext): Gatherer {
  const gatherer = new Gatherer()
  context.after(() => gatherer.client.close())
  return gatherer
}

test('a small response is one row, and connections are used again', async context => {
  const port = await listen(
    context,
    eachHead((head, socket) => socket.write(sized(head.split(' ')[1] ?? ''))),
  )
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  for (let tag = 1; tag <= 20; tag++) {
    assert.ok(
      gatherer.client.submit(
        tag,
        id,
        SubmitFlag.replayable,
        0,
        tag % 2 ? get(`/${tag}`) : Buffer.from(get(`/${tag}`)),
      ) > 0,
    )
    const answer = await gatherer.ended(tag)
    const path = `/${tag}`
    assert.equal(answer.body.toString(), path)
    assert.equal(answer.head, '\r\nvia: 1.1 test\r\nX-Name: value')
    assert.deepEqual([answer.status, answer.length], [200, path.length])
    const bits = RowKind.head | RowKind.data | RowKind.end | RowKind.length | RowKind.asciiHead | RowKind.asciiBody
    assert.equal(answer.kind, bits)
  }
  assert.deepEqual(gatherer.client.stats(id), { inFlight: 0, waiting: 0, idle: 1, connections: 1, connects: 1 })
})

test('a 64 KiB and a chunked response come whole', async context => {
  const large = 'x'.repeat(65536)
  const port = await listen(
    context,
    eachHead((head, socket) => {
      if (head.startsWith('GET /large')) return socket.write(sized(large))
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel')
      setImmediate(() => socket.write('lo\r\n6;x=y\r\n world\r\n0\r\nTrailer: gone\r\n\r\n'))
    }),
  )
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  gatherer.client.submit(1, id, 0, 0, get('/large'))
  gatherer.client.submit(2, id, 0, 0, get('/chunked'))
  assert.equal((await gatherer.ended(1)).body.toString(), large)
  const chunked = await gatherer.ended(2)
  assert.equal(chunked.body.toString(), 'hello world')
  assert.equal(chunked.kind & RowKind.length, 0)
})

test('a streamed upload obeys back-pressure', async context => {
  const size = 32 << 20
  let received = 0
  const port = await listen(context, socket => {
    socket.pause()
    setTimeout(() => socket.resume(), 50)
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length
      if (bytes.includes('\r\n0\r\n\r\n')) socket.write(sized('done'))
    })
  })
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  const ticket = gatherer.client.submit(1, id, 0, 2, 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n')
  const chunk = new Uint8Array(100_000).fill(97)
  let most = 0
  let drains = 0
  for (let written = 0; written < size; written += chunk.length) {
    const unsent = gatherer.client.write(ticket, written % 200_000 ? chunk : chunk.slice().buffer, false)
    most = Math.max(most, unsent)
    if (unsent > 65536) {
      const answer = gatherer.answers.get(1)
      if (answer) answer.kind = 0
      await gatherer.row(1, RowKind.drain)
      drains++
    }
  }
  gatherer.client.write(ticket, new Uint8Array(0), true)
  assert.equal((await gatherer.ended(1)).body.toString(), 'done')
  assert.ok(drains > 0 && most < 300_000, `${drains} drains, ${most} bytes held at most`)
  assert.ok(received > size)
})

test('a cancelled request brings no row and closes its connection', async context => {
  let closed = 0
  let heads = 0
  const port = await listen(context, socket => {
    eachHead(() => heads++)(socket)
    socket.on('close', () => closed++)
  })
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  const ticket = gatherer.client.submit(1, id, 0, 0, get('/'))
  while (heads === 0) await new Promise(setImmediate)
  gatherer.client.cancel(ticket)
  gatherer.client.cancel(ticket)
  while (closed === 0) await new Promise(setImmediate)
  assert.equal(gatherer.answers.size, 0)
  assert.equal(gatherer.client.stats(id).connections, 0)
})

test('pause holds the sender back, resume brings the rest', async context => {
  const size = 64 << 20
  let unwritten = size
  const port = await listen(
    context,
    eachHead((_, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      const more = (): void => {
        while (unwritten > 0) {
          unwritten -= 65536
          if (!socket.write(Buffer.alloc(65536))) return
        }
      }
      socket.on('drain', more)
      more()
    }),
  )
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  const ticket = gatherer.client.submit(1, id, 0, 0, get('/'))
  let bytes = 0
  let rows = 0
  let stopped = false
  gatherer.onRow = tag => {
    const answer = gatherer.answers.get(tag) as Answer
    bytes += answer.body.length
    answer.body = Buffer.alloc(0)
    if (++rows === 1) {
      gatherer.client.pause(ticket)
      stopped = true
    } else assert.ok(!stopped, 'a row while paused')
  }
  await gatherer.row(1, RowKind.data)
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setTimeout(resolve, 1))
  assert.ok(unwritten > 0, 'all was read though nobody wanted it')
  stopped = false
  gatherer.client.resume(ticket)
  await gatherer.ended(1)
  assert.equal(bytes, size)
})

test('requests made inside the callback leave its rows alone', async context => {
  const port = await listen(
    context,
    eachHead((head, socket) => socket.write(sized(head.split(' ')[1] ?? ''))),
  )
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  let submitted = 16
  gatherer.onRow = (tag, kind) => {
    assert.equal(gatherer.answers.get(tag)?.body.toString(), `/${tag}`)
    for (let more = 0; more < 2 && submitted < 500 && kind & RowKind.end; more++) {
      submitted++
      const ticket = gatherer.client.submit(submitted, id, 0, 0, get(`/${submitted}`))
      if (ticket < 0) {
        assert.equal(ticket, -ErrorReason.poolFull)
        submitted--
        break
      }
      // Nothing of this one goes out: the connection serves the next.
      gatherer.client.cancel(gatherer.client.submit(0, id, 0, 0, get('/cancelled')))
    }
  }
  for (let tag = 1; tag <= 16; tag++) gatherer.client.submit(tag, id, 0, 0, get(`/${tag}`))
  await gatherer.ended(500)
  assert.ok(!gatherer.answers.has(0))
})

test('failures name their reason', async context => {
  const port = await listen(
    context,
    eachHead((_, socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na')),
  )
  const gatherer = gather(context)
  const { client } = gatherer
  const bad = client.addEndpoint(endpoint(port))
  client.submit(1, bad, 0, 0, get('/'))
  assert.equal((await gatherer.ended(1)).reason, ErrorReason.badResponse)
  const slow = client.addEndpoint(
    endpoint(await listen(context, () => {}), { responseTimeoutMs: 60, maxConnections: 1, maxWaiting: 0 }),
  )
  client.submit(2, slow, 0, 0, get('/'))
  assert.equal(client.submit(3, slow, 0, 0, get('/')), -ErrorReason.poolFull)
  const late = await gatherer.ended(2)
  assert.deepEqual([late.reason, late.attempt], [ErrorReason.responseTimeout, AttemptFlag.nothingReceived])
  assert.equal(client.submit(4, 99, 0, 0, get('/')), -ErrorReason.noEndpoint)
  client.removeEndpoint(slow)
  assert.equal(client.submit(5, slow, 0, 0, get('/')), -ErrorReason.noEndpoint)
  assert.throws(() => client.addEndpoint(endpoint(1, { ip: 'localhost' })), /localhost/)
  const tls = { serverName: 'a', ca: '/nowhere/ca.pem', certificate: null, key: null, verify: true }
  assert.throws(() => client.addEndpoint(endpoint(1, { tls })), /nowhere/)
  assert.throws(() => client.submit(6, bad, 0, 0, 7 as unknown as string), /head/)
})

test('close fails what is in flight, and the client is deaf afterwards', async context => {
  const port = await listen(context, () => {})
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  const ticket = gatherer.client.submit(1, id, 0, 0, get('/'))
  gatherer.client.close()
  assert.equal(gatherer.answers.get(1)?.reason, ErrorReason.clientClosed)
  assert.equal(gatherer.client.submit(2, id, 0, 0, get('/')), -ErrorReason.clientClosed)
  assert.equal(gatherer.client.write(ticket, new Uint8Array(1), true), 0)
  gatherer.client.close()
})

test('close inside the callback gives the other requests their rows', async context => {
  const port = await listen(
    context,
    eachHead((head, socket) => head.startsWith('GET /now') && socket.write(sized('now'))),
  )
  const gatherer = gather(context)
  const id = gatherer.client.addEndpoint(endpoint(port))
  gatherer.client.submit(1, id, 0, 0, get('/never'))
  gatherer.client.submit(2, id, 0, 0, get('/now'))
  gatherer.onRow = tag => {
    if (tag === 2) gatherer.client.close()
  }
  assert.equal((await gatherer.ended(1)).reason, ErrorReason.clientClosed)
})

async function run(script: string, ...args: string[]): Promise<{ code: number | null; text: string }> {
  const file = fileURLToPath(new URL(`fixture/${script}`, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, text }
}

test('three workers load the addon at once, serve, and exit cleanly, closed or not', async context => {
  const port = await listen(
    context,
    eachHead((_, socket) => socket.write(sized('hello'))),
  )
  assert.deepEqual(await run('upstream-workers.ts', String(port)), { code: 0, text: 'hello hello hello\n' })
})

test('an idle client does not keep its process, a busy one does', async context => {
  const port = await listen(
    context,
    eachHead((_, socket) => setTimeout(() => socket.write(sized('late')), 100)),
  )
  assert.deepEqual(await run('upstream-idle.ts', String(port)), { code: 0, text: 'late\n' })
})

test('a request made when the loop is about to sleep goes out at once', async context => {
  const port = await listen(
    context,
    eachHead((_, socket) => socket.write(sized('hello'))),
  )
  assert.deepEqual(await run('upstream-late.ts', String(port)), { code: 0, text: 'hello true\n' })
})
