// Pins timeouts.idleMs through a whole gateway: a client that lets its connection wait (for a head, for a body, by taking
// nothing of a response) is cut, the upstream's request with it; one that is only slow is not, nor is one that the
// upstream lets wait. Of the bounds the lower one is exact, so that is what is measured.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import { makeAuthority } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

const idleMs = 1000
/** Longer than any bound of a client's that would be wrong here: two ticks late at most, and room for a busy machine. */
const longMs = 3 * idleMs

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
const post = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`

/** Sends a piece every 50 ms until the connection ends. */
async function drip(client: RawClient, piece: string): Promise<void> {
  while (!client.closed) {
    await client.send(piece)
    await pause(50)
  }
}

async function endsAfter(client: RawClient, sinceMs: number): Promise<void> {
  await client.ended()
  const tookMs = performance.now() - sinceMs
  assert.ok(tookMs >= idleMs, `ended after ${tookMs} ms`)
}

function isTimeout(client: RawClient): void {
  const { finals, rest } = client.answers()
  assert.equal(rest.length, 0)
  const last = finals.at(-1)!
  assert.equal(statusOf(last), 408)
  assert.equal((JSON.parse(last.body.toString()) as { code: string }).code, 'request_timeout')
  assert.ok(last.headers.some(([name, value]) => /^connection$/i.test(name) && value === 'close'))
}

interface Upstream {
  readonly url: string
  readonly requests: IncomingMessage[]
  /** The next request on that path, with its response. */
  next(path: string): Promise<{ request: IncomingMessage; response: ServerResponse }>
}

async function startUpstream(ends: (() => unknown)[]): Promise<Upstream> {
  const requests: IncomingMessage[] = []
  const waiting = new Map<string, (one: { request: IncomingMessage; response: ServerResponse }) => void>()
  const server = createServer((request, response) => {
    requests.push(request)
    const taker = waiting.get(request.url!)
    if (taker) taker({ request, response })
    else response.end('ok')
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => socket.on('message', message => socket.send(message as Buffer)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  ends.push(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    next: path => new Promise(resolve => waiting.set(path, resolve)),
  }
}

/** A client that takes nothing before it is told to. */
async function connectPaused(t: TestContext, port: number, bytes: string, tls: boolean): Promise<Socket> {
  const socket = tls ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }) : connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.pause()
  socket.on('error', () => {})
  await once(socket, tls ? 'secureConnect' : 'connect')
  socket.write(bytes)
  return socket
}

/** Writes for as long as the response is open. */
function writeForEver(response: ServerResponse): void {
  const piece = Buffer.alloc(256 * 1024, 'x')
  const more = (): void => {
    while (response.writable && response.write(piece));
    if (response.writable) response.once('drain', more)
  }
  more()
}

describe('clients', { concurrency: true }, () => {
  const ends: (() => unknown)[] = []
  let gateway: RunningGateway
  let upstream: Upstream
  let tlsPort: number

  before(async () => {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    upstream = await startUpstream(ends)
    const { certificate, key } = makeAuthority(scope).issue('localhost')
    tlsPort = await freePort()
    gateway = await startGateway(
      scope,
      `listen:
  - { address: 127.0.0.1, port: %PORT% }
  - { address: 127.0.0.1, port: ${tlsPort}, tls: { certificate: ${certificate}, key: ${key} } }
