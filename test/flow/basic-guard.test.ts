// Pins the basic guard through a whole gateway: who is refused and how, that the upstream sees the consumer and never the
// password, and that no password is written down. What hashes that take time do to others is in basic-waiting.test.ts.
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

// Made by OpenBSD's bcrypt and the reference implementation of argon2.
const hashes = {
  'alice-secret': '$2b$04$abcdefghijklmnopqrstuuHCSenwm8buK215m4R4q2ZmPL95d0lX2',
  'alice-second': '$2y$04$abcdefghijklmnopqrstuu3oAXZzYyMejf3mxJTiazqOOmuj2FAwW',
  'alice-long-ago': '$2a$04$abcdefghijklmnopqrstuuFkWpBTeMwXO07KwjlsKH5L9v5ZNY2ju',
  seventyTwo: '$2b$04$abcdefghijklmnopqrstuuwurWIdVVT4m5pTArtqnFNM69nySdHj.',
  '123£': '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$Coao57gGycVBjPYJMny1g4HNl2A4ZA742ZFmgazwd68',
  'open sesame': '$argon2id$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$5L5LVhg0bAwigJUvANVRaMIeX/rbxjyP0Y6ZmajdUBo',
} as const

const everyPassword = ['alice-secret', 'alice-second', 'alice-long-ago', 'y'.repeat(72), '123£', 'open sesame']

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const basic = (user: string, password: string): string => `Authorization: Basic ${base64(`${user}:${password}`)}`
const challenge = 'Basic realm="Shop", charset="UTF-8"'

