// Pins that every kind of guard says what it has decided and why, in `explain`, in the metrics and in the access log, in the
// same words; and that no secret is in any of them, in the log of the processes, in the plan on disk, in the file of
// counts or in an answer: none that the configuration has, and none that a client sends, right or wrong.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { guardOutcomes } from '../../ts/shared/guard-outcomes.ts'
import { untilLogged } from '../helpers/access-log.ts'
import { makeAuthority, pairOf, type Authority } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetrics } from '../helpers/metrics.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { answerOf, ask, bytesOf, linesOf, type Answered, type Sent } from '../helpers/signed-requests.ts'
import { cavage, digestHeader, mashery } from '../helpers/signers.ts'
import { startUpstream } from '../helpers/upstream.ts'

const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js')

const secrets = {
  key: 'alices-api-key-0001',
  wrongKey: 'somebodys-key-0002',
  bobsKey: 'bobs-api-key-0003',
  carolsKey: 'carols-api-key-0004',
  password: 'alice-secret',
  wrongPassword: 'not-alices-password',
  token: 'a-secret-for-tokens-of-32-bytes-or-more',
  wrongToken: 'another-one-for-tokens-of-32-bytes-or-so',
  signing: 'alices-signing-secret',
  wrongSigning: 'somebodys-signing-secret',
  plugin: 'right-word-that-the-plugin-knows',
  wrongPlugin: 'wrong-word-that-it-does-not-know',
}
const hash = '$2b$04$abcdefghijklmnopqrstuuHCSenwm8buK215m4R4q2ZmPL95d0lX2'
const basic = (password: string): string => Buffer.from(`alice:${password}`).toString('base64')

