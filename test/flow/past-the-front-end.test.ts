// Pins that requests which go past the front end (a whole head, no body) and those which do not share a connection in
// order, and that no batch is too large for their rows and commands.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { startEcho, startRawUpstream } from '../helpers/upstream.ts'
import { methodOf, statusOf, targetOf, valuesOf } from '../helpers/wire.ts'

const waitMs = 20_000

const requests = [
  'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /static HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /5 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'DELETE /6 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /7 HTTP/1.1\r\nHost: a\r\nExpect: nonsense\r\n\r\n',
  'GET /never HTTP/1.1\r\nHost: a\r\n\r\n',
]
// The unknown expectation is refused, and its connection closed: nothing after it is read.
const answered = 7
const methods = requests.map(request => methodOf({ startLine: request }))

async function start(t: TestContext): Promise<RunningGateway> {
  const echo = await startEcho(t)
  return startGateway(
    t,
    `workers: 1
upstreams: { echo: { peers: [ { url: "${echo.url}" } ], pool: { maxConnections: 1000 } } }
routes:
  - { name: static, match: { path: /static }, respond: { status: 200, body: "an answer of our own" } }
  - { name: echo, match: { path: "/*" }, upstream: echo }
`,
  )
}

for (const split of [false, true]) {
  test(`both kinds on one connection, ${split ? 'a byte at a time' : 'all at once'}`, async t => {
    const client = await RawClient.connect(t, (await start(t)).port)
    const bytes = requests.join('')
    if (split) for (const byte of bytes) await client.send(byte)
    else await client.send(bytes)
    const { finals, rest } = await within(waitMs, 'the answers', client.finals(answered, methods))
    assert.equal(rest.length, 0)
    assert.deepEqual(finals.map(statusOf), [200, 200, 200, 200, 200, 200, 417])
    for (const [nth, final] of finals.entries()) {
      if (methods[nth] === 'HEAD' || nth === 3 || nth === 6) continue
      const seen = JSON.parse(final.body.toString()) as { method: string; url: string; body: string }
      assert.deepEqual([seen.method, seen.url], [methods[nth], targetOf({ startLine: requests[nth]! })])
    }
    assert.equal(finals[3]!.body.toString(), 'an answer of our own')
  })
}

