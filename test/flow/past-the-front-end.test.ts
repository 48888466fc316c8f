// Pins that requests which go past the front end (a whole head, no body) and those which do not share a connection in
// order, and that no batch is too large for their rows and commands.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { methodOf, statusOf, targetOf } from '../helpers/wire.ts'

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
    assert.equal((JSON.parse(finals[0]!.body.toString()) as { url: string }).url, `/${nth}`)
  }
})
