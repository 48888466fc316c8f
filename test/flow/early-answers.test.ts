// Pins what happens when an upstream answers before it has the whole request body: the client gets that answer whole,
// the rest of its body reaches nobody as a request, and what it sends next is answered rightly or the connection ends.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { taken, untilHeldUp } from '../helpers/held-up.ts'
import { untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startRawUpstream, type RunningUpstream } from '../helpers/upstream.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'

const waitMs = 5000
const bodyBytes = 8 * 1024 ** 2
const pieceBytes = 64 * 1024
/** More than all buffers on the way hold. */
const heldBytes = 64 * 1024 ** 2
const heldPath = '/held'

const refusal = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large'
const closing = refusal.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')
const chunkedRefusal = 'HTTP/1.1 413 Content Too Large\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n'

/** What the peer does once it has the head of an upload (and, in the same read, perhaps some of its body). */
const answers: Record<string, (socket: Socket) => void> = {
  'keeps the connection and reads on': socket => socket.write(refusal),
  'keeps the connection and reads no more': socket => {
    socket.pause()
    socket.write(refusal)
  },
  'says close and closes': socket => socket.end(closing),
  'says close and resets': socket => socket.write(closing, () => setTimeout(() => socket.resetAndDestroy(), 20)),
  'closes without having said so': socket => socket.end(refusal),
  'answers in chunks': socket => socket.write(chunkedRefusal),
}

const paths = new Map(Object.keys(answers).map(name => [name, `/${name.replaceAll(' ', '-')}`]))

/** The body of a request, in pieces that look like requests where they are taken for such. */
function pieceOf(count: number): Buffer {
  return Buffer.from('GET /stolen HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(Math.ceil(count / 30)).slice(0, count), 'latin1')
}

describe('an upstream that answers before the upload ends', () => {
  const ends: (() => unknown)[] = []
  const scope: Scope = { after: end => void ends.push(end) }
  const stolen: string[] = []
  let arrived: (socket: Socket) => void = () => {}
  const held = new Promise<Socket>(resolve => (arrived = resolve))
  let upstream: RunningUpstream
  let gateway: RunningGateway

  before(async () => {
    upstream = await startRawUpstream(scope, async (socket, received) => {
      const head = (await received('\r\n\r\n')).toString('latin1')
      const path = head.split(' ')[1] ?? ''
      for (const [name, answer] of Object.entries(answers)) if (paths.get(name) === path) return answer(socket)
      if (path === heldPath) {
        socket.pause()
        return arrived(socket)
      }
      if (path === '/stolen') stolen.push(head)
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    gateway = await startGateway(
      scope,
      `
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ], retries: 1 } }
routes: [ { name: all, match: { path: "/*" }, upstream: upstream } ]
`,
    )
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  for (const [name, path] of paths) {
    for (const framing of ['a length', 'chunks'] as const) {
      test(`${name}, to a body with ${framing}`, async t => {
        const client = await RawClient.connect(t, gateway.port)
        const frame = framing === 'a length' ? `Content-Length: ${bodyBytes}` : 'Transfer-Encoding: chunked'
        await client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\n${frame}\r\n\r\n`)
        const send = (piece: Buffer): Promise<void> =>
          client.send(
            framing === 'a length'
              ? piece
              : Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
          )
        const piece = pieceOf(pieceBytes)
        await send(piece)
        const { finals } = await within(waitMs, 'the answer', client.finals(1))
        assert.equal(finals.length, 1, 'the connection ended without the answer')
        assert.equal(statusOf(finals[0]!), 413)
        assert.deepEqual(finals[0]!.faults, [])
        assert.equal(finals[0]!.body.toString(), 'too large')

        // The rest of the body, and a request behind it.
        for (let sent = pieceBytes; sent < bodyBytes && !client.closed; sent += pieceBytes) await send(piece)
        if (framing === 'chunks') await client.send('0\r\n\r\n')
        await client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
        const all = await within(waitMs, 'the next answer, or the end', client.finals(2))
        if (all.finals.length === 2) assert.equal(all.finals[1]!.body.toString(), 'ok')
        else assert.deepEqual(valuesOf(finals[0]!, 'connection'), ['close'], 'the connection ended without a word')
        assert.equal(all.rest.length, 0)
      })
    }
  }

  test('reads nothing and answers when the client is held up: the client is let go', async t => {
    const client = await RawClient.connect(t, gateway.port)
    await client.send(`POST ${heldPath} HTTP/1.1\r\nHost: a\r\nContent-Length: ${heldBytes}\r\n\r\n`)
    const sent = client.send(pieceOf(heldBytes))
    const socket = await within(waitMs, 'the upload', held)
    await within(waitMs, 'the client to be held up', untilHeldUp(client.socket))
    assert.ok(taken(client.socket) < heldBytes)
    socket.write(refusal)
    const { finals } = await within(waitMs, 'the answer', client.finals(1))
    assert.equal(finals[0]?.body.toString(), 'too large')
    await within(waitMs, 'the rest of the body', sent)
    await client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    const all = await within(waitMs, 'the next answer', client.finals(2))
    assert.equal(all.finals[1]?.body.toString(), 'ok')
  })

  test('nothing of a body was taken for a request, and nothing is in flight', async () => {
    await untilMetrics(
      gateway,
      'no request in flight',
      samples =>
        samples.get('http_server_active_requests') === 0 &&
        samples.get('polygate_upstream_pool_connections{upstream="upstream",state="used"}') === 0,
    )
    assert.deepEqual(stolen, [])
  })
})