interface Echoed {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

describe('the basic guard', () => {
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
    keys: [ a-key-of-alice ]
    passwords:
      - ${hashes['alice-secret']}
      - { hash: "${hashes['alice-second']}", notAfter: 2999-01-01 }
      - { hash: "\${OLD_HASH}", notAfter: "2001-01-01T00:00:00Z" }
      - { username: Aladdin, hash: "${hashes['open sesame']}" }
  bob:
    keys: [ a-key-of-bob ]
    passwords: [ "${hashes.seventyTwo}" ]
  test: { passwords: [ "${hashes['123£']}" ] }
routes:
  - { name: shop, match: { path: /shop }, upstream: echo, guards: [ { basic: { realm: Shop } } ] }
  - { name: own, match: { path: /own }, respond: { body: own }, guards: [ { basic: { realm: Shop } } ] }
  - name: either
    match: { path: /either }
    upstream: echo
    guards: [ { anyOf: [ { key: { header: apikey } }, { basic: { realm: Shop } } ] } ]
  - name: first
    match: { path: /first }
    upstream: echo
    guards: [ { anyOf: [ { basic: { realm: Shop } }, { key: { header: apikey } } ] } ]
  - name: both
    match: { path: /both }
    upstream: echo
    guards: [ { key: { header: apikey } }, { basic: { realm: Shop } } ]
  - name: cross
    match: { path: /cross }
    upstream: echo
    cors: { origins: [ "https://app.example.com" ] }
    guards: [ { basic: {} } ]
  - { name: open, match: { path: "/*" }, upstream: echo }
`,
      { env: { OLD_HASH: hashes['alice-long-ago'] } },
    )
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  /** The answer to a request that is written by hand; one with a body does not go past the front end. */
  async function ask(
    head: string,
    body: string | null = null,
  ): Promise<{ status: number; text: string; challenges: string[] }> {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const client = await RawClient.connect(scope, gateway.port)
    const length = body === null ? '' : `Content-Length: ${body.length}\r\n`
    await client.send(`${head}\r\nHost: a\r\n${length}\r\n${body ?? ''}`)
    const { finals } = await within(20_000, head, client.finals(1))
    const final = finals[0]!
    return { status: statusOf(final), text: final.body.toString(), challenges: valuesOf(final, 'www-authenticate') }
  }

  const request = (path: string, ...lines: string[]): string => [`POST ${path} HTTP/1.1`, ...lines].join('\r\n')
  const good = basic('alice', 'alice-secret')

  const refused: readonly (readonly [title: string, path: string, ...lines: string[]])[] = [
    ['nothing', '/shop'],
    ['an empty header', '/shop', 'Authorization:'],
    ['another scheme', '/shop', 'Authorization: Bearer abc'],
    ['the scheme alone', '/shop', 'Authorization: Basic'],
    ['what is no base64', '/shop', 'Authorization: Basic YWxpY2U6YWxpY2Utc2VjcmV_'],
    ['base64 without its padding', '/shop', basic('Aladdin', 'open sesame').replace(/=+$/, '')],
    ['base64 with a blank behind the padding and more', '/shop', `${good} x`],
    ['two credentials in one line', '/shop', `${good}, ${good.slice('Authorization: '.length)}`],
    ['two headers', '/shop', good, good],
    ['two headers, one of another scheme', '/shop', 'Authorization: Bearer abc', good],
    ['no colon', '/shop', `Authorization: Basic ${base64('alice')}`],
    ['no username', '/shop', basic('', 'alice-secret')],
    ['a control character', '/shop', basic('alice', 'alice-secret\n')],
    ['a zero byte', '/shop', basic('alice', 'alice-secret\0')],
    ['an unknown user', '/shop', basic('mallory', 'alice-secret')],
    ['a user in other capitals', '/shop', basic('Alice', 'alice-secret')],
    ['the consumer in place of the username', '/shop', basic('alice', 'open sesame')],
    ['a wrong password', '/shop', basic('alice', 'alice-secre')],
    ['a password in other capitals', '/shop', basic('alice', 'Alice-Secret')],
    ['no password', '/shop', basic('alice', '')],
    ["somebody else's password", '/shop', basic('test', 'alice-secret')],
    ['an expired password', '/shop', basic('alice', 'alice-long-ago')],
    ['a hash in place of the password', '/shop', basic('alice', hashes['alice-secret'])],
    ['more bytes than bcrypt looks at', '/shop', basic('bob', 'y'.repeat(73))],
    [
      'latin-1 in place of UTF-8',
      '/shop',
      `Authorization: Basic ${Buffer.from('test:123£', 'latin1').toString('base64')}`,
    ],
    ['a password longer than any', '/shop', basic('alice', 'x'.repeat(1025))],
    ['a header longer than any', '/shop', basic('alice', 'x'.repeat(9000))],
    ['a disguised header', '/shop', good.replace('Authorization', 'Proxy-Authorization')],
    ['a route that answers by itself', '/own'],
    ['a key that belongs to somebody else', '/both', good, 'apikey: a-key-of-bob'],
  ]
  for (const [title, path, ...lines] of refused) {
    for (const body of [null, 'x']) {
      test(`401: ${title}${body === null ? '' : ', with a body'}`, async () => {
        const { status, text, challenges } = await ask(request(path, ...lines), body)
        assert.equal(status, 401)
        assert.equal((JSON.parse(text) as { code: string }).code, 'unauthorized')
        assert.deepEqual(challenges, [challenge])
        for (const password of everyPassword) assert.ok(!text.includes(password))
      })
    }
  }

  const admitted: readonly (readonly [title: string, consumer: string, path: string, ...lines: string[]])[] = [
    ['bcrypt', 'alice', '/shop', good],
    ['the same again, from memory', 'alice', '/shop', good],
    ['a scheme in small letters and two blanks', 'alice', '/shop', good.replace('Basic ', 'basic  ')],
    ['a second password', 'alice', '/shop', basic('alice', 'alice-second')],
    ['another username, argon2', 'alice', '/shop', basic('Aladdin', 'open sesame')],
    ['all that bcrypt looks at', 'bob', '/shop', basic('bob', 'y'.repeat(72))],
    ['UTF-8', 'test', '/shop', basic('test', '123£')],
    ['one of two: the password', 'alice', '/either', good],
    ['one of two: the key', 'bob', '/either', 'apikey: a-key-of-bob'],
    [
      'a password that is wrong, and found to be so later, and a key',
      'bob',
      '/first',
      basic('alice', 'no'),
      'apikey: a-key-of-bob',
    ],
    ['a malformed password, and a key', 'bob', '/first', 'Authorization: Basic x', 'apikey: a-key-of-bob'],
    ['a password where a key would have done', 'alice', '/first', good],
    ['both of one consumer', 'alice', '/both', good, 'apikey: a-key-of-alice'],
  ]
  for (const [title, consumer, path, ...lines] of admitted) {
    for (const body of [null, 'a body that is held meanwhile']) {
      test(`200: ${title}${body === null ? '' : ', with a body'}`, async () => {
        const { status, text } = await ask(request(path, ...lines, 'X-Consumer-Name: root'), body)
        assert.equal(status, 200, text)
        const seen = JSON.parse(text) as Echoed
        assert.equal(seen.headers['x-consumer-name'], consumer)
        assert.equal(seen.headers['authorization'], undefined)
        assert.equal(seen.body, body ?? '')
      })
    }
  }

  test('who fits none of several hears of all', async () => {
    const { status, challenges } = await ask(request('/either', basic('alice', 'wrong')))
    assert.equal(status, 401)
    assert.deepEqual(challenges, ['ApiKey in="header", name="apikey"', challenge])
  })

  test('who exists is not told: an unknown user and a wrong password get the same answer', async () => {
    const [unknown, wrong] = await Promise.all(
      ['mallory', 'alice'].map(async user => {
        const { text } = await ask(request('/own', basic(user, 'not this one')))
        return { ...(JSON.parse(text) as object), requestId: '' }
      }),
    )
    assert.deepEqual(unknown, wrong)
  })

  test('a route without the guard passes Authorization on', async () => {
    const { text } = await ask(request('/open', good))
    const { headers } = JSON.parse(text) as Echoed
    assert.equal(headers['authorization'], good.slice('Authorization: '.length))
    assert.equal(headers['x-consumer-name'], undefined)
  })

  test('one connection, one user after another: answers in order, nobody is taken for the one before', async () => {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const client = await RawClient.connect(scope, gateway.port)
    const get = (...lines: string[]): string => ['GET /shop HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n')
    // Credentials that nobody has asked about before, so that each waits for a hash, and some that are known.
    const sent = [
      get(basic('alice', 'never seen')),
      get(good),
      get(),
      get(basic('mallory', 'never seen either')),
      get(basic('test', '123£')),
    ]
    await client.send(sent.join(''))
    const { finals } = await within(20_000, 'the answers', client.finals(5))
    assert.deepEqual(finals.map(statusOf), [401, 200, 401, 401, 200])
    const names = finals.map(
      ({ body }) => (JSON.parse(body.toString()) as Partial<Echoed>).headers?.['x-consumer-name'],
    )
    assert.deepEqual(names, [undefined, 'alice', undefined, undefined, 'test'])
  })

  test('a preflight needs no password, and a page may read its 401', async () => {
    const origin = 'Origin: https://app.example.com'
    const preflight = await ask(['OPTIONS /cross HTTP/1.1', origin, 'Access-Control-Request-Method: GET'].join('\r\n'))
    assert.equal(preflight.status, 204)
    const answer = await fetch(`${gateway.url}/cross`, { headers: { origin: 'https://app.example.com' } })
    assert.equal(answer.status, 401)
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example.com')
    assert.equal(answer.headers.get('www-authenticate'), 'Basic realm="polygate", charset="UTF-8"')
  })

  test('a WebSocket: refused without a password, and its upstream sees the consumer', async () => {
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    scope.after(() => {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
    })
    sockets.on('connection', (socket, { headers }) => socket.send(JSON.stringify({ headers })))
    await once(sockets, 'listening')
    const { port } = sockets.address() as AddressInfo
    const other = await startGateway(
      scope,
      `upstreams: { up: { peers: [ { url: "http://127.0.0.1:${port}" } ] } }
consumers: { alice: { passwords: [ "${hashes['alice-secret']}" ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: up, guards: [ { basic: {} } ] } ]
`,
    )
    const url = `127.0.0.1:${other.port}/chat`
    const [refusal] = (await once(new WebSocket(`ws://${url}`), 'error')) as [Error]
    assert.match(refusal.message, /401/)
    const socket = new WebSocket(`ws://alice:alice-secret@${url}`)
    scope.after(() => socket.terminate())
    const [message] = (await within(20_000, 'a message', once(socket, 'message'))) as [Buffer]
    const { headers } = JSON.parse(message.toString()) as Echoed
    assert.deepEqual([headers['x-consumer-name'], headers['authorization']], ['alice', undefined])
  })

  test('metrics and the access log say what was decided, and by whom it was asked', async () => {
    const series = (outcome: string): string =>
      `polygate_guard_decisions_total{http_route="shop",guard="basic",outcome="${outcome}"}`
    await untilMetric(gateway, series('expired'), 2)
    await untilMetric(gateway, series('ambiguous'), 4)
    await untilMetric(gateway, 'polygate_guard_decisions_total{http_route="own",guard="basic",outcome="missing"}', 2)
    await ask(request('/last'))
    const lines = await within(20_000, 'the access log', logged())
    const reasons = new Set(lines.map(({ reason }) => reason))
    assert.deepEqual([...reasons].sort(), [
      '',
      'basic ambiguous',
      'basic expired',
      'basic malformed',
      'basic missing',
      'basic unknown',
      'basic wrong',
      'consumers differ',
    ])
    assert.deepEqual([...new Set(lines.map(({ consumer }) => consumer))].sort(), ['', 'alice', 'bob', 'test'])
  })

  async function logged(): Promise<{ reason: string; consumer: string }[]> {
    for (;;) {
      const text = readFileSync(join(gateway.folder, 'access.log'), 'utf8')
      if (text.includes('"path":"/last"') && text.endsWith('\n')) {
        return text
          .trim()
          .split('\n')
          .map(line => JSON.parse(line) as { reason: string; consumer: string })
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  test('no password is written down: not in the plan on disk, not in any log, not in metrics', async () => {
    const files = readdirSync(gateway.folder, { recursive: true, encoding: 'utf8' })
      .map(name => join(gateway.folder, name))
      .filter(name => statSync(name).isFile() && name !== gateway.configFile)
    const texts = files.map(name => readFileSync(name, 'latin1'))
    const seen = [gateway.logs(), await (await fetch(`${gateway.adminUrl}/metrics`)).text()]
    for (const text of [...texts, ...seen]) {
      for (const password of everyPassword) {
        assert.ok(!text.includes(password), text.slice(0, 200))
        assert.ok(!text.includes(base64(`alice:${password}`)))
      }
    }
    for (const text of seen) for (const hash of Object.values(hashes)) assert.ok(!text.includes(hash))
  })
})
