// Pins: an upgrade to WebSocket that a peer has not got goes to the next one, within `retries` and the budget; what a
// peer has answered, or begun to, is never tried elsewhere; and what a client reads of a failure is the table's.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { makeAuthority } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

/** Echoes what it gets, with its own name before it. */
async function startEchoPeer(t: TestContext, name: string): Promise<{ url: string; opened: () => number }> {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  let opened = 0
  sockets.on('connection', socket => {
    opened++
    socket.on('message', message => socket.send(`${name} ${(message as Buffer).toString()}`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, opened: () => opened }
}

const gatewayOf = (t: TestContext, peers: readonly string[], more: string): Promise<RunningGateway> =>
  startGateway(
    t,
    `upstreams:
  all: { peers: [ ${peers.map(url => `{ url: "${url}" }`).join(', ')} ], ${more} }
routes: [ { name: all, match: {}, upstream: all } ]
`,
  )

const handshake =
  'GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

/** The status of an upgrade request, and its problem where there is one. */
async function ask(t: TestContext, gateway: RunningGateway): Promise<{ status: number; code: string; text: string }> {
  const client = await RawClient.connect(t, gateway.port)
  await client.send(handshake)
  const { finals } = await within(15_000, 'an answer to the upgrade', client.finals(1))
  const text = finals[0]!.body.toString()
  const code = text.startsWith('{') ? (JSON.parse(text) as { code: string }).code : ''
  client.destroy()
  return { status: statusOf(finals[0]!), code, text }
}

async function echoed(t: TestContext, gateway: RunningGateway, text: string): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket`)
  t.after(() => socket.terminate())
  await once(socket, 'open')
  socket.send(text)
  const [message] = (await once(socket, 'message')) as [Buffer]
  return message.toString()
}

test('no peer accepts: 502, and no address in it', async t => {
  const ports = [await freePort(), await freePort()]
  const gateway = await gatewayOf(
    t,
    ports.map(port => `http://127.0.0.1:${port}`),
    'retries: 1',
  )
  const { status, code, text } = await ask(t, gateway)
  assert.deepEqual([status, code], [502, 'upstream_failed'])
  for (const port of ports) assert.ok(!text.includes(String(port)), text)
})

test('a peer that refuses: the next one gets the handshake, every time', async t => {
  const echo = await startEchoPeer(t, 'echo')
  const gateway = await gatewayOf(t, [`http://127.0.0.1:${await freePort()}`, echo.url], 'retries: 1')
  for (let i = 0; i < 6; i++) assert.equal(await echoed(t, gateway, String(i)), `echo ${i}`)
  assert.equal(echo.opened(), 6)
})

test('retries: 0 and an empty budget: the failure is the answer', async t => {
  for (const more of ['retries: 0', 'retries: 1, retryBudget: { ratio: 0, minPerSecond: 0 }']) {
    const echo = await startEchoPeer(t, 'echo')
    const gateway = await gatewayOf(t, [`http://127.0.0.1:${await freePort()}`, echo.url], more)
    const statuses = [(await ask(t, gateway)).status, (await ask(t, gateway)).status]
    assert.ok(statuses.includes(502), `${more}: ${statuses.join()}`)
  }
})

test('a peer whose certificate is not accepted has been sent nothing: the next one gets the handshake', async t => {
  const echo = await startEchoPeer(t, 'echo')
  const authority = makeAuthority(t)
  const { certificate, key } = authority.issue('localhost')
  let asked = 0
  const strange = createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) })
  strange.on('upgrade', (_request, socket) => {
    asked++
    socket.destroy()
  })
  await new Promise<void>(resolve => strange.listen(0, '127.0.0.1', resolve))
  t.after(() => strange.close())
  const url = `https://127.0.0.1:${(strange.address() as AddressInfo).port}`
  const gateway = await gatewayOf(t, [url, echo.url], 'retries: 1')
  for (let i = 0; i < 3; i++) assert.equal(await echoed(t, gateway, 'x'), 'echo x')
  assert.equal(asked, 0)
})

test('a peer that says nothing and closes: the handshake is a GET, so the next one gets it', async t => {
  const silent = await startRawUpstream(t, async (socket, received) => {
    await received('\r\n\r\n')
    socket.destroy()
  })
  const echo = await startEchoPeer(t, 'echo')
  const gateway = await gatewayOf(t, [silent.url, echo.url], 'retries: 1')
  for (let i = 0; i < 3; i++) assert.equal(await echoed(t, gateway, 'x'), 'echo x')
  assert.ok(silent.connections() > 0)
})

test('a peer that has begun to answer, or has answered, is the last', async t => {
  for (const [answer, status, code] of [
    ['HTTP/1.1 101 Switching', 502, 'upstream_failed'],
    ['no HTTP at all\r\n\r\n', 502, 'upstream_failed'],
    ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 502, 'upstream_failed'],
    ['HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno', 403, ''],
  ] as const) {
    const peer = await startRawUpstream(t, async (socket, received) => {
      await received('\r\n\r\n')
      socket.end(answer)
    })
    const echo = await startEchoPeer(t, 'echo')
    // Weight: the first attempt goes to the first peer.
    const gateway = await startGateway(
      t,
      `upstreams: { all: { peers: [ { url: "${peer.url}", weight: 1000 }, { url: "${echo.url}" } ], retries: 1 } }
routes: [ { name: all, match: {}, upstream: all } ]
`,
    )
    const found = await ask(t, gateway)
    assert.deepEqual([found.status, found.code], [status, code], answer)
    assert.equal(echo.opened(), 0, answer)
  }
})

test('a peer that never answers: 504 after the time for connecting', async t => {
  const silent = await startRawUpstream(t, () => {})
  const gateway = await gatewayOf(t, [silent.url], 'retries: 0, timeouts: { connectMs: 300 }')
  const { status, code } = await ask(t, gateway)
  assert.deepEqual([status, code], [504, 'upstream_timeout'])
})

test('a client that leaves while a later attempt is under way: the peer is left too', async t => {
  let left: () => void = () => {}
  const gone = new Promise<void>(resolve => (left = resolve))
  let reached: () => void = () => {}
  const asked = new Promise<void>(resolve => (reached = resolve))
  const silent = await startRawUpstream(t, async (socket, received) => {
    socket.once('close', left).once('end', left)
    await received('\r\n\r\n')
    reached()
  })
  const refusing = `http://127.0.0.1:${await freePort()}`
  const gateway = await gatewayOf(t, [refusing, silent.url], 'retries: 1, timeouts: { connectMs: 60000 }')
  const client = await RawClient.connect(t, gateway.port)
  await client.send(handshake)
  await within(10_000, 'the second attempt', asked)
  client.destroy()
  await within(10_000, 'the end of the second attempt', gone)
})
