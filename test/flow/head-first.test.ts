// Pins: a response's head reaches the client before the first byte of its body (event streams, long polls), whichever
// way the body is framed, and all that follows on the connection is as exact as ever.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { test } from 'node:test'
import { makeAuthority } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { readResponse, statusOf, valuesOf, type WireMessage } from '../helpers/wire.ts'

const get = (path = '/', fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`
const head = (fields: string): string => `HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`
const soon = 10_000

interface Conversation {
  readonly gateway: RunningGateway
  readonly client: RawClient
  /** The next connection of the upstream on which a request has come. */
  readonly upstream: () => Promise<Socket>
}

/** A gateway before an upstream whose answers the test writes, and a client that has sent one request. */
async function converse(scope: Scope, request: string, config = ''): Promise<Conversation> {
  const arrived: Socket[] = []
  const waiting: ((socket: Socket) => void)[] = []
  const upstream = await startRawUpstream(scope, socket => {
    socket.on('data', part => {
      if (!part.includes('\r\n\r\n')) return
      const next = waiting.shift()
      if (next) next(socket)
      else arrived.push(socket)
    })
  })
  const gateway = await startGateway(
    scope,
    `${config}
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ] } }
routes:
  - { name: ping, match: { path: /ping }, respond: { body: pong } }
  - { name: everything, match: { path: "/*" }, upstream: upstream }`,
  )
  const client = await RawClient.connect(scope, gateway.port)
  await client.send(request)
  const next = (): Promise<Socket> => {
    const socket = arrived.shift()
    return socket ? Promise.resolve(socket) : new Promise(resolve => waiting.push(resolve))
  }
  return { gateway, client, upstream: () => within(soon, 'the request at the upstream', next()) }
}

const contains = (client: RawClient, text: string): Promise<void> =>
  within(soon, `${JSON.stringify(text)} at the client`, client.contains(text))

/** The head alone: whole, and nothing behind it. */
async function headOf(client: RawClient): Promise<string> {
  await contains(client, '\r\n\r\n')
  const text = client.bytes.toString('latin1')
  assert.ok(text.endsWith('\r\n\r\n'), text)
  return text
}

function whole(client: RawClient, count: number): readonly WireMessage[] {
  const { finals, rest } = client.answers()
  assert.equal(finals.length, count)
  assert.equal(rest.length, 0)
  for (const message of finals) {
    assert.deepEqual(message.faults, [])
    for (const name of ['date', 'x-request-id']) assert.equal(valuesOf(message, name).length, 1, name)
  }
  return finals
}

const framings: readonly (readonly [name: string, fields: string, sent: RegExp, last: string, chunk: boolean])[] = [
  ['chunked', 'Transfer-Encoding: chunked', /\r\nTransfer-Encoding: chunked\r\n/, '0\r\n\r\n', true],
  ['with a length', 'Content-Length: 22', /\r\nContent-Length: 22\r\n/, '', false],
  ['until the upstream closes', 'Connection: close', /\r\nTransfer-Encoding: chunked\r\n/, '', false],
]

for (const [name, fields, sent, last, chunk] of framings) {
  test(`an event stream, ${name}, and the next request on the connection`, async t => {
    const { client, upstream } = await converse(t, get())
    const peer = await upstream()
    const event = (text: string): string => (chunk ? `${text.length.toString(16)}\r\n${text}\r\n` : text)
    peer.write(head(`Content-Type: text/event-stream\r\n${fields}`))
    assert.match(await headOf(client), sent)
    peer.write(event('data: one\n\n'))
    await contains(client, 'data: one\n\n')
    peer.write(event('data: two\n\n'))
    await contains(client, 'data: two\n\n')
    peer.write(last)
    if (name.startsWith('until')) peer.end()
    await within(soon, 'the end of the body', client.finals(1))
    assert.equal(whole(client, 1)[0]?.body.toString(), 'data: one\n\ndata: two\n\n')
    await client.send(get('/ping'))
    await within(soon, 'the next answer', client.finals(2))
    assert.equal(whole(client, 2)[1]?.body.toString(), 'pong')
  })
}

test('a stream that ends without an event', async t => {
  const { client, upstream } = await converse(t, get() + get('/ping'))
  const peer = await upstream()
  peer.write(head('Transfer-Encoding: chunked'))
  await headOf(client)
  peer.write('0\r\n\r\n')
  await within(soon, 'both answers', client.finals(2))
  assert.deepEqual(
    whole(client, 2).map(answer => answer.body.toString()),
    ['', 'pong'],
  )
})

test('requests sent ahead, each answered head first', async t => {
  const paths = ['/1', '/2', '/3', '/4']
  const { client, upstream } = await converse(t, paths.map(path => get(path)).join(''))
  for (const [index, path] of paths.entries()) {
    const peer = await upstream()
    const known = index % 2 === 0
    peer.write(head(`X-Number: ${index}\r\n${known ? 'Content-Length: 2' : 'Transfer-Encoding: chunked'}`))
    await contains(client, `X-Number: ${index}\r\n`)
    assert.match(client.bytes.toString('latin1'), known ? /Content-Length: 2\r\n\r\n$/ : /chunked\r\n\r\n$/)
    peer.write(known ? path : `2\r\n${path}\r\n0\r\n\r\n`)
    await within(soon, 'the answer', client.finals(index + 1))
  }
  assert.deepEqual(
    whole(client, 4).map(answer => answer.body.toString()),
    paths,
  )
})

test('a body larger than any buffer after its head', async t => {
  for (const chunked of [false, true]) {
    const body = Buffer.alloc(3_000_000, 'abcdefg')
    const { client, upstream } = await converse(t, get())
    const peer = await upstream()
    peer.write(head(chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`))
    await headOf(client)
    if (chunked) peer.write(`${body.length.toString(16)}\r\n`)
    peer.write(body)
    if (chunked) peer.write('\r\n0\r\n\r\n')
    await within(soon, 'the body', client.finals(1))
    assert.ok(whole(client, 1)[0]?.body.equals(body))
  }
})