test('3,000 requests sent at once on one connection', async t => {
  const client = await RawClient.connect(t, (await start(t)).port)
  await client.send('GET /static HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3000))
  const { finals, rest } = await within(waitMs, 'the answers', client.finals(3000))
  assert.equal(rest.length, 0)
  assert.equal(finals.length, 3000)
  assert.ok(finals.every(final => final.body.toString() === 'an answer of our own'))
})

test('800 connections that ask at once', async t => {
  const { port } = await start(t)
  const clients = await Promise.all(Array.from({ length: 800 }, () => RawClient.connect(t, port)))
  await Promise.all(clients.map((client, nth) => client.send(`GET /${nth} HTTP/1.1\r\nHost: a\r\n\r\n`)))
  const answers = await within(waitMs, 'the answers', Promise.all(clients.map(client => client.finals(1))))
  for (const [nth, { finals }] of answers.entries()) {
    assert.equal(statusOf(finals[0]!), 200, finals[0]!.body.toString())
    assert.equal((JSON.parse(finals[0]!.body.toString()) as { url: string }).url, `/${nth}`)
  }
})

test('clients and upstreams that break off at once: every other request is answered, and none is left', async t => {
  const upstream = await startRawUpstream(t, async (socket, received) => {
    const head = (await received('\r\n\r\n')).toString('latin1')
    if (head.startsWith('GET /good')) {
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood')
    } else {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun')
      setImmediate(() => socket.resetAndDestroy())
    }
  })
  const gateway = await startGateway(
    t,
    `workers: 1
upstreams: { raw: { peers: [ { url: "${upstream.url}" } ], retries: 0, health: { passive: false } } }
routes: [ { name: all, match: { path: "/*" }, upstream: raw } ]
`,
  )
  let over = false
  const cutting = Array.from({ length: 12 }, async () => {
    while (!over) {
      const client = await RawClient.connect(t, gateway.port)
      await client.send('GET /cut HTTP/1.1\r\nHost: a\r\n\r\n')
      await Promise.race([client.contains('begun').catch(() => {}), client.ended()])
      client.socket.resetAndDestroy()
    }
  })
  const good = Array.from({ length: 6 }, async () => {
    for (let nth = 0; nth < 150; nth++) {
      const client = await RawClient.connect(t, gateway.port)
      await client.send('GET /good HTTP/1.1\r\nHost: a\r\n\r\n')
      const { finals } = await within(waitMs, 'an answer', client.finals(1))
      assert.equal(finals[0]?.body.toString(), 'good')
      client.destroy()
    }
  })
  await Promise.all(good)
  over = true
  await within(waitMs, 'the last that cut', Promise.all(cutting))
  await untilMetric(gateway, 'http_server_active_requests', 0)
})

test('the access log has the id that the client was told, and its User-Agent, for answers of every kind', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(
    t,
    `workers: 1
accessLog: true
upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
routes:
  - { name: static, match: { path: /static }, respond: { status: 200, body: "of our own" } }
  - { name: cors, match: { path: /cors }, upstream: echo, cors: { origins: ["*"] } }
  - { name: echo, match: { path: /echo }, upstream: echo }
`,
  )
  for (const path of ['/static', '/cors', '/echo', '/missing']) {
    const client = await RawClient.connect(t, gateway.port)
    const line = gateway.line(new RegExp(`"path":"${path}"`))
    await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nUser-Agent: tester\r\n\r\n`)
    const { finals } = await within(waitMs, 'the answer', client.finals(1))
    const logged = JSON.parse((await within(waitMs, 'the line', line)).replace(/^[^{]*/, '')) as Record<string, unknown>
    assert.deepEqual(
      [logged['requestId'], logged['userAgent']],
      [valuesOf(finals[0]!, 'x-request-id').join(), 'tester'],
    )
  }
})

test('a drain answers what came while the last request before it ended', async t => {
  let answer = (): void => {}
  let arrived: () => void = () => {}
  const waiting = new Promise<void>(resolve => (arrived = resolve))
  const upstream = await startRawUpstream(t, async (socket, received) => {
    const head = (await received('\r\n\r\n')).toString('latin1')
    const respond = (): void => void socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok')
    if (!head.startsWith('GET /slow')) return respond()
    answer = respond
    arrived()
  })
  const gateway = await startGateway(
    t,
    `workers: 1
upstreams: { raw: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: raw } ]
`,
  )
  const [slow, late] = [await RawClient.connect(t, gateway.port), await RawClient.connect(t, gateway.port)]
  await late.send('GET /first HTTP/1.1\r\nHost: a\r\n\r\n')
  await within(waitMs, 'the first answer', late.finals(1))
  await slow.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  await within(waitMs, 'the slow request', waiting)
  const [pid] = gateway.workers()
  const draining = gateway.line(/draining/)
  gateway.signal('SIGTERM')
  await within(waitMs, 'the drain', draining)
  // Both events meet the worker in one turn of its loop.
  process.kill(pid!, 'SIGSTOP')
  await late.send('GET /late HTTP/1.1\r\nHost: a\r\n\r\n')
  answer()
  await new Promise(resolve => setTimeout(resolve, 100))
  process.kill(pid!, 'SIGCONT')
  const answers = await within(waitMs, 'both answers', Promise.all([slow.finals(1), late.finals(2)]))
  assert.deepEqual(
    answers.map(({ finals }) => finals.map(final => final.body.toString())),
    [['ok'], ['ok', 'ok']],
  )
  assert.equal(await within(waitMs, 'the end', gateway.exited), 0)
})
