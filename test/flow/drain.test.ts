// Pins how a gateway under load stops on SIGTERM: what is in flight ends whole, slow readers too, nobody new is taken,
// what never ends is cut at the deadline, and the exit code is 0.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilHeldUp } from '../helpers/held-up.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startRawUpstream, startUpstream, type RunningUpstream } from '../helpers/upstream.ts'
import { readResponse, statusOf, valuesOf } from '../helpers/wire.ts'

const waitMs = 10_000
const bodyBytes = 32 * 1024 ** 2
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

interface Started {
  readonly gateway: RunningGateway
  /** The upstream connection of the next request for the path. */
  readonly arrival: (path: string) => Promise<Socket>
}

const yamlOf = (upstream: RunningUpstream, drainMs: number): string => `
workers: 2
timeouts: { drainMs: ${drainMs} }
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: upstream } ]
`

async function start(t: TestContext, drainMs: number): Promise<Started> {
  const arrivals = new Map<string, (socket: Socket) => void>()
  const upstream = await startRawUpstream(t, async (socket, received) => {
    const path = (await received('\r\n\r\n')).toString('latin1').split(' ')[1] ?? ''
    const arrived = arrivals.get(path)
    if (arrived) return arrived(socket)
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const gateway = await startGateway(t, yamlOf(upstream, drainMs))
  return { gateway, arrival: path => new Promise(resolve => arrivals.set(path, resolve)) }
}

async function terminate(gateway: RunningGateway): Promise<void> {
  const draining = gateway.line(/draining/)
  gateway.signal('SIGTERM')
  await within(waitMs, 'the drain', draining)
}

/** All that comes until the end of the connection: much faster than a client that looks at each piece. */
async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = []
  socket.removeAllListeners('data').on('data', part => parts.push(part))
  socket.resume()
  await within(waitMs, 'the end of the connection', once(socket, 'end'))
  return Buffer.concat(parts)
}

/** Asks again and again; every request on a connection that stays open gets its answer. */
async function keepAsking(client: RawClient): Promise<number> {
  for (let nth = 1; ; nth++) {
    await client.send(get('/'))
    const { finals, rest } = await within(waitMs, 'an answer, or the end', client.finals(nth))
    assert.equal(rest.length, 0, 'an answer was cut')
    for (const answer of finals) assert.equal(statusOf(answer), 200)
    if (finals.length < nth || valuesOf(finals[nth - 1]!, 'connection').includes('close')) return finals.length
  }
}

test('answers under way end whole, all who ask are answered, nobody new is taken, exit code 0', async t => {
  const { gateway, arrival } = await start(t, 30_000)
  const slow: { path: string; client: RawClient; socket: Socket }[] = []
  for (const path of ['/late', '/begun', '/chunked', '/unread', '/unread-chunked']) {
    const arrived = arrival(path)
    const client = await RawClient.connect(t, gateway.port)
    await client.send(get(path))
    slow.push({ path, client, socket: await within(waitMs, 'the request', arrived) })
  }
  const [late, begun, chunked, unread, unreadChunked] = slow
  begun!.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')
  await begun!.client.contains('hello')
  chunked!.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  await chunked!.client.contains('hello')
  const body = Buffer.alloc(bodyBytes, 'x')
  for (const { client } of [unread!, unreadChunked!]) client.socket.pause()
  unread!.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\n\r\n`)
  unread!.socket.write(body)
  unreadChunked!.socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n')
  unreadChunked!.socket.end(body)
  await within(waitMs, 'the first reader to hold up its answer', untilHeldUp(unread!.socket))
  await within(waitMs, 'the second reader to hold up its answer', untilHeldUp(unreadChunked!.socket))

  const asking = await Promise.all(Array.from({ length: 8 }, () => RawClient.connect(t, gateway.port)))
  const asked = asking.map(keepAsking)
  await Promise.all(asking.map(client => within(waitMs, 'an answer', client.finals(1))))
  await terminate(gateway)
  for (const count of await Promise.all(asked)) assert.ok(count > 0)
  // Both workers have stopped listening once this is refused; until then one may still take it.
  for (;;) {
    const socket = connect(gateway.port, '127.0.0.1')
    const outcome = await Promise.race([once(socket, 'connect'), once(socket, 'error')]).catch((error: unknown) => [
      error,
    ])
    socket.destroy()
    if ((outcome[0] as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED') break
  }

  late!.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate')
  begun!.socket.end('world')
  chunked!.socket.end('5\r\nworld\r\n0\r\n\r\n')
  const large = await Promise.all([unread!, unreadChunked!].map(({ client }) => readAll(client.socket)))
  const answers = [
    ...(await Promise.all([late!, begun!, chunked!].map(({ client }) => client.finals(1)))).map(
      ({ finals }) => finals[0],
    ),
    ...large.map(bytes => readResponse(bytes, 0, 'GET', true).whole),
  ]
  for (const [index, answer] of answers.entries()) assert.deepEqual(answer?.faults, [], slow[index]!.path)
  assert.deepEqual(
    answers.map(answer => answer!.body.length),
    [4, 10, 10, bodyBytes, bodyBytes],
  )
  // Only of this one the head had not left before the drain.
  assert.deepEqual(valuesOf(answers[0]!, 'connection'), ['close'])
  assert.equal(await within(waitMs, 'the exit', gateway.exited), 0)
})

test('an answer that its client has yet to read is not cut, though the gateway has nothing left to do', async t => {
  const body = 'x'.repeat(200_000)
  let answered = 0
  let calm = 0
  const upstream = await startUpstream(t, (_request, response) => {
    answered++
    calm = performance.now()
    response.setHeader('content-length', body.length).end(body)
  })
  const gateway = await startGateway(t, yamlOf(upstream, 30_000))
  const client = await RawClient.connect(t, gateway.port)
  client.socket.pause()
  // More than the kernel keeps for one who does not read.
  await client.send(get('/').repeat(100))
  while (answered === 0 || performance.now() - calm < 300) await new Promise(resolve => setTimeout(resolve, 20))
  assert.ok(answered > 5 && answered < 100, `${answered} answers`)
  await terminate(gateway)
  // The worker has time to do what it wants to do with the connection.
  await within(waitMs, 'the other worker to go', untilWorkers(gateway, 1))
  await new Promise(resolve => setTimeout(resolve, 200))
  const bytes = await readAll(client.socket)
  let at = 0
  for (let nth = 1; at < bytes.length; nth++) {
    const { whole } = readResponse(bytes, at, 'GET', false)
    assert.ok(whole, `answer ${nth} is cut after ${bytes.length - at} bytes`)
    assert.equal(whole.body.length, body.length)
    at += whole.size
  }
  assert.ok(at >= answered * body.length)
  assert.equal(await within(waitMs, 'the exit', gateway.exited), 0)
})

async function untilWorkers(gateway: RunningGateway, count: number): Promise<void> {
  while (gateway.workers().length > count) await new Promise(resolve => setTimeout(resolve, 10))
}

test('what does not end is cut at the deadline, not before, and the exit code is 0', async t => {
  const drainMs = 600
  const { gateway, arrival } = await start(t, drainMs)
  const arrived = arrival('/never')
  const client = await RawClient.connect(t, gateway.port)
  await client.send(get('/never'))
  const socket = await within(waitMs, 'the request', arrived)
  const gone = once(socket, 'close')
  socket.on('end', () => socket.end())
  const sinceMs = performance.now()
  await terminate(gateway)
  await within(waitMs, 'the end of the connection', client.ended())
  assert.ok(performance.now() - sinceMs >= drainMs - 50, 'cut before the deadline')
  assert.equal(client.answers().finals.length, 0)
  await within(waitMs, 'the end of the upstream connection', gone)
  assert.equal(await within(waitMs, 'the exit', gateway.exited), 0)
  t.diagnostic(`ended ${(performance.now() - sinceMs).toFixed(0)} ms after the signal, with ${drainMs} ms to drain`)
})