test('an upstream that goes after its head ends the connection, and the body is not made to look whole', async t => {
  for (const fields of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    const { client, upstream } = await converse(t, get())
    const peer = await upstream()
    peer.write(head(fields))
    const sent = await headOf(client)
    peer.destroy()
    await within(soon, 'the end of the connection', client.ended())
    assert.equal(client.bytes.toString('latin1'), sent)
  }
})

test('a client that has asked to close, and one that waits for 100', async t => {
  const closing = await converse(t, get('/', 'Connection: close\r\n'))
  const peer = await closing.upstream()
  peer.write(head('Content-Length: 2'))
  await headOf(closing.client)
  peer.write('ok')
  await within(soon, 'the end', closing.client.ended())
  assert.equal(whole(closing.client, 1)[0]?.body.toString(), 'ok')

  const fields = 'Expect: 100-continue\r\nContent-Length: 4\r\n'
  const expecting = await converse(t, `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)
  await contains(expecting.client, 'HTTP/1.1 100 Continue\r\n\r\n')
  await expecting.client.send('body')
  const second = await expecting.upstream()
  second.write(head('Content-Length: 2'))
  await contains(expecting.client, '\r\nContent-Length: 2\r\n\r\n')
  second.write('ok')
  await within(soon, 'the answer', expecting.client.finals(1))
  assert.equal(whole(expecting.client, 1)[0]?.body.toString(), 'ok')
})

test('a head past what the front end sends in one piece leaves with the body, as exact', async t => {
  const { client, upstream } = await converse(t, get())
  const peer = await upstream()
  peer.write(head(`X-Long: ${'x'.repeat(20_000)}\r\nContent-Length: 2`))
  peer.write('o')
  await contains(client, '\r\n\r\no')
  peer.write('k')
  await within(soon, 'the answer', client.finals(1))
  assert.equal(whole(client, 1)[0]?.body.toString(), 'ok')
})

test('TLS: the head comes with the first byte of the body', async t => {
  const { certificate, key } = makeAuthority(t).issue('localhost', { names: ['localhost', '127.0.0.1'] })
  const tls = `listen: [ { address: 127.0.0.1, port: %PORT%, tls: { certificate: "${certificate}", key: "${key}" } } ]`
  const { gateway, upstream } = await converse(t, '', tls)
  const socket = connectTls({ port: gateway.port, host: '127.0.0.1', rejectUnauthorized: false })
  t.after(() => socket.destroy())
  let bytes = Buffer.alloc(0)
  const untilWhole = new Promise<WireMessage>(resolve => {
    socket.on('data', part => {
      bytes = Buffer.concat([bytes, part])
      const { whole } = readResponse(bytes, 0, 'GET', false)
      if (whole) resolve(whole)
    })
  })
  socket.write(get())
  const peer = await upstream()
  peer.write(head('Transfer-Encoding: chunked'))
  peer.write('5\r\nhello\r\n0\r\n\r\n')
  const answer = await within(soon, 'the answer', untilWhole)
  assert.deepEqual([statusOf(answer), answer.body.toString(), answer.faults], [200, 'hello', []])
})