/** HS256, for an hour. */
function tokenOf(secret: string, subject = 'alice'): string {
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 3600
  const text = `${encoded({ alg: 'HS256' })}.${encoded({ sub: subject, exp })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}
const tokens = {
  right: tokenOf(secrets.token),
  wrong: tokenOf(secrets.wrongToken),
  bobs: tokenOf(secrets.token, 'bob'),
}
const signatures = { right: mashery('alice-id', secrets.signing), wrong: mashery('alice-id', secrets.wrongSigning) }
const everySecret = [
  ...Object.values(secrets),
  ...[secrets.password, secrets.wrongPassword].map(basic),
  ...Object.values(tokens),
  ...Object.values(signatures),
]

const request = (route: string, query: string, ...lines: string[]): Sent => ({
  method: 'GET',
  target: `/${route}${query}`,
  lines: ['host: api.example', ...lines],
  body: null,
})

/** draft-cavage of the query alone: no two steps are the same. */
function signedRequest(route: string, query: string, secret = secrets.signing): Sent {
  const sent = request(route, query)
  const signed = cavage({ ...sent, method: 'GET', headers: {} }, 'alice-id', secret, ['(request-target)', 'date'])
  return { ...sent, lines: [...sent.lines, ...linesOf(signed)] }
}

interface Step {
  readonly sent: Sent
  /** With this client's certificate. */
  readonly certificate?: string
  readonly status: number
  /** What the metrics count. */
  readonly counted: readonly string[]
  /** What the access log says. */
  readonly reason: string
  /** What `explain` says; null: it has not all that the gateway has. */
  readonly decides: string | null
}

const admitted = (sent: Sent, counted: string, consumer = 'alice'): Step => {
  const as = consumer === '' ? '' : ` as ${consumer}`
  return { sent, status: 200, counted: [counted], reason: '', decides: `${counted}: goes on${as}` }
}
const refused = (sent: Sent, reason: string, status = 401, before: readonly string[] = []): Step => {
  const counted = [...before, reason]
  const code = status === 401 ? 'unauthorized' : 'forbidden'
  return { sent, status, counted, reason, decides: `${counted.join(', ')}: ${status} ${code}` }
}
/** What only counts can say. */
const limited = (sent: Sent, reason: string): Step => ({ sent, status: 429, counted: [reason], reason, decides: null })

interface Kind {
  readonly guards: string
  /** What `explain` says would run. */
  readonly runs: readonly RegExp[]
  readonly steps: (route: string) => readonly Step[]
  /** Further keys of the route. */
  readonly more?: string
}

const apikey = (key: string): string => `apikey: ${key}`

const kinds: Readonly<Record<string, Kind>> = {
  key: {
    guards: '{ key: { header: apikey } }',
    runs: [/^key guard: a consumer's key in header apikey, else 401/],
    steps: route => [
      admitted(request(route, '', apikey(secrets.key)), 'key admitted'),
      refused(request(route, '', apikey(secrets.wrongKey)), 'key unknown'),
      refused(request(route, ''), 'key missing'),
    ],
  },
  'key-in-the-query': {
    guards: '{ key: { query: ticket } }',
    runs: [/^key guard: a consumer's key in query ticket, else 401/],
    steps: route => [
      admitted(request(route, `?a=1&ticket=${secrets.key}`), 'key admitted'),
      refused(request(route, `?%74icket=${secrets.wrongKey}&a=1`), 'key unknown'),
      refused(request(route, `?ticket=${secrets.key}&ticket=${secrets.wrongKey}`), 'key ambiguous'),
    ],
  },
  basic: {
    guards: '{ basic: { realm: Shop } }',
    runs: [/^basic guard: username and password of a consumer \(realm Shop\), else 401/],
    steps: route => [
      admitted(request(route, '', `authorization: Basic ${basic(secrets.password)}`), 'basic admitted'),
      refused(request(route, '', `authorization: Basic ${basic(secrets.wrongPassword)}`), 'basic wrong'),
    ],
  },
  jwt: {
    guards: `{ jwt: { keys: [ { secret: "\${TOKEN_SECRET}" } ], algorithms: [ HS256 ], consumerClaim: sub } }`,
    runs: [/^jwt guard: a token in header authorization, HS256, by a key of the configuration, else 401/],
    steps: route => [
      admitted(request(route, '', `authorization: Bearer ${tokens.right}`), 'jwt admitted'),
      refused(request(route, '', `authorization: Bearer ${tokens.wrong}`), 'jwt bad signature'),
    ],
  },
  'jwt-in-the-query': {
    guards: `{ jwt: { keys: [ { secret: ${secrets.token} } ], algorithms: [ HS256 ], consumerClaim: sub, query: pass } }`,
    runs: [/^jwt guard: a token in query pass, HS256/],
    steps: route => [
      admitted(request(route, `?pass=${tokens.right}`), 'jwt admitted'),
      refused(request(route, `?pass=${tokens.wrong}`), 'jwt bad signature'),
    ],
  },
  mashery: {
    guards: '{ signature: { scheme: mashery-sha256 } }',
    runs: [/^signature guard: a consumer's mashery-sha256 signature, made within 300 s, else 401/],
    steps: route => [
      admitted(request(route, '', 'api-key: alice-id', `x-signature: ${signatures.right}`), 'signature admitted'),
      refused(request(route, '', 'api-key: alice-id', `x-signature: ${signatures.wrong}`), 'signature bad-signature'),
    ],
  },
  'mashery-in-the-query': {
    guards: '{ signature: { scheme: mashery-sha256, keyParameter: id, parameter: proof } }',
    runs: [/^signature guard: a consumer's mashery-sha256 signature/],
    steps: route => [
      admitted(request(route, `?id=alice-id&proof=${signatures.right}`), 'signature admitted'),
      refused(request(route, `?id=alice-id&proof=${signatures.wrong}`), 'signature bad-signature'),
    ],
  },
  cavage: {
    guards: '{ signature: { scheme: cavage } }',
    runs: [/^signature guard: a consumer's cavage signature, made within 300 s, once, else 401/],
    steps(route) {
      const once = signedRequest(route, '?1')
      const used = '; not asked here: whether the signature was used before'
      const first = admitted(once, 'signature admitted')
      return [
        { ...first, decides: `${first.decides}${used}` },
        { ...refused(once, 'signature replayed'), decides: null },
        refused(signedRequest(route, '?2', secrets.wrongSigning), 'signature bad-signature'),
      ]
    },
  },
  addresses: {
    guards: '{ ipAllow: [ 127.0.0.0/8 ] }, { ipDeny: [ 192.0.2.0/24 ] }',
    runs: [/^addresses: only of 127\.0\.0\.0\/8, else 403$/, /^addresses: none of 192\.0\.2\.0\/24, else 403$/],
    steps: route => [
      {
        ...admitted(request(route, ''), 'address admitted, address admitted', ''),
        counted: ['address admitted', 'address admitted'],
      },
    ],
  },
  'not-allowed': {
    guards: '{ ipAllow: [ 192.0.2.0/24 ] }',
    runs: [/^addresses: only of 192\.0\.2\.0\/24, else 403$/],
    steps: route => [refused(request(route, ''), 'address not allowed', 403)],
  },
  denied: {
    guards: '{ ipDeny: [ 127.0.0.1 ] }',
    runs: [/^addresses: none of 127\.0\.0\.1, else 403$/],
    steps: route => [refused(request(route, ''), 'address denied', 403)],
  },
  certificate: {
    guards: '{ clientCertificate: {} }',
    runs: [/^client certificate of a consumer, else 401/],
    steps: route => [
      { ...admitted(request(route, ''), 'clientCertificate admitted'), certificate: 'alice', decides: null },
      { ...refused(request(route, ''), 'clientCertificate unknown'), certificate: 'stranger', decides: null },
      refused(request(route, ''), 'clientCertificate missing'),
    ],
  },
  'two-consumers': {
    guards:
      '{ key: { header: apikey } }, { jwt: { keys: [ { secret: "${TOKEN_SECRET}" } ], algorithms: [ HS256 ], consumerClaim: sub } }',
    runs: [/^key guard/, /^jwt guard/],
    steps: route => [
      refused(
        request(route, '', apikey(secrets.key), `authorization: Bearer ${tokens.bobs}`),
        'consumers differ',
        401,
        ['key admitted'],
      ),
    ],
  },
  'any-of': {
    guards: '{ anyOf: [ { key: { header: apikey } }, { basic: { realm: Shop } } ] }',
    runs: [/^any of: key guard: .*; or basic guard: /],
    steps: route => [
      {
        ...admitted(
          request(route, '', `authorization: Basic ${basic(secrets.password)}`),
          'key missing, basic admitted',
        ),
        counted: ['key missing', 'basic admitted'],
      },
      {
        ...refused(request(route, '', apikey(secrets.wrongKey)), 'key unknown'),
        counted: ['key unknown', 'basic missing'],
        decides: 'key unknown, basic missing: 401 unauthorized',
      },
    ],
  },
  rate: {
    guards: '{ rateLimit: { limit: 1, per: 24h, by: route } }',
    runs: [/^limits by route: 1 in 86400 s; past them 429$/],
    steps: route => [
      { ...admitted(request(route, ''), 'rateLimit admitted', ''), decides: null },
      limited(request(route, ''), 'rateLimit limited'),
    ],
  },
  quota: {
    guards: '{ key: { header: apikey } }, { quota: { limit: 1, per: month, by: key } }',
    runs: [/^key guard/, /^limits by key: 1 a calendar month; past them 429$/],
    steps: route => [
      {
        ...admitted(request(route, '', apikey(secrets.key)), 'quota admitted'),
        counted: ['key admitted', 'quota admitted'],
        decides: 'key admitted: goes on as alice; not asked here: limits',
      },
      {
        ...limited(request(route, '', apikey(secrets.key)), 'quota exceeded'),
        counted: ['key admitted', 'quota exceeded'],
      },
    ],
  },
  'own-limits': {
    guards: '{ key: { header: apikey } }',
    runs: [/^key guard/, /^the limits that a consumer has of its own; past them 429; of their own: carol$/],
    steps: route => [
      {
        ...admitted(request(route, '', apikey(secrets.carolsKey)), 'rateLimit admitted', 'carol'),
        counted: ['key admitted', 'rateLimit admitted'],
        decides: 'key admitted: goes on as carol; not asked here: limits',
      },
      {
        ...limited(request(route, '', apikey(secrets.carolsKey)), 'rateLimit limited'),
        counted: ['key admitted', 'rateLimit limited'],
      },
    ],
  },
  plugin: {
    guards: '',
    more: ', plugins: [ words ]',
    runs: [],
    steps: route => [
      { ...admitted(request(route, '', `x-word: ${secrets.plugin}`), 'plugin admitted', 'bob'), decides: null },
      { ...refused(request(route, '', `x-word: ${secrets.wrongPlugin}`), 'plugin missing'), decides: null },
    ],
  },
}

/** Knows a word by its beginning: what a plugin itself is given or says is its own affair. */
const plugin = `export default () => ({
  authenticate: request => (request.headers.get('x-word')?.startsWith('right-') ? { consumer: 'bob' } : undefined),
})
`
const manifest = `name: words
version: 1.0.0
runtime: js
isolation: inline
entry: ./plugin.js
hooks: [authenticate]
`

describe('what guards say', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.unshift(end) }
  const environment = { TOKEN_SECRET: secrets.token, SIGNING_SECRET: secrets.signing, ALICE_KEY: secrets.key }
  const held: ServerResponse[] = []
  let authority: Authority
  let gateway: RunningGateway
  let tlsPort = 0
  const answers: string[] = []
  const logged: (readonly [route: string, reason: string])[] = []
  const counted = new Map<string, number>()

  before(async () => {
    authority = makeAuthority(scope)
    const site = authority.issue('site')
    tlsPort = await freePort()
    const slow = await startUpstream(scope, (_request, response) => void held.push(response))
    const folder = mkdtempSync(join(tmpdir(), 'polygate-words-'))
    scope.after(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, 'words'))
    writeFileSync(join(folder, 'words', 'plugin.js'), plugin)
    writeFileSync(join(folder, 'words', 'plugin.yaml'), manifest)
    const routes = Object.entries(kinds).map(
      ([name, { guards, more = '' }]) =>
        `  - { name: ${name}, match: { path: /${name} }, respond: { body: ok }, guards: [ ${guards} ]${more} }\n`,
    )
    gateway = await startGateway(
      scope,
      `listen:
  - { address: 127.0.0.1, port: %PORT% }
  - { address: 127.0.0.1, port: ${tlsPort}, tls: { certificate: ${site.certificate}, key: ${site.key}, clientCa: ${authority.certificate}, clientCertificate: optional } }
accessLog: { target: access.log }
upstreams: { slow: { peers: [ { url: "${slow.url}" } ] } }
plugins: { words: { path: "${folder}/words" } }
consumers:
  alice:
    keys: [ "\${ALICE_KEY}" ]
    passwords: [ ${hash} ]
    certificates: [ { san: alice } ]
    signing:
      - { scheme: mashery-sha256, keyId: alice-id, secret: "\${SIGNING_SECRET}" }
      - { scheme: cavage, keyId: alice-id, secret: ${secrets.signing} }
  bob: { keys: [ ${secrets.bobsKey} ] }
  carol: { keys: [ ${secrets.carolsKey} ], rateLimit: { limit: 1, per: 24h } }
routes:
${routes.join('')}  - { name: held, match: { path: /held }, upstream: slow, guards: [ { concurrency: { limit: 1, by: route } } ] }
`,
      { env: environment },
    )
  })
  after(async () => {
    for (const end of ends) await end()
  })

  async function send({ sent, certificate }: Step): Promise<Answered> {
    if (certificate === undefined) return ask(scope, gateway.port, sent)
    const client = await RawClient.connectTls(scope, tlsPort, pairOf(authority.issue(certificate)))
    await client.send(bytesOf(sent))
    return answerOf(client, sent.target)
  }

  function expect(route: string, reason: string, outcomes: readonly string[]): void {
    logged.push([route, reason])
    for (const outcome of outcomes) {
      const [guard, ...words] = outcome.split(' ')
      const series = `polygate_guard_decisions_total{http_route="${route}",guard="${guard}",outcome="${words.join(' ')}"}`
      counted.set(series, (counted.get(series) ?? 0) + 1)
    }
  }

  function explain({ target, lines }: Sent, ...args: string[]): string {
    const headers = lines.flatMap(line => ['-H', line])
    const argv = [main, 'explain', 'GET', target, ...headers, '--config', gateway.configFile, ...args]
    const { stdout, stderr, status } = spawnSync(process.execPath, argv, {
      encoding: 'utf8',
      env: { ...process.env, ...environment },
    })
    assert.equal(status, 0, stderr)
    answers.push(stdout, stderr)
    return stdout
  }

  for (const [route, { steps, runs }] of Object.entries(kinds)) {
    test(`${route}: the answers, and what explain says`, async () => {
      for (const step of steps(route)) {
        const { status, text } = await send(step)
        assert.equal(status, step.status, text)
        answers.push(text)
        expect(route, step.reason, step.counted)
        if (step.decides === null) continue
        const said = explain(step.sent).split('\n')
        assert.deepEqual(
          said.filter(line => line.startsWith('decides')),
          [`decides  ${step.decides}`],
        )
      }
      const told = JSON.parse(explain(steps(route)[0]!.sent, '--format', 'json')) as { runs: string[] }
      for (const one of runs)
        assert.ok(
          told.runs.some(line => one.test(line)),
          `${String(one)} in\n${told.runs.join('\n')}`,
        )
    })
  }

  test('at once: one is in flight, another is refused', async () => {
    const first = await RawClient.connect(scope, gateway.port)
    await first.send(bytesOf(request('held', '')))
    while (held.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
    const { status, text } = await ask(scope, gateway.port, request('held', ''))
    assert.equal(status, 429, text)
    expect('held', 'concurrency limited', ['concurrency limited'])
    held[0]!.end()
    assert.equal((await answerOf(first, 'the one in flight')).status, 200)
    expect('held', '', ['concurrency admitted'])
    assert.match(explain(request('held', '')), /^runs {5}at most 1 at once by route; past them 429$/m)
  })

  test('explain hears what it cannot know: another address, the body that is signed', () => {
    const from = explain(request('denied', ''), '--from', '192.0.2.1')
    assert.match(from, /^decides {2}address admitted: goes on$/m)
    const digest = digestHeader('abc')
    const names = ['(request-target)', 'date', 'digest']
    const headers = cavage(
      { method: 'GET', target: '/cavage', headers: { digest } },
      'alice-id',
      secrets.signing,
      names,
    )
    const lines = [...linesOf({ digest, ...headers }), 'content-length: 3']
    const body = explain({ target: '/cavage', lines, body: null })
    assert.match(body, /^decides {2}goes on; not asked here: .*, the signature, which needs the body$/m)
    assert.match(explain(request('plugin', '', 'x-word: right-')), /^route {4}plugin /m)
  })

  test('the metrics', async () => {
    const wrong = (samples: ReadonlyMap<string, number>): string[] => {
      const found = [...samples].filter(([series]) => series.startsWith('polygate_guard_decisions_total{'))
      const differ = [...counted].filter(([series, value]) => samples.get(series) !== value)
      const unexpected = found.filter(([series, value]) => value > 0 && !counted.has(series))
      return [...differ, ...unexpected].map(pair => pair.join(' '))
    }
    const samples = await untilMetrics(gateway, 'every decision', all => wrong(all).length === 0)
    answers.push(JSON.stringify([...samples]))
    // What is left of the table of outcomes is said where nothing can be counted: the next test.
    const guards = new Set([...counted.keys()].map(series => /guard="(\w+)"/.exec(series)![1]))
    const all = new Set(guardOutcomes.map(([guard]) => guard))
    assert.deepEqual(
      [...all].filter(guard => !guards.has(guard)),
      ['limits'],
    )
  })

  test('the access log', async () => {
    const lines = await untilLogged(gateway, logged.length)
    const sorted = (list: (readonly [string, string])[]): string[] => list.map(pair => pair.join(': ')).sort()
    assert.deepEqual(sorted(lines.map(({ route, reason }) => [route, reason])), sorted(logged))
    for (const { reason, consumer, status } of lines) {
      if (reason === '' && status === 200 && consumer !== '') assert.ok(['alice', 'bob', 'carol'].includes(consumer))
    }
    const paths = lines.map(({ path }) => path)
    for (const path of [
      '/key-in-the-query?a=1&ticket=*',
      '/key-in-the-query?%74icket=*&a=1',
      '/jwt-in-the-query?pass=*',
      '/mashery-in-the-query?id=*&proof=*',
    ])
      assert.ok(paths.includes(path), path)
  })

  test('no secret is in any of it', async () => {
    for (const path of ['/metrics', '/readyz?verbose', '/livez'])
      answers.push(await (await fetch(gateway.adminUrl + path)).text())
    const files = readdirSync(gateway.folder, { recursive: true, encoding: 'utf8' })
      .map(name => join(gateway.folder, name))
      .filter(name => statSync(name).isFile() && name !== gateway.configFile)
    for (const name of ['last-good-plan.json', 'limits', 'access.log']) {
      assert.ok(
        files.some(file => file.endsWith(name)),
        name,
      )
    }
    const texts = [gateway.logs(), ...answers, ...files.map(file => readFileSync(file, 'latin1'))]
    for (const text of texts) {
      for (const secret of everySecret) {
        for (const written of [
          secret,
          Buffer.from(secret).toString('base64').replace(/=+$/, ''),
          Buffer.from(secret).toString('hex'),
        ]) {
          assert.ok(!text.includes(written), `${secret} in ${text.slice(0, 300)}`)
        }
      }
    }
    for (const answer of answers) assert.ok(!answer.includes(hash))
  })
})

test('where nothing can be counted or remembered: each kind says so', async t => {
  const guards: Readonly<Record<string, readonly [guard: string, status: number, outcome: string]>> = {
    'rate-closed': ['{ rateLimit: { limit: 1, per: 1s, by: route } }', 503, 'limits unavailable'],
    'rate-open': ['{ rateLimit: { limit: 1, per: 1s, by: route, onFailure: open } }', 200, 'limits skipped'],
    'quota-closed': ['{ quota: { limit: 1, per: day, by: route } }', 503, 'limits unavailable'],
    'quota-open': ['{ quota: { limit: 1, per: day, by: route, onFailure: open } }', 200, 'limits skipped'],
    'places-closed': ['{ concurrency: { limit: 1, by: route } }', 503, 'limits unavailable'],
    'places-open': ['{ concurrency: { limit: 1, by: route, onFailure: open } }', 200, 'limits skipped'],
    'signature-closed': ['{ signature: { scheme: cavage } }', 503, 'signature store unavailable'],
    'signature-open': ['{ signature: { scheme: cavage, onFailure: open } }', 200, 'signature admitted without memory'],
  }
  const gateway = await startGateway(
    t,
    `accessLog: { target: access.log }
counting: { file: /sys/polygate-counts }
consumers: { alice: { signing: [ { scheme: cavage, keyId: alice-id, secret: ${secrets.signing} } ] } }
routes:
${Object.entries(guards)
  .map(([name, [guard]]) => `  - { name: ${name}, match: { path: /${name} }, respond: {}, guards: [ ${guard} ] }\n`)
  .join('')}`,
  )
  const names = Object.keys(guards)
  for (const name of names) {
    const sent = name.startsWith('signature') ? signedRequest(name, '') : request(name, '')
    const { status, code } = await ask(t, gateway.port, sent)
    const expected = guards[name]![1]
    assert.deepEqual([status, code], [expected, expected === 503 ? 'store_unavailable' : ''], name)
  }
  const lines = await untilLogged(gateway, names.length)
  assert.deepEqual(
    lines.map(({ reason }) => reason),
    names.map(name => (guards[name]![1] === 503 ? guards[name]![2] : '')),
  )
  const series = names.map(name => {
    const [guard, ...words] = guards[name]![2].split(' ')
    return `polygate_guard_decisions_total{http_route="${name}",guard="${guard}",outcome="${words.join(' ')}"}`
  })
  await untilMetrics(gateway, 'every decision', samples => series.every(one => samples.get(one) === 1))
  await gateway.line(/limits cannot be counted/)
})