timeouts: { idleMs: ${idleMs} }
upstreams: { up: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: up, webSocket: true } ]
`,
    )
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  const ways: [string, (t: TestContext) => Promise<RawClient>][] = [
    ['plain', t => RawClient.connect(t, gateway.port)],
    ['TLS', t => RawClient.connectTls(t, tlsPort)],
  ]

  for (const [way, open] of ways) {
    test(`${way}: a head of which a byte comes now and then gets 408, the upstream nothing`, async t => {
      const sinceMs = performance.now()
      const client = await open(t)
      await client.send(`GET /slow-head-${way} HTTP/1.1\r\nHost: x\r\nA: `)
      await Promise.all([drip(client, 'a'), endsAfter(client, sinceMs)])
      isTimeout(client)
      assert.ok(upstream.requests.every(({ url }) => url !== `/slow-head-${way}`))
    })

    test(`${way}: a client that says nothing, and one that says nothing more, is closed without a word`, async t => {
      const silent = await open(t)
      const sinceMs = performance.now()
      const served = await open(t)
      await served.send(get('/ok'))
      await Promise.all([endsAfter(silent, sinceMs), endsAfter(served, sinceMs)])
      assert.equal(silent.bytes.length, 0)
      assert.deepEqual(served.answers().finals.map(statusOf), [200])
      assert.equal(served.answers().rest.length, 0)
    })

    test(`${way}: a slow head behind a request gets 408 behind its answer`, async t => {
      const client = await open(t)
      await client.send(get('/ok'))
      await client.finals(1)
      const sinceMs = performance.now()
      await client.send('GET /second HTTP/1.1\r\nA: ')
      await Promise.all([drip(client, 'a'), endsAfter(client, sinceMs)])
      assert.deepEqual(client.answers().finals.map(statusOf), [200, 408])
      isTimeout(client)
    })

    test(`${way}: a body that stops gets 408, and the upstream's request ends`, async t => {
      const seen = upstream.next(`/stops-${way}`)
      const client = await open(t)
      await client.send(post(`/stops-${way}`, 100) + 'abc')
      const sinceMs = performance.now()
      const { request } = await seen
      const broken = once(request, 'error')
      await endsAfter(client, sinceMs)
      isTimeout(client)
      assert.equal(((await broken) as [NodeJS.ErrnoException])[0].code, 'ECONNRESET')
    })
  }

  test('a TLS handshake that is not begun is closed', async t => {
    const sinceMs = performance.now()
    const client = await RawClient.connect(t, tlsPort)
    await endsAfter(client, sinceMs)
    // TLS' own end: an alert (RFC 8446 6.1, close_notify) in the clear.
    assert.deepEqual([...client.bytes], [0x15, 3, 3, 0, 2, 1, 0])
  })

  test('a body that crawls gets 408, chunked or by length', async t => {
    for (const head of [
      post('/crawls', 1_000_000),
      'POST /crawls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n',
    ]) {
      void upstream.next('/crawls')
      const client = await RawClient.connect(t, gateway.port)
      const sinceMs = performance.now()
      await client.send(head)
      await Promise.all([drip(client, 'x'), endsAfter(client, sinceMs)])
      isTimeout(client)
    }
  })

  test('a body that stops after an answer has begun closes the connection', async t => {
    const seen = upstream.next('/early')
    const client = await RawClient.connect(t, gateway.port)
    await client.send(post('/early', 100) + 'abc')
    const { request, response } = await seen
    const broken = once(request, 'error')
    response.write('begun')
    await client.contains('begun')
    await client.ended()
    assert.deepEqual(client.answers().finals.length, 0, 'a cut body does not look whole')
    await broken
  })

  test('a slow body that brings its bytes is let through', async t => {
    const seen = upstream.next('/slow-body')
    const client = await RawClient.connect(t, gateway.port)
    const piece = 'x'.repeat(100)
    const pieces = longMs / 100
    await client.send(post('/slow-body', pieces * piece.length))
    const { request, response } = await seen
    request.resume().once('end', () => response.end('whole'))
    for (let i = 0; i < pieces; i++) {
      await client.send(piece)
      await pause(100)
    }
    assert.deepEqual((await client.finals(1)).finals.map(statusOf), [200])
  })

  for (const [way, framing] of [
    ['plain', 'chunked'],
    ['plain', 'length'],
    ['TLS', 'chunked'],
    ['TLS', 'length'],
  ]) {
    test(`${way}: a client that takes nothing of a response is cut, the upstream's with it (${framing})`, async t => {
      const path = `/stalls-${way}-${framing}`
      const seen = upstream.next(path)
      await connectPaused(t, way === 'TLS' ? tlsPort : gateway.port, get(path), way === 'TLS')
      const { response } = await seen
      if (framing === 'length') response.setHeader('content-length', 1e12)
      const closed = once(response, 'close')
      writeForEver(response)
      await closed
      assert.equal(response.writableFinished, false)
    })
  }

  for (const way of ['plain', 'TLS']) {
    test(`${way}: a client that takes a little now and then is not`, async t => {
      const path = `/sips-${way}`
      const seen = upstream.next(path)
      const socket = await connectPaused(t, way === 'TLS' ? tlsPort : gateway.port, get(path), way === 'TLS')
      const { response } = await seen
      writeForEver(response)
      let taken = 0
      socket.on('data', (part: Buffer) => {
        taken += part.length
        socket.pause()
      })
      const untilMs = performance.now() + longMs + 2 * idleMs
      while (performance.now() < untilMs) {
        socket.resume()
        await pause(50)
      }
      assert.ok(response.writable && !socket.destroyed && taken > 0)
    })
  }

  test('the upstream may be slow: to answer, and between events', async t => {
    const late = upstream.next('/late')
    const events = upstream.next('/events')
    const waiting = await RawClient.connect(t, gateway.port)
    const listening = await RawClient.connect(t, gateway.port)
    await Promise.all([waiting.send(get('/late')), listening.send(get('/events'))])
    const { response } = await events
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    await pause(longMs)
    response.end('data: 2\n\n')
    ;(await late).response.end('late')
    assert.deepEqual((await waiting.finals(1)).finals.map(statusOf), [200])
    await listening.contains('data: 2\n\n')
  })

  test('a client that keeps asking is kept, and so is a silent WebSocket', async t => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket`)
    t.after(() => socket.terminate())
    await once(socket, 'open')
    const client = await RawClient.connect(t, gateway.port)
    const rounds = longMs / 200
    for (let i = 0; i < rounds; i++) {
      await client.send(get('/ok'))
      await pause(200)
    }
    assert.equal((await client.finals(rounds)).finals.length, rounds)
    socket.send('still here')
    assert.equal(String((await once(socket, 'message'))[0]), 'still here')
  })
})

test('0 is for ever, and a reload with another time counts for open connections', async t => {
  const echo = await startEcho(t)
  const yaml = (idle: number): string => `timeouts: { idleMs: ${idle} }
upstreams: { up: { peers: [ { url: "${echo.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: up } ]
`
  const gateway = await startGateway(t, yaml(0))
  const client = await RawClient.connect(t, gateway.port)
  await client.send(get('/1'))
  await client.finals(1)
  await pause(longMs)
  await client.send(get('/2'))
  assert.equal((await client.finals(2)).finals.length, 2)
  const sinceMs = performance.now()
  assert.match(await gateway.reload(yaml(idleMs)), /reloaded version=/)
  await client.ended()
  assert.ok(performance.now() - sinceMs < 10_000)
})
