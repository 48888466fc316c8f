// Pins the key guard through a whole gateway: who is refused and how, that the upstream sees the consumer and never the
// key, that both ways through the front end (past it and not) do the same, and that no key is written down anywhere.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'

const first = 'alice-first-key-0123456789'
const second = 'alice+second/key=='
const bobs = 'bob-key-from-the-environment'
const expired = 'alice-key-of-long-ago'
const everyKey = [first, second, bobs, expired]

interface Echoed {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

describe('the key guard', () => {
  const ends: (() => unknown)[] = []
  let gateway: RunningGateway

  before(async () => {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const echo = await startEcho(scope)
    gateway = await startGateway(
      scope,
      `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
consumers:
  alice:
    keys: [ ${first}, { key: "${second}", notAfter: 2999-01-01 }, { key: ${expired}, notAfter: "2001-01-01T00:00:00Z" } ]
    tags: [ gold ]
  bob: { keys: [ "\${BOB_KEY}" ] }
routes:
  - { name: header, match: { path: /header }, upstream: echo, guards: [ { key: { header: ApiKey } } ] }
  - { name: query, match: { path: /query }, upstream: echo, guards: [ { key: { query: tiket } } ] }
  - { name: cookie, match: { path: /cookie }, upstream: echo, guards: [ { key: { cookie: session } } ] }
  - { name: own, match: { path: /own }, respond: { body: own }, guards: [ { key: { header: apikey } } ] }
  - { name: large, match: { path: /large }, upstream: echo, maxBodyBytes: 3, guards: [ { key: { header: apikey } } ] }
  - name: cross
    match: { path: /cross }
    upstream: echo
    cors: { origins: [ "https://app.example.com" ] }
    guards: [ { key: { header: apikey } } ]
  - { name: open, match: { path: "/*" }, upstream: echo }
`,
      { env: { BOB_KEY: bobs } },
    )
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  /** The answer to a request that is written by hand; one with a body does not go past the front end. */
  async function ask(
    head: string,
    body: string | null = null,
  ): Promise<{ status: number; text: string; challenge: string[] }> {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const client = await RawClient.connect(scope, gateway.port)
    const length = body === null ? '' : `Content-Length: ${body.length}\r\n`
    await client.send(`${head}\r\nHost: a\r\n${length}\r\n${body ?? ''}`)
    const { finals } = await within(10_000, head, client.finals(1))
    const final = finals[0]!
    return { status: statusOf(final), text: final.body.toString(), challenge: valuesOf(final, 'www-authenticate') }
  }

  const request = (path: string, ...lines: string[]): string => [`POST ${path} HTTP/1.1`, ...lines].join('\r\n')

  const refused: readonly (readonly [title: string, path: string, ...lines: string[]])[] = [
    ['no key', '/header'],
    ['an empty key', '/header', 'apikey:'],
    ['an unknown key', '/header', 'apikey: somebody-elses-key'],
    ['a key in another place', `/header?apikey=${first}`],
    ['a key with a tail', '/header', `apikey: ${first}x`],
    ['a cut key', '/header', `apikey: ${first.slice(0, -1)}`],
    ['a key in other capitals', '/header', `apikey: ${first.toUpperCase()}`],
    ['two keys', '/header', `apikey: ${first}`, `ApiKey: ${first}`],
    ['two keys in one line', '/header', `apikey: ${first}, ${first}`],
    ['a disguised header', '/header', `api_key: ${first}`],
    ['an expired key', '/header', `apikey: ${expired}`],
    ['bytes beyond ASCII', '/header', 'apikey: \xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9'],
    ['a key longer than any', '/header', `apikey: ${'x'.repeat(5000)}`],
    ['no parameter', '/query'],
    ['a parameter without value', '/query?tiket'],
    ['a parameter in other capitals', `/query?Tiket=${first}`],
    ['two parameters', `/query?tiket=${first}&tiket=${first}`],
    ['two parameters, one of them escaped', `/query?tiket=${first}&%74iket=other`],
    ['a key with a broken escape', `/query?tiket=${first}%`],
    ['no cookie', '/cookie', 'Cookie: other=1'],
    ['two cookies', '/cookie', `Cookie: session=${first}; session=${first}`],
    ['two cookie lines', '/cookie', `Cookie: session=${first}`, `Cookie: session=${first}`],
    ['a route that answers by itself', '/own'],
  ]
  for (const [title, path, ...lines] of refused) {
    for (const body of [null, 'x']) {
      test(`401: ${title}${body === null ? '' : ', with a body'}`, async () => {
        const { status, text, challenge } = await ask(request(path, ...lines), body)
        assert.equal(status, 401)
        assert.equal((JSON.parse(text) as { code: string }).code, 'unauthorized')
        assert.match(challenge.join(), /^ApiKey in="(header|query|cookie)", name="\w+"$/)
        for (const key of everyKey) assert.ok(!text.includes(key))
      })
    }
  }

  const admitted: readonly (readonly [
    title: string,
    consumer: string,
    url: string,
    path: string,
    ...lines: string[],
  ])[] = [
    ['a header', 'alice', '/header', '/header', `APIKEY: ${first}`],
    ['a second key', 'alice', '/header', '/header', `apikey: ${second}`],
    ['a key from the environment', 'bob', '/header?a=b', '/header?a=b', `apikey: ${bobs}`],
    ['a parameter alone', 'alice', '/query', `/query?tiket=${first}`],
    ['a parameter among others', 'alice', '/query?a=1&b=2', `/query?a=1&tiket=${first}&b=2`],
    ['an escaped parameter', 'alice', '/query?a=1', `/query?a=1&%74iket=${encodeURIComponent(second)}`],
    ['a cookie alone', 'alice', '/cookie', '/cookie', `Cookie: session=${first}`],
    ['a cookie among others', 'bob', '/cookie', '/cookie', `Cookie: a=1; session=${bobs}; b=2`],
  ]
  for (const [title, consumer, url, path, ...lines] of admitted) {
    for (const body of [null, 'x']) {
      test(`200: ${title}${body === null ? '' : ', with a body'}`, async () => {
        const forged = ['X-Consumer-Name: root', 'X_Consumer_Name: root', 'x-consumer-id: 0']
        const { status, text } = await ask(request(path, ...lines, ...forged), body)
        assert.equal(status, 200)
        const seen = JSON.parse(text) as Echoed
        assert.equal(seen.url, url)
        assert.equal(seen.headers['x-consumer-name'], consumer)
        for (const name of ['apikey', 'x-consumer-id', 'x_consumer_name']) assert.equal(seen.headers[name], undefined)
        assert.equal(seen.headers['cookie'], title.endsWith('cookie among others') ? 'a=1; b=2' : undefined)
        for (const key of everyKey) assert.ok(!text.includes(key), 'the upstream has seen a key')
      })
    }
  }

  test('a route without guards names nobody, and lets nobody name themselves', async () => {
    const { text } = await ask(request('/open', `apikey: ${first}`, 'X-Consumer-Name: alice'))
    const { headers } = JSON.parse(text) as Echoed
    assert.equal(headers['x-consumer-name'], undefined)
    assert.equal(headers['apikey'], first)
  })

  test('one connection, one key after another: nobody is taken for the one before', async () => {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const client = await RawClient.connect(scope, gateway.port)
    const get = (key: string): string => `GET /header HTTP/1.1\r\nHost: a\r\napikey: ${key}\r\n\r\n`
    const open = 'GET /open HTTP/1.1\r\nHost: a\r\n\r\n'
    await client.send([get(first), get(bobs), open, get('unknown-key'), get(second)].join(''))
    const { finals } = await within(10_000, 'the answers', client.finals(5))
    assert.deepEqual(finals.map(statusOf), [200, 200, 200, 401, 200])
    const names = finals.map(
      ({ body }) => (JSON.parse(body.toString()) as Partial<Echoed>).headers?.['x-consumer-name'],
    )
    assert.deepEqual(names, ['alice', 'bob', undefined, undefined, 'alice'])
  })

  test('a preflight needs no key, and a page may read its 401', async () => {
    const origin = 'Origin: https://app.example.com'
    const preflight = await ask(['OPTIONS /cross HTTP/1.1', origin, 'Access-Control-Request-Method: GET'].join('\r\n'))
    assert.equal(preflight.status, 204)
    const answer = await fetch(`${gateway.url}/cross`, { headers: { origin: 'https://app.example.com' } })
    assert.equal(answer.status, 401)
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example.com')
  })

  test('a WebSocket: refused without a key, and its upstream sees the consumer, not the key', async () => {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    scope.after(() => {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
    })
    sockets.on('connection', (socket, { url, headers }) => socket.send(JSON.stringify({ url, headers })))
    await once(sockets, 'listening')
    const { port } = sockets.address() as AddressInfo
    const other = await startGateway(
      scope,
      `upstreams: { up: { peers: [ { url: "http://127.0.0.1:${port}" } ] } }
consumers: { alice: { keys: [ ${first} ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: up, guards: [ { key: { query: k } } ] } ]
`,
    )
    const url = `ws://127.0.0.1:${other.port}/chat`
    const [refusal] = (await once(new WebSocket(url), 'error')) as [Error]
    assert.match(refusal.message, /401/)
    const socket = new WebSocket(`${url}?k=${first}&a=b`, { headers: { 'x-consumer-name': 'root' } })
    scope.after(() => socket.terminate())
    const [message] = (await within(10_000, 'a message', once(socket, 'message'))) as [Buffer]
    const seen = JSON.parse(message.toString()) as Echoed
    assert.deepEqual([seen.url, seen.headers['x-consumer-name']], ['/chat?a=b', 'alice'])
    assert.ok(!message.toString().includes(first))
  })

  test('what is too long is refused first', async () => {
    assert.equal((await ask(request('/large'), 'long')).status, 413)
  })

  test('a reload takes keys away and brings others', async () => {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const route =
      'routes: [ { name: own, match: { path: /own }, respond: {}, guards: [ { key: { header: apikey } } ] } ]\n'
    const other = await startGateway(scope, `consumers: { alice: { keys: [ ${first} ] } }\n${route}`)
    const statusFor = async (key: string) => (await fetch(`${other.url}/own`, { headers: { apikey: key } })).status
    assert.deepEqual([await statusFor(first), await statusFor(second)], [200, 401])
    await other.reload(`consumers: { alice: { keys: [ "${second}" ] } }\n${route}`)
    assert.deepEqual([await statusFor(first), await statusFor(second)], [401, 200])
  })

  test('metrics and the access log say what was decided, and by whom it was asked', async () => {
    await untilMetric(gateway, 'polygate_guard_decisions_total{http_route="own",guard="key",outcome="missing"}', 2)
    await untilMetric(gateway, 'polygate_guard_decisions_total{http_route="query",guard="key",outcome="admitted"}', 6)
    const { text, lines } = await within(10_000, 'the access log', logged())
    const reasons = new Set(lines.map(({ reason }) => reason))
    assert.deepEqual([...reasons].sort(), ['', 'key ambiguous', 'key expired', 'key missing', 'key unknown'])
    assert.deepEqual([...new Set(lines.map(({ consumer }) => consumer))].sort(), ['', 'alice', 'bob'])
    assert.ok(text.includes('tiket=*'))
  })

  async function logged(): Promise<{ text: string; lines: { reason: string; consumer: string; route: string }[] }> {
    for (;;) {
      const text = readFileSync(join(gateway.folder, 'access.log'), 'utf8')
      if (text.includes('"route":"large"') && text.endsWith('\n')) {
        const lines = text.trim().split('\n')
        return {
          text,
          lines: lines.map(line => JSON.parse(line) as { reason: string; consumer: string; route: string }),
        }
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  test('no key is written down: not in the plan on disk, not in any log, not in metrics', async () => {
    const files = readdirSync(gateway.folder, { recursive: true, encoding: 'utf8' })
      .map(name => join(gateway.folder, name))
      .filter(name => statSync(name).isFile() && name !== gateway.configFile)
    assert.ok(files.some(name => name.endsWith('last-good-plan.json')))
    const texts = files.map(name => readFileSync(name, 'latin1'))
    texts.push(gateway.logs(), await (await fetch(`${gateway.adminUrl}/metrics`)).text())
    for (const text of texts) {
      for (const key of everyKey) assert.ok(!text.includes(key), text.slice(0, 200))
      assert.ok(!text.includes(encodeURIComponent(second)))
    }
  })
})
