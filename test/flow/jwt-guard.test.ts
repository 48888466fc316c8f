// Pins the jwt guard through a whole gateway, with tokens made by another library: every algorithm, who is refused and
// how, what the upstream sees, and that no token and no secret is written down anywhere.
import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exportSPKI, SignJWT } from 'jose'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { audience, issuerName, makeKey, makeToken, startIssuer, type IssuerKey } from '../helpers/issuer.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'

const secret = 'a-shared-secret-of-sixty-four-bytes-and-a-few-more-of-them-for-HS512'
const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'] as const
const symmetric = ['HS256', 'HS384', 'HS512'] as const

interface Echoed {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly challenge: string
}

describe('the jwt guard', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  const keys = new Map<string, IssuerKey>()
  const sent: string[] = []
  let gateway: RunningGateway

  before(async () => {
    for (const algorithm of asymmetric) keys.set(algorithm, await makeKey(algorithm, `id-${algorithm}`))
    const echo = await startEcho(scope)
    const jwks = [...keys.values(), await makeKey('ES256', 'another')].map(({ jwk }) => jwk)
    const issuer = await startIssuer(scope, [...jwks, { kty: 'oct', k: 'c2VjcmV0', kid: 'oct' }])
    const pem = (await exportSPKI(key('RS256').publicKey)).trim().replaceAll('\n', '\\n')
    const rules = `issuer: "${issuerName}", audience: "${audience}", consumerClaim: sub`
    const all = `jwks: "${issuer.url}", algorithms: [ ${asymmetric.join(', ')} ], ${rules}`
    const files = mkdtempSync(join(tmpdir(), 'polygate-jwks-'))
    scope.after(() => rmSync(files, { recursive: true, force: true }))
    writeFileSync(join(files, 'jwks.json'), JSON.stringify({ keys: jwks }))
    gateway = await startGateway(
      scope,
      `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
consumers:
  alice: { keys: [ alice-api-key ] }
  bob: { jwt: [ "auth0|bob", { subject: "7", issuer: "${issuerName}" } ] }
routes:
  - { name: all, match: { path: /all }, upstream: echo, guards: [ { jwt: { ${all} } } ] }
  - name: shared
    match: { path: /shared }
    upstream: echo
    guards: [ { jwt: { keys: [ { secret: "\${JWT_SECRET}" } ], algorithms: [ ${symmetric.join(', ')} ], ${rules} } } ]
  - name: pem
    match: { path: /pem }
    upstream: echo
    guards: [ { jwt: { keys: [ { publicKey: "${pem}" } ], algorithms: [ RS256 ], ${rules} } } ]
  - name: file
    match: { path: /file }
    upstream: echo
    guards: [ { jwt: { jwksFile: "${join(files, 'jwks.json')}", algorithms: [ ES256 ], ${rules}, forward: true } } ]
  - name: claims
    match: { path: /claims }
    upstream: echo
    guards:
      - jwt:
          ${all.replaceAll(', issuer', '\n          issuer').replaceAll(', audience', '\n          audience').replaceAll(', algorithms', '\n          algorithms').replaceAll(', consumerClaim: sub', '')}
          requiredClaims: { scope: [ read, write ], level: 2, /realm/roles: { anyOf: [ admin, operator ] } }
          forwardClaims: { sub: X-User, /realm/roles: X-Roles, name: X-Name }
  - { name: admits, match: { path: /admits }, upstream: echo, guards: [ { jwt: { ${all}, unknownConsumer: admit } } ] }
  - { name: query, match: { path: /query }, upstream: echo, guards: [ { jwt: { ${all}, query: access_token } } ] }
  - { name: cookie, match: { path: /cookie }, upstream: echo, guards: [ { jwt: { ${all}, cookie: session } } ] }
  - { name: header, match: { path: /header }, upstream: echo, guards: [ { jwt: { ${all}, header: X-Token } } ] }
  - { name: typed, match: { path: /typed }, upstream: echo, guards: [ { jwt: { ${all}, type: at+jwt } } ] }
  - { name: skew, match: { path: /skew }, upstream: echo, guards: [ { jwt: { ${all}, clockSkewSeconds: 0 } } ] }
  - name: either
    match: { path: /either }
    upstream: echo
    guards:
      - anyOf:
          - allOf: [ { jwt: { ${all}, forwardClaims: { sub: X-User } } }, { ipAllow: [ 192.0.2.1 ] } ]
          - key: { header: apikey }
  - { name: open, match: { path: "/*" }, upstream: echo }
`,
      { env: { JWT_SECRET: secret } },
    )
    await untilMetric(gateway, `polygate_key_set_keys{url="${issuer.url}"}`, jwks.length)
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  function key(algorithm: string): IssuerKey {
    return keys.get(algorithm)!
  }

  async function token(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    algorithm = 'ES256',
  ): Promise<string> {
    const made = await makeToken(key(algorithm), claims, header)
    sent.push(made)
    return made
  }

  /** Written by hand; one with a body does not go past the front end. */
  async function ask(path: string, lines: readonly string[], body: string | null = null): Promise<Answer> {
    const client = await RawClient.connect(scope, gateway.port)
    const length = body === null ? [] : [`Content-Length: ${body.length}`]
    await client.send(
      Buffer.from([`POST ${path} HTTP/1.1`, 'Host: a', ...lines, ...length, '', body ?? ''].join('\r\n'), 'latin1'),
    )
    const { finals } = await within(10_000, path, client.finals(1))
    const final = finals[0]!
    return {
      status: statusOf(final),
      text: final.body.toString(),
      challenge: valuesOf(final, 'www-authenticate').join(', '),
    }
  }

  const bearer = (text: string): string[] => [`Authorization: Bearer ${text}`]
  const nowSeconds = (): number => Math.floor(Date.now() / 1000)
  const encoded = (value: unknown): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const expected = new Map<string, number>()
  const reasonCount = (outcome: string): string =>
    `polygate_guard_decisions_total{http_route="all",guard="jwt",outcome="${outcome}"}`

  for (const algorithm of asymmetric) {
    test(`200: ${algorithm}, twice`, async () => {
      const lines = bearer(await token({}, {}, algorithm))
      for (const body of [null, 'x', null]) {
        const { status, text } = await ask('/all', [...lines, 'X-Consumer-Name: root'], body)
        assert.equal(status, 200, text)
        const { headers } = JSON.parse(text) as Echoed
        assert.equal(headers['x-consumer-name'], 'alice')
        assert.equal(headers['authorization'], undefined)
      }
    })
  }

  for (const algorithm of symmetric) {
    test(`200: ${algorithm}`, async () => {
      const claims = { iss: issuerName, aud: audience, sub: 'auth0|bob', exp: nowSeconds() + 60 }
      const made = await new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(Buffer.from(secret))
      sent.push(made)
      const { status, text } = await ask('/shared', bearer(made))
      assert.deepEqual([status, (JSON.parse(text) as Echoed).headers['x-consumer-name']], [200, 'bob'])
    })
  }

  test('200: a key of a PEM, without an id in the token; a key set of a file, and the upstream sees the token', async () => {
    assert.equal((await ask('/pem', bearer(await token({}, { kid: undefined }, 'RS256')))).status, 200)
    assert.equal((await ask('/all', bearer(await token({}, { kid: undefined }, 'RS256')))).status, 200)
    const made = await token()
    const { status, text } = await ask('/file', bearer(made))
    assert.deepEqual([status, (JSON.parse(text) as Echoed).headers['authorization']], [200, `Bearer ${made}`])
  })

  test('200: in a parameter, a cookie, another header; none of them goes upstream', async () => {
    const made = await token({ sub: '7' })
    for (const [path, url, lines] of [
      [`/query?a=1&access_token=${made}&b=2`, '/query?a=1&b=2', []],
      ['/cookie', '/cookie', [`Cookie: session=${made}`]],
      ['/header', '/header', [`X-Token: ${made}`]],
    ] as const) {
      for (const body of [null, 'x']) {
        const { status, text } = await ask(path, lines, body)
        assert.equal(status, 200, path)
        const seen = JSON.parse(text) as Echoed
        assert.deepEqual([seen.url, seen.headers['x-consumer-name']], [url, 'bob'])
        assert.ok(!text.includes(made), 'the upstream has seen the token')
      }
    }
  })

  const refused: readonly (readonly [title: string, outcome: string, make: () => Promise<string[]> | string[]])[] = [
    ['no token', 'missing', () => []],
    ['an empty header', 'missing', () => ['Authorization:']],
    ['another scheme', 'missing', () => ['Authorization: Basic YTpi']],
    ['no token behind Bearer', 'malformed', () => ['Authorization: Bearer']],
    ['two headers', 'ambiguous', async () => [...bearer(await token()), ...bearer(await token())]],
    ['two tokens in one header', 'malformed', async () => bearer(`${await token()}, ${await token()}`)],
    ['no JWS', 'malformed', () => bearer('opaque-token')],
    ['bytes beyond ASCII', 'malformed', () => bearer('\xe9.\xe9.\xe9')],
    ['a JWE', 'malformed', () => bearer(`${encoded({ alg: 'dir', enc: 'A128GCM' })}..a.b.c`)],
    ['a part more', 'malformed', async () => bearer(`${await token()}.x`)],
    ['a byte more', 'malformed', async () => bearer(`${await token()}=`)],
    ['a token longer than any', 'malformed', () => bearer(`${encoded({ alg: 'ES256' })}.${'a'.repeat(9000)}.b`)],
    [
      'a header of depth',
      'malformed',
      () => bearer(`${encoded(`{"alg":"ES256","x":${'['.repeat(900)}${']'.repeat(900)}}`)}.e30.AA`),
    ],
    [
      'crit',
      'malformed',
      async () => bearer(await signedBy('ES256', { alg: 'ES256', kid: 'id-ES256', crit: ['exp'] })),
    ],
    [
      'b64: false',
      'malformed',
      async () => bearer(await signedBy('ES256', { alg: 'ES256', kid: 'id-ES256', b64: false })),
    ],
    [
      'a duplicate kid',
      'malformed',
      async () => bearer(await signedBy('ES256', '{"alg":"ES256","kid":"id-ES256","kid":"x"}')),
    ],
    [
      'alg none',
      'wrong algorithm',
      () => bearer(`${encoded({ alg: 'none', kid: 'id-ES256' })}.${encoded({ sub: 'alice' })}.AA`),
    ],
    [
      'alg none without signature',
      'malformed',
      () => bearer(`${encoded({ alg: 'none' })}.${encoded({ sub: 'alice' })}.`),
    ],
    ['HS256 with the public key', 'wrong algorithm', async () => bearer(await confused())],
    ['another algorithm than the key’s', 'unknown key', async () => bearer(await token({}, { kid: 'id-ES384' }))],
    ['an unknown kid', 'unknown key', async () => bearer(await token({}, { kid: 'nobody' }))],
    ['no kid where several keys fit', 'unknown key', async () => bearer(await withoutKid())],
    [
      'the symmetric key of the set',
      'wrong algorithm',
      async () => bearer(await token({}, { kid: 'oct', alg: 'ES256' }).then(asOct)),
    ],
    ['another key', 'bad signature', async () => bearer(await makeToken(await makeKey('ES256', 'id-ES256')))],
    ['changed claims', 'bad signature', async () => bearer(await changed())],
    ['a cut signature', 'bad signature', async () => bearer(await cut())],
    ['expired', 'expired', async () => bearer(await token({ exp: nowSeconds() - 31 }))],
    ['not yet', 'not yet', async () => bearer(await token({ nbf: nowSeconds() + 60 }))],
    ['no end', 'malformed', async () => bearer(await token({ exp: undefined }))],
    [
      'an end in words',
      'malformed',
      async () => bearer(await signedBy('ES256', { alg: 'ES256', kid: 'id-ES256' }, { exp: 'never' })),
    ],
    ['another issuer', 'wrong issuer', async () => bearer(await token({ iss: 'https://issuer.example' }))],
    ['no issuer', 'wrong issuer', async () => bearer(await token({ iss: undefined }))],
    ['another audience', 'wrong audience', async () => bearer(await token({ aud: ['https://other.example/'] }))],
    ['no audience', 'wrong audience', async () => bearer(await token({ aud: undefined }))],
  ]
  for (const [title, outcome, make] of refused) {
    for (const body of [null, 'x']) {
      test(`401: ${title}${body === null ? '' : ', with a body'}`, async () => {
        const { status, text, challenge } = await ask('/all', await make(), body)
        assert.equal(status, 401)
        assert.equal((JSON.parse(text) as { code: string }).code, 'unauthorized')
        const error = outcome === 'missing' ? '' : ', error="invalid_token"'
        const expired = outcome === 'expired' ? ', error_description="the token has expired"' : ''
        assert.equal(challenge, `Bearer realm="polygate"${error}${expired}`)
        expected.set(outcome, (expected.get(outcome) ?? 0) + 1)
      })
    }
  }

  test('metrics say why', async () => {
    for (const [outcome, count] of expected) await untilMetric(gateway, reasonCount(outcome), count)
  })

  /** Signed by hand, so that the header may be what no library writes. */
  async function signedBy(algorithm: string, header: unknown, claims: Record<string, unknown> = {}): Promise<string> {
    const payload = { iss: issuerName, aud: audience, sub: 'alice', exp: nowSeconds() + 60, ...claims }
    const signed = `${encoded(header)}.${encoded(payload)}`
    const { privateKey } = key(algorithm)
    const parameters = { name: 'ECDSA', hash: 'SHA-256' }
    const signature = await crypto.subtle.sign(parameters, privateKey, Buffer.from(signed))
    return `${signed}.${Buffer.from(signature).toString('base64url')}`
  }

  async function confused(): Promise<string> {
    const pem = await exportSPKI(key('RS256').publicKey)
    const claims = { iss: issuerName, aud: audience, sub: 'alice', exp: nowSeconds() + 60 }
    const signed = `${encoded({ alg: 'HS256', kid: 'id-RS256' })}.${encoded(claims)}`
    return `${signed}.${createHmac('sha256', pem).update(signed).digest('base64url')}`
  }

  const withoutKid = (): Promise<string> => token({}, { kid: undefined })

  async function asOct(made: string): Promise<string> {
    const [, payload = ''] = made.split('.')
    const signed = `${encoded({ alg: 'HS256', kid: 'oct' })}.${payload}`
    return Promise.resolve(`${signed}.${createHmac('sha256', 'secret').update(signed).digest('base64url')}`)
  }

  async function cut(): Promise<string> {
    const [header, payload, signature = ''] = (await token()).split('.')
    return `${header}.${payload}.${Buffer.from(signature, 'base64url').subarray(0, -3).toString('base64url')}`
  }

  async function changed(): Promise<string> {
    const [header, , signature] = (await token()).split('.')
    const claims = { iss: issuerName, aud: audience, sub: 'auth0|bob', exp: nowSeconds() + 60 }
    return `${header}.${encoded(claims)}.${signature}`
  }

  test('moments without skew: valid from the second of nbf on, and no more at that of exp', async () => {
    const now = nowSeconds()
    for (const [claims, status] of [
      [{ exp: now }, 401],
      [{ exp: now + 60 }, 200],
      [{ nbf: now }, 200],
      [{ nbf: now + 60 }, 401],
    ] as const) {
      assert.equal((await ask('/skew', bearer(await token(claims)))).status, status, JSON.stringify(claims))
    }
    assert.equal((await ask('/all', bearer(await token({ exp: now - 20, nbf: now + 10 })))).status, 200)
  })

  test('a token that was good is refused once its time is over', async () => {
    const made = await token({ exp: nowSeconds() + 2 })
    assert.equal((await ask('/skew', bearer(made))).status, 200)
    const ended = async (): Promise<void> => {
      while ((await ask('/skew', bearer(made))).status === 200) await new Promise(resolve => setTimeout(resolve, 100))
    }
    await within(10_000, 'the end of the token', ended())
    assert.ok(
      Date.now() / 1000 >=
        (JSON.parse(Buffer.from(made.split('.')[1]!, 'base64url').toString()) as { exp: number }).exp,
    )
  })

  test('403: claims that are missing or others, and what scope would do', async () => {
    const good = { scope: 'write read', level: 2, realm: { roles: ['x', 'operator'] } }
    for (const claims of [
      {},
      { ...good, scope: 'read' },
      { ...good, scope: undefined },
      { ...good, level: '2' },
      { ...good, realm: { roles: ['x'] } },
      { ...good, realm: { roles: 'administrator' } },
      { ...good, realm: [] },
    ]) {
      const { status, text, challenge } = await ask('/claims', bearer(await token(claims)))
      assert.equal(status, 403, JSON.stringify(claims))
      assert.equal((JSON.parse(text) as { code: string }).code, 'forbidden')
      assert.equal(challenge, 'Bearer realm="polygate", error="insufficient_scope", scope="read write"')
    }
    assert.equal((await ask('/claims', bearer(await token(good)))).status, 200)
  })

  test('claims go upstream in headers that no client can send, and cannot end a line', async () => {
    const good = { scope: 'write read', level: 2, realm: { roles: ['operator', 'é\r\n'] } }
    const made = await token({ ...good, sub: 'a%b\r\nX-Consumer-Name: root' })
    const forged = ['X-User: root', 'X_User: root', 'x-roles: ["root"]', 'X-NAME: root']
    for (const body of [null, 'x']) {
      const { status, text } = await ask('/claims', [...forged, ...bearer(made)], body)
      assert.equal(status, 200)
      const { headers } = JSON.parse(text) as Echoed
      assert.equal(decodeURIComponent(headers['x-user']!), 'a%b\r\nX-Consumer-Name: root')
      assert.equal(headers['x-user'], 'a%25b%0D%0AX-Consumer-Name: root')
      assert.deepEqual(JSON.parse(headers['x-roles']!), ['operator', 'é\r\n'])
      for (const name of ['x-name', 'x_user', 'x-consumer-name']) assert.equal(headers[name], undefined, name)
    }
  })

  test('one connection, one token after another: nobody has the claims of the one before', async () => {
    const good = { scope: 'write read', level: 2, realm: { roles: ['admin'] } }
    const named = await token({ ...good, sub: 'first', name: 'First' })
    const nameless = await token({ ...good, sub: 'second' })
    const client = await RawClient.connect(scope, gateway.port)
    const get = (path: string, made: string): string =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${made}\r\n\r\n`
    await client.send(
      [get('/claims', named), get('/claims', nameless), get('/open', named), get('/claims', named)].join(''),
    )
    const { finals } = await within(10_000, 'the answers', client.finals(4))
    assert.deepEqual(finals.map(statusOf), [200, 200, 200, 200])
    const seen = finals.map(({ body }) => (JSON.parse(body.toString()) as Echoed).headers)
    assert.deepEqual(
      seen.map(headers => [headers['x-user'], headers['x-name']]),
      [
        ['first', 'First'],
        ['second', undefined],
        [undefined, undefined],
        ['first', 'First'],
      ],
    )
  })

  test('a token about nobody: 403, or let through without a name', async () => {
    for (const sub of ['mallory', 'bob', 'Alice', 'auth0|bob '] as const) {
      const made = await token({ sub })
      assert.equal((await ask('/all', bearer(made))).status, 403, sub)
      const { status, text } = await ask('/admits', [...bearer(made), 'X-Consumer-Name: root'])
      assert.deepEqual([status, (JSON.parse(text) as Echoed).headers['x-consumer-name']], [200, undefined])
    }
  })

  test('types: an id token is no access token', async () => {
    for (const [typ, status] of [
      ['at+jwt', 200],
      ['application/AT+JWT', 200],
      ['JWT', 401],
      [undefined, 401],
    ] as const) {
      assert.equal((await ask('/typed', bearer(await token({}, { typ })))).status, status, typ)
    }
  })

  test('one of several: what was found of a token does not count where another credential lets the request in', async () => {
    const { status, text } = await ask('/either', [...bearer(await token()), 'apikey: alice-api-key', 'x-user: root'])
    assert.equal(status, 200)
    const { headers } = JSON.parse(text) as Echoed
    assert.deepEqual([headers['x-consumer-name'], headers['x-user']], ['alice', undefined])
    const refusal = await ask('/either', [])
    assert.equal(refusal.status, 401)
    assert.match(refusal.challenge, /^Bearer realm=.*, ApiKey in=/)
  })

  test('random damage is never let in', async () => {
    const made = await token()
    const damaged = Array.from({ length: 300 }, () => {
      const bytes = Buffer.from(made)
      const [at, how, byte] = [
        randomBytes(2).readUInt16LE() % bytes.length,
        randomBytes(1)[0]! % 3,
        33 + (randomBytes(1)[0]! % 94),
      ]
      if (how === 0) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]).toString()
      if (how === 1) return Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)]).toString()
      bytes[at] = byte
      return bytes.toString()
    }).filter(one => one !== made)
    const client = await RawClient.connect(scope, gateway.port)
    await client.send(
      damaged.map(one => `GET /all HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${one}\r\n\r\n`).join(''),
    )
    const { finals } = await within(20_000, 'the answers', client.finals(damaged.length))
    finals.forEach((final, at) => assert.equal(statusOf(final), 401, damaged[at]))
  })

  test('no token and no secret is written down: not in files, not in logs, not in metrics', async () => {
    const logFile = join(gateway.folder, 'access.log')
    const written = async (): Promise<void> => {
      while (!readFileSync(logFile, 'utf8').includes('"route":"query"'))
        await new Promise(resolve => setTimeout(resolve, 20))
    }
    await within(10_000, 'the access log', written())
    const files = readdirSync(gateway.folder, { recursive: true, encoding: 'utf8' })
      .map(name => join(gateway.folder, name))
      .filter(name => statSync(name).isFile() && name !== gateway.configFile)
    for (const name of ['last-good-plan.json', 'key-sets.json'])
      assert.ok(
        files.some(file => file.endsWith(name)),
        name,
      )
    const texts = files.map(name => readFileSync(name, 'latin1'))
    texts.push(gateway.logs(), await (await fetch(`${gateway.adminUrl}/metrics`)).text())
    const wanted = [secret, Buffer.from(secret).toString('base64'), ...sent.flatMap(one => one.split('.')[2] ?? [])]
    for (const text of texts) for (const one of wanted) assert.ok(!text.includes(one), text.slice(0, 200))
    assert.match(gateway.logs(), /a key is ignored.*symmetric/)
    const reasons = readFileSync(logFile, 'utf8').match(/"reason":"jwt [^"]+"/g) ?? []
    assert.ok(new Set(reasons).size > 10)
  })
})
