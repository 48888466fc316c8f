// Pins: a WebSocket whose other side does not read is held up, whichever side that is; what is under way lies in the
// kernel's buffers and not in the gateway, and every message arrives, in order, when the other side reads on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { makeAuthority } from '../helpers/certificates.ts'
import { residentKiB, startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'

const soon = 30_000
const messages = 768
const messageBytes = 128 * 1024
const grownKiB = 24 * 1024
const calmProbes = 30

interface Joined {
  readonly gateway: RunningGateway
  readonly client: WebSocket
  readonly upstream: WebSocket
}

async function join(scope: Scope, listen = ''): Promise<Joined> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  scope.after(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const gateway = await startGateway(
    scope,
    `${listen}
upstreams: { upstream: { peers: [ { url: "http://127.0.0.1:${port}" } ] } }
routes:
  - { name: ping, match: { path: /ping }, respond: { body: pong } }
  - { name: everything, match: { path: "/*" }, upstream: upstream }`,
  )
  const connected = once(server, 'connection') as Promise<[WebSocket]>
  const url = `${listen === '' ? 'ws' : 'wss'}://127.0.0.1:${gateway.port}/`
  const client = new WebSocket(url, { perMessageDeflate: false, rejectUnauthorized: false })
  scope.after(() => client.terminate())
  const [[upstream]] = await within(soon, 'the connection', Promise.all([connected, once(client, 'open')]))
  return { gateway, client, upstream }
}

/** Other requests, one after another, until through `calmProbes` of them the sender got rid of nothing. */
async function untilHeld(scope: Scope, gateway: RunningGateway, sender: WebSocket): Promise<void> {
  const other = await RawClient.connect(scope, gateway.port)
  let before = -1
  for (let [calm, probes] = [0, 0]; calm < calmProbes; probes++) {
    await other.send('GET /ping HTTP/1.1\r\nHost: a\r\n\r\n')
    await within(soon, 'another request', other.finals(probes + 1))
    const now = sender.bufferedAmount
    calm = now === before ? calm + 1 : 0
    before = now
  }
}

function sendAll(sender: WebSocket): void {
  for (let i = 0; i < messages; i++) {
    const message = Buffer.alloc(messageBytes, i % 251)
    message.writeUInt32BE(i)
    sender.send(message)
  }
}

/** Resolves when all have come, in order. */
function receiveAll(receiver: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0
    receiver.on('message', (message: Buffer) => {
      if (message.length !== messageBytes || message.readUInt32BE() !== next || message.at(-1) !== next % 251) {
        reject(new Error(`message ${next} is another one`))
      }
      if (++next === messages) resolve()
    })
    receiver.once('close', code => reject(new Error(`closed with ${code} after ${next} messages`)))
  })
}

async function heldUp(scope: Scope, { gateway, client, upstream }: Joined, from: 'client' | 'upstream'): Promise<void> {
  const [sender, receiver] = from === 'client' ? [client, upstream] : [upstream, client]
  const [worker] = gateway.workers()
  assert.ok(worker !== undefined)
  receiver.pause()
  const received = receiveAll(receiver)
  const before = residentKiB(worker)
  sendAll(sender)
  await untilHeld(scope, gateway, sender)
  assert.ok(sender.bufferedAmount > (messages * messageBytes) / 4, `${sender.bufferedAmount} bytes are held`)
  const grown = residentKiB(worker) - before
  assert.ok(grown < grownKiB, `the worker grew by ${grown} KiB`)
  receiver.resume()
  await within(soon, 'all messages', received)
  const closed = once(receiver, 'close')
  sender.close(1000)
  await within(soon, 'the end', closed)
}

test('an upstream that does not read', async t => {
  await heldUp(t, await join(t), 'client')
})

test('a client that does not read', async t => {
  await heldUp(t, await join(t), 'upstream')
})

test('an upstream that does not read and then goes: the client is told', async t => {
  const { gateway, client, upstream } = await join(t)
  upstream.pause()
  sendAll(client)
  await untilHeld(t, gateway, client)
  const closed = once(client, 'close')
  upstream.terminate()
  await within(soon, 'the end at the client', closed)
})

test('an upstream that does not read, and a client over TLS', async t => {
  const { certificate, key } = makeAuthority(t).issue('localhost')
  const { client, upstream } = await join(
    t,
    `listen: [ { address: 127.0.0.1, port: %PORT%, tls: { certificate: "${certificate}", key: "${key}" } } ]`,
  )
  upstream.pause()
  const received = receiveAll(upstream)
  sendAll(client)
  upstream.resume()
  await within(soon, 'all messages', received)
})
