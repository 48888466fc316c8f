// Pins: a receiver that does not read, or reads little at a time, holds the sender up, in each direction; what is under
// way then lies in the kernel's buffers and not in the gateway, and all of it arrives when the receiver reads on.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { residentKiB, startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startRawUpstream, type RunningUpstream } from '../helpers/upstream.ts'

const bodyBytes = 512 * 1024 ** 2
const piece = Buffer.alloc(256 * 1024, 'x')
/** The largest buffer that the kernel gives a socket, of `tcp_rmem` or `tcp_wmem`. */
const largestBuffer = (name: string): number =>
  Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2])
/** The kernel's buffers on the two connections, and a little of the gateway's. */
const heldBytes = 2 * (largestBuffer('tcp_rmem') + largestBuffer('tcp_wmem')) + 8 * 1024 ** 2
const grownKiB = 32 * 1024
const calmProbes = 50

const config = (upstream: RunningUpstream): string => `
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ] } }
routes:
  - { name: ping, match: { path: /ping }, respond: { body: pong } }
  - { name: everything, match: { path: "/*" }, upstream: upstream }
`

/** Writes the body as fast as the socket takes it. */
function pour(socket: Socket): void {
  let sent = 0
  const more = (): void => {
    while (sent < bodyBytes) {
      sent += piece.length
      if (!socket.write(piece)) return
    }
    socket.off('drain', more)
  }
  socket.on('drain', more)
  more()
}

/** Bytes that the kernel has taken from a sender. */
const taken = (socket: Socket): number => socket.bytesWritten - socket.writableLength

/** Other requests, one after another, until through `calmProbes` of them the sender got rid of nothing. */
async function untilHeld(scope: Scope, gateway: RunningGateway, sender: Socket): Promise<number> {
  const client = await RawClient.connect(scope, gateway.port)
  let before = taken(sender)
  for (let [calm, probes] = [0, 0]; calm < calmProbes && before < bodyBytes; probes++) {
    await client.send(`GET /ping HTTP/1.1\r\nHost: a\r\n\r\n`)
    await within(10_000, 'another request', client.finals(probes + 1))
    const now = taken(sender)
    calm = now === before ? calm + 1 : 0
    before = now
  }
  return before
}

/** Reads everything, and resolves when `count` bytes have come after the head. */
function readBody(socket: Socket, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0
    let inHead = true
    socket.on('data', part => {
      const from = inHead ? part.indexOf('\r\n\r\n', 0, 'latin1') + 4 : 0
      inHead = false
      got += part.length - from
      if (got === count) resolve()
    })
    socket.once('close', () => reject(new Error(`the connection ended after ${got} of ${count} bytes`)))
    socket.resume()
  })
}

async function expectHeld(scope: Scope, gateway: RunningGateway, sender: Socket, beforeKiB: number): Promise<void> {
  const [worker] = gateway.workers()
  assert.ok(worker !== undefined)
  const held = await untilHeld(scope, gateway, sender)
  assert.ok(held < heldBytes, `the sender got rid of ${held} bytes although nobody read`)
  const grown = residentKiB(worker) - beforeKiB
  assert.ok(grown < grownKiB, `the worker grew by ${grown} KiB`)
}

test('an upload to an upstream that does not read', async t => {
  let arrived: (socket: Socket) => void = () => {}
  const upstreamSocket = new Promise<Socket>(resolve => (arrived = resolve))
  const upstream = await startRawUpstream(t, socket => {
    socket.removeAllListeners('data')
    socket.pause()
    arrived(socket)
  })
  const gateway = await startGateway(t, config(upstream))
  const before = residentKiB(gateway.workers()[0] as number)
  const client = createConnection(gateway.port, '127.0.0.1')
  t.after(() => client.destroy())
  client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bodyBytes}\r\n\r\n`)
  pour(client)
  const receiver = await within(10_000, 'the upstream connection', upstreamSocket)
  await expectHeld(t, gateway, client, before)
  await within(60_000, 'the body', readBody(receiver, bodyBytes))
  receiver.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const answer = await within(10_000, 'the answer', new Promise<Buffer>(resolve => client.once('data', resolve)))
  assert.match(answer.toString('latin1'), /^HTTP\/1\.1 200 /)
})

test('a download by a client that does not read', async t => {
  let arrived: (socket: Socket) => void = () => {}
  const upstreamSocket = new Promise<Socket>(resolve => (arrived = resolve))
  const upstream = await startRawUpstream(t, async (socket, received) => {
    await received('\r\n\r\n')
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\n\r\n`)
    pour(socket)
    arrived(socket)
  })
  const gateway = await startGateway(t, config(upstream))
  const before = residentKiB(gateway.workers()[0] as number)
  const client = createConnection(gateway.port, '127.0.0.1')
  t.after(() => client.destroy())
  client.pause()
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const sender = await within(10_000, 'the upstream connection', upstreamSocket)
  await expectHeld(t, gateway, sender, before)
  await within(60_000, 'the body', readBody(client, bodyBytes))
})

// Through a unix socket: its buffer takes less at a time than what is read from the upstream.
test('a download of unknown length by a client that reads little at a time', async t => {
  const readBytes = 128 * 1024 ** 2
  // 1.5 MiB were measured, and 20 where the next bytes were read while earlier ones still waited.
  const mostKiB = 10 * 1024
  const upstream = await startRawUpstream(t, async (socket, received) => {
    await received('\r\n\r\n')
    socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n')
    pour(socket)
  })
  const folder = mkdtempSync(join(tmpdir(), 'polygate-back-pressure-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'gateway.sock')
  const gateway = await startGateway(t, `listen: [ { unix: ${path} } ]\n${config(upstream)}`)
  const [worker] = gateway.workers()
  assert.ok(worker !== undefined)
  const before = residentKiB(worker)
  const client = createConnection(path)
  t.after(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  let [read, largest] = [0, 0]
  const readAll = async (): Promise<void> => {
    for await (const part of client as AsyncIterable<Buffer>) {
      read += part.length
      largest = Math.max(largest, residentKiB(worker))
      if (read >= readBytes) return
      // Other events first: the gateway is always ahead of this reader.
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }
  await within(60_000, 'the body', readAll())
  assert.ok(read >= readBytes, `the connection ended after ${read} bytes`)
  assert.ok(largest - before < mostKiB, `the worker grew by ${largest - before} KiB`)
})
