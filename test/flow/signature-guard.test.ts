// Pins the signature guard with Mashery's schemes through a whole gateway: what is refused and how, that nobody learns
// why, that the upstream sees the consumer and neither key nor signature, that secrets can be exchanged, and that no
// secret is written down anywhere.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { mashery, nowSeconds } from '../helpers/signers.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'

const alice = { key: 'alice-key-id', secret: 'alices-own-secret' }
const fresh = { key: 'alice-key-id', secret: 'alices-next-secret' }
const bob = { key: 'bob-key+id', secret: 'bobs-secret-from-a-file' }
const old = { key: 'old-key-id', secret: 'a-secret-of-long-ago' }
const later = { key: 'later-key-id', secret: 'a-secret-of-far-ahead' }
const everySecret = [alice, fresh, bob, old, later].map(({ secret }) => secret)

interface Echoed {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

const consumers = (folder: string): string => `
consumers:
  alice:
    signing:
      - { scheme: mashery-sha256, keyId: ${alice.key}, secret: "\${ALICE_SECRET}" }
      - { scheme: mashery-sha256, keyId: ${fresh.key}, secret: ${fresh.secret}, notAfter: 2999-01-01 }
      - { scheme: mashery-md5, keyId: ${alice.key}, secret: ${Buffer.from(alice.secret).toString('hex')}, encoding: hex }
      - { scheme: mashery-sha256, keyId: ${old.key}, secret: ${old.secret}, notAfter: "2001-01-01T00:00:00Z" }
      - { scheme: mashery-sha256, keyId: ${later.key}, secret: ${later.secret}, notBefore: 2999-01-01 }
  bob: { signing: [ { scheme: mashery-sha256, keyId: ${bob.key}, secret: { file: "${folder}/bob.secret" } } ] }
`

describe('the signature guard, with Mashery', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  let gateway: RunningGateway

  before(async () => {
    const echo = await startEcho(scope)
    const folder = mkdtempSync(join(tmpdir(), 'polygate-secrets-'))
    scope.after(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, 'bob.secret'), `${bob.secret}\n`)
    gateway = await startGateway(
      scope,
      `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
${consumers(folder)}
routes:
  - name: header
    match: { path: /header }
    upstream: echo
    guards: [ { signature: { scheme: mashery-sha256, keyHeader: Api-Key, header: X-Signature, clockSkewSeconds: 300 } } ]
  - { name: default, match: { path: /default }, upstream: echo, guards: [ { signature: { scheme: mashery-sha256 } } ] }
  - name: query
    match: { path: /query }
    upstream: echo
    guards: [ { signature: { scheme: mashery-md5, keyParameter: api_key, parameter: sig } } ]
  - name: mixed
    match: { path: /mixed }
    upstream: echo
    guards: [ { signature: { scheme: mashery-sha256, keyHeader: Api-Key, keyParameter: api_key, header: X-Signature, parameter: sig } } ]
  - name: shown
    match: { path: /shown }
    upstream: echo
    guards: [ { signature: { scheme: mashery-sha256, forwardSignature: true } } ]
  - name: narrow
    match: { path: /narrow }
    upstream: echo
    guards: [ { signature: { scheme: mashery-sha256, clockSkewSeconds: 2 } } ]
`,
      { env: { ALICE_SECRET: alice.secret } },
    )
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  interface Answer {
    readonly status: number
    readonly text: string
    readonly challenge: readonly string[]
  }

  /** The answer to a request that is written by hand; one with a body does not go past the front end. */
  async function ask(path: string, lines: readonly string[], body: string | null = null): Promise<Answer> {
    const client = await RawClient.connect(scope, gateway.port)
    const length = body === null ? [] : [`Content-Length: ${body.length}`]
    const head = [`POST ${path} HTTP/1.1`, 'Host: a', ...lines, ...length, '', body ?? ''].join('\r\n')
    await client.send(head)
    const { finals } = await within(10_000, path, client.finals(1))
    client.destroy()
    const final = finals[0]!
    return { status: statusOf(final), text: final.body.toString(), challenge: valuesOf(final, 'www-authenticate') }
  }

  const signed = ({ key, secret }: { key: string; secret: string }, seconds = nowSeconds()): string[] => [
    `Api-Key: ${key}`,
    `X-Signature: ${mashery(key, secret, seconds)}`,
  ]
  const key = `Api-Key: ${alice.key}`
  const good = (): string => mashery(alice.key, alice.secret)
  const md5 = (): string => mashery(alice.key, alice.secret, nowSeconds(), 'md5')

  const refused: readonly (readonly [title: string, path: string, lines: () => readonly string[]])[] = [
    ['nothing', '/header', () => []],
    ['no signature', '/header', () => [key]],
    ['no key', '/header', () => [`X-Signature: ${good()}`]],
    ['an empty signature', '/header', () => [key, 'X-Signature:']],
    ['an empty key', '/header', () => ['Api-Key:', `X-Signature: ${good()}`]],
    ['a short signature', '/header', () => [key, `X-Signature: ${good().slice(0, -2)}`]],
    ['one digit of a signature', '/header', () => [key, `X-Signature: ${good().slice(0, 1)}`]],
    ['a signature with a tail', '/header', () => [key, `X-Signature: ${good()}zz`]],
    ['a signature with an odd digit more', '/header', () => [key, `X-Signature: ${good()}0`]],
    [
      'a signature with one digit wrong',
      '/header',
      () => [key, `X-Signature: ${good().replace(/.$/, one => (one === '0' ? '1' : '0'))}`],
    ],
    ['no hexadecimal', '/header', () => [key, `X-Signature: ${'z'.repeat(64)}`]],
    ['bytes beyond ASCII', '/header', () => [key, `X-Signature: ${'\xe9'.repeat(64)}`]],
    ['zeros', '/header', () => [key, `X-Signature: ${'0'.repeat(64)}`]],
    ['a very long signature', '/header', () => [key, `X-Signature: ${good().repeat(100)}`]],
    ['two signatures', '/header', () => [...signed(alice), `X-Signature: ${good()}`]],
    ['two signatures in one line', '/header', () => [key, `X-Signature: ${good()}, ${good()}`]],
    ['two keys', '/header', () => [...signed(alice), key]],
    ['an unknown key', '/header', () => signed({ key: 'nobodys-key', secret: alice.secret })],
    ['a key in other capitals', '/header', () => signed({ key: alice.key.toUpperCase(), secret: alice.secret })],
    ['the secret of another', '/header', () => signed({ key: alice.key, secret: bob.secret })],
    [
      'a key that took the first letter of its secret',
      '/header',
      () => signed({ key: `${alice.key}a`, secret: alice.secret.slice(1) }),
    ],
    ['of the other hash', '/header', () => [key, `X-Signature: ${md5()}`]],
    ['a signature that is too old', '/header', () => signed(alice, nowSeconds() - 310)],
    ['a signature of later', '/header', () => signed(alice, nowSeconds() + 310)],
    ['a signature outside of a narrow window', '/narrow', () => signed(alice, nowSeconds() - 30)],
    ['a secret of before', '/header', () => signed(old)],
    ['a secret of later', '/header', () => signed(later)],
    ['in the query instead', `/header?api_key=${alice.key}&sig=${'SIG'}`, () => []],
    ['a disguised header', '/header', () => [`Api_Key: ${alice.key}`, `X-Signature: ${good()}`]],
    ['no parameter', '/query', () => signed(alice)],
    ['a parameter of other capitals', '/query?api_key=KEY&SIG=MD5', () => []],
    ['a parameter twice', '/query?api_key=KEY&sig=MD5&sig=MD5', () => []],
    ['a parameter twice, once escaped', '/query?api_key=KEY&sig=MD5&%73ig=MD5', () => []],
    ['a parameter with a broken escape', '/query?api_key=KEY&sig=MD5%', () => []],
    ['in header and query', '/mixed?sig=SIG', () => signed(alice)],
    ['a key in header and query', '/mixed?api_key=KEY', () => signed(alice)],
  ]
  const filled = (path: string): string =>
    path.replace('KEY', alice.key).replaceAll('SIG', good()).replaceAll('MD5', md5())

  for (const [title, path, lines] of refused) {
    for (const body of [null, 'x']) {
      test(`401: ${title}${body === null ? '' : ', with a body'}`, async () => {
        const { status, text, challenge } = await ask(filled(path), lines(), body)
        assert.equal(status, 401)
        const { code, detail } = JSON.parse(text) as { code: string; detail: string }
        assert.deepEqual([code, detail], ['unauthorized', 'a valid signature is needed'])
        assert.match(challenge.join(), /^Signature scheme="mashery-(sha256|md5)"$/)
      })
    }
  }

  const admitted: readonly (readonly [
    title: string,
    consumer: string,
    url: string,
    path: string,
    lines: () => readonly string[],
  ])[] = [
    ['now', 'alice', '/header?a=b', '/header?a=b', () => signed(alice)],
    ['by default in these headers', 'alice', '/default', '/default', () => signed(alice)],
    ['with the next secret', 'alice', '/header', '/header', () => signed(fresh)],
    ['with a secret from a file', 'bob', '/header', '/header', () => signed(bob)],
    ['a clock that is behind', 'alice', '/header', '/header', () => signed(alice, nowSeconds() - 290)],
    ['a clock that is ahead', 'alice', '/header', '/header', () => signed(alice, nowSeconds() + 290)],
    ['in capitals', 'alice', '/header', '/header', () => [key, `X-Signature: ${good().toUpperCase()}`]],
    ['in the query', 'alice', '/query?a=1', '/query?a=1&api_key=KEY&sig=MD5', () => []],
    ['in the query, escaped', 'alice', '/query', '/query?%61pi_key=alice%2Dkey%2Did&sig=MD5', () => []],
    ['key in the header, signature in the query', 'alice', '/mixed', '/mixed?sig=SIG', () => [key]],
  ]
  for (const [title, consumer, url, path, lines] of admitted) {
    for (const body of [null, 'x']) {
      test(`200: ${title}${body === null ? '' : ', with a body'}`, async () => {
        const forged = ['X-Consumer-Name: root', 'api_key: x', 'X_Signature: y']
        const { status, text } = await ask(filled(path), [...lines(), ...forged], body)
        assert.equal(status, 200, text)
        const seen = JSON.parse(text) as Echoed
        assert.equal(seen.url, url)
        assert.equal(seen.headers['x-consumer-name'], consumer)
        for (const name of ['api-key', 'x-signature']) assert.equal(seen.headers[name], undefined)
        assert.equal(seen.headers['x_signature'], path.startsWith('/query') ? 'y' : undefined)
      })
    }
  }

  test('the same signature again and again: honest clients repeat it for a second', async () => {
    const lines = signed(alice)
    for (let n = 0; n < 5; n++) assert.equal((await ask('/header', lines)).status, 200)
  })

  test('an upstream that shall see the signature does', async () => {
    const { text } = await ask('/shown', signed(alice))
    const { headers } = JSON.parse(text) as Echoed
    assert.deepEqual([headers['api-key'], headers['x-consumer-name']], [alice.key, 'alice'])
    assert.match(headers['x-signature'] ?? '', /^[0-9a-f]{64}$/)
  })

  test('one connection, one signature after another: nobody is taken for the one before', async () => {
    const client = await RawClient.connect(scope, gateway.port)
    const get = (lines: readonly string[]): string => ['GET /header HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n')
    await client.send([signed(alice), signed(bob), [], signed(old), signed(fresh)].map(get).join(''))
    const { finals } = await within(10_000, 'the answers', client.finals(5))
    assert.deepEqual(finals.map(statusOf), [200, 200, 401, 401, 200])
    const names = finals.map(
      ({ body }) => (JSON.parse(body.toString()) as Partial<Echoed>).headers?.['x-consumer-name'],
    )
    assert.deepEqual(names, ['alice', 'bob', undefined, undefined, 'alice'])
  })

  test('forged requests, with known keys and unknown ones, keep no honest client out', async () => {
    const forged = Array.from({ length: 2000 }, (_, n) => {
      const name = n % 2 === 0 ? alice.key : `nobody-${n}`
      return `GET /header HTTP/1.1\r\nHost: a\r\nApi-Key: ${name}\r\nX-Signature: ${mashery(name, 'no', n)}\r\n\r\n`
    })
    const client = await RawClient.connect(scope, gateway.port)
    const sent = client.send(forged.join(''))
    const honest = await Promise.all(Array.from({ length: 20 }, () => ask('/header', signed(alice))))
    assert.deepEqual([...new Set(honest.map(({ status }) => status))], [200])
    await sent
    const { finals } = await within(30_000, 'the refusals', client.finals(forged.length))
    assert.deepEqual([...new Set(finals.map(statusOf))], [401])
  })

  test('metrics and the access log say what the client does not hear', async () => {
    const decisions = (route: string, outcome: string): string =>
      `polygate_guard_decisions_total{http_route="${route}",guard="signature",outcome="${outcome}"}`
    await untilMetric(gateway, decisions('narrow', 'bad-signature'), 2)
    await untilMetric(gateway, decisions('query', 'admitted'), 4)
    await untilMetric(gateway, decisions('mixed', 'duplicate'), 4)
    await gateway.stop()
    const text = readFileSync(join(gateway.folder, 'access.log'), 'utf8')
    const lines = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { reason: string; consumer: string })
    assert.deepEqual([...new Set(lines.map(({ reason }) => reason))].sort(), [
      '',
      ...['bad-signature', 'duplicate', 'malformed', 'missing', 'no-active-secret', 'unknown-key'].map(
        reason => `signature ${reason}`,
      ),
    ])
    assert.deepEqual([...new Set(lines.map(({ consumer }) => consumer))].sort(), ['', 'alice', 'bob'])
    assert.ok(text.includes('api_key=*') && text.includes('sig=*'))
  })

  test('no secret is written down: not in the plan on disk, not in any log', () => {
    const files = readdirSync(gateway.folder, { recursive: true, encoding: 'utf8' })
      .map(name => join(gateway.folder, name))
      .filter(name => statSync(name).isFile() && name !== gateway.configFile)
    assert.ok(files.some(name => name.endsWith('last-good-plan.json')))
    const texts = [gateway.logs(), ...files.map(name => readFileSync(name, 'latin1'))]
    for (const secret of everySecret) {
      for (const form of ['utf8', 'base64', 'hex'] as const) {
        const written = Buffer.from(secret).toString(form)
        for (const text of texts) assert.ok(!text.includes(written), `${form} of ${secret}`)
      }
    }
  })
})
