// Pins the guard for client certificates through a whole gateway, with certificates that openssl makes: who is refused and
// how, that what a certificate says is compared as the configuration writes it, that both ways through the front end (past
// it and not) do the same, and that the upstream hears of a certificate from the gateway alone.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import { makeAuthority, openssl, pairOf, type Authority, type Certificate } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'

interface Echoed {
  readonly headers: Readonly<Record<string, string>>
}

/** Consumers by what their certificates say; the subjects as a configuration may write them. */
const consumers = {
  alice: '{ subject: "cn=alice, O=Example" }',
  bob: '{ san: Bob.Example }, { san: bob2.example }',
  carol: '{ san: "spiffe://example.com/Carol" }',
  dave: '{ san: Dave@Example.com }',
  zoe: '{ subject: "CN=Zoë\\\\ \\\\+ 1\\\\,2,O=\\\\#\\\\ a,emailAddress=z@example.com,DC=example,UID=z" }',
  mary: '{ subject: "OU=two+CN=mary,O=Example" }',
  odd: '{ subject: "2.5.4.51=#0C0161,CN=odd" }',
  both: '{ subject: CN=both }, { san: both.example }',
}

describe('the client certificate guard', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.unshift(end) }
  const ports = { plain: 0, optional: 0, required: 0 }
  let authority: Authority
  let gateway: RunningGateway
  let erin: Certificate

  before(async () => {
    authority = makeAuthority(scope)
    const site = authority.issue('site')
    erin = authority.issue('erin')
    const echo = await startEcho(scope)
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort()
    const tls = `certificate: ${site.certificate}, key: ${site.key}, clientCa: ${authority.certificate}`
    const digest = new X509Certificate(readFileSync(erin.certificate)).fingerprint256
    const known = Object.entries({ ...consumers, erin: `{ sha256: "${digest}" }` })
    gateway = await startGateway(
      scope,
      `listen:
  - { address: 127.0.0.1, port: ${ports.plain} }
  - { address: 127.0.0.1, port: ${ports.optional}, tls: { ${tls}, clientCertificate: optional } }
  - { address: 127.0.0.1, port: ${ports.required}, tls: { ${tls} } }
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
consumers:
${known.map(([name, list]) => `  ${name}: { certificates: [ ${list} ] }`).join('\n')}
  keyed: { keys: [ a-key-of-keyed ] }
routes:
  - { name: guarded, match: { path: /guarded }, upstream: echo, guards: [ { clientCertificate: {} } ] }
  - name: told
    match: { path: /told }
    upstream: echo
    requestHeaders: { set: { x-own: kept } }
    guards: [ { clientCertificate: { headers: [ subject, san, sha256, serial, notAfter ] } } ]
  - name: either
    match: { path: /either }
    upstream: echo
    guards: [ { anyOf: [ { clientCertificate: { headers: [ subject ] } }, { key: { header: apikey } } ] } ]
  - name: two
    match: { path: /two }
    upstream: echo
    guards: [ { clientCertificate: {} }, { key: { header: apikey } } ]
  - { name: own, match: { path: /own }, respond: { body: own }, guards: [ { clientCertificate: {} } ] }
  - { name: open, match: { path: "/*" }, upstream: echo }
`,
    )
  })
  after(async () => {
    for (const end of ends) await end()
  })

  const connect = (certificate: Certificate | null, options: ConnectionOptions = {}): Promise<RawClient> =>
    RawClient.connectTls(scope, ports.optional, { ...(certificate && pairOf(certificate)), ...options })

  const message = (path: string, body: string | null, ...lines: string[]): string => {
    const length = body === null ? [] : [`Content-Length: ${body.length}`]
    return [`POST ${path} HTTP/1.1`, 'Host: a', ...lines, ...length, '', body ?? ''].join('\r\n')
  }

  async function ask(client: RawClient, path: string, body: string | null, ...lines: string[]) {
    const asked = client.answers().finals.length
    await client.send(message(path, body, ...lines))
    const { finals } = await within(10_000, path, client.finals(asked + 1))
    const final = finals[asked]!
    return { status: statusOf(final), text: final.body.toString(), challenge: valuesOf(final, 'www-authenticate') }
  }

  interface Named {
    readonly subject?: string
    readonly alternatives?: readonly string[]
  }
  const strangers: Readonly<Record<string, Named>> = {
    'of nobody': { subject: '/CN=stranger', alternatives: [] },
    'in other capitals': { subject: '/O=Example/CN=Alice', alternatives: [] },
    'in another order': { subject: '/CN=alice/O=Example', alternatives: [] },
    'with a part more': { subject: '/C=NL/O=Example/CN=alice', alternatives: [] },
    'with a part less': { subject: '/CN=alice', alternatives: [] },
    'with one part in place of two': { subject: '/O=Example/CN=alice\\,O=Example', alternatives: [] },
    'with two parts at once': { subject: '/O=Example+CN=alice', alternatives: [] },
    'with a name as its common name alone': { subject: '/CN=bob.example', alternatives: [] },
    'with a wildcard': { subject: '/CN=x', alternatives: ['DNS:*.example'] },
    'with a name below': { subject: '/CN=x', alternatives: ['DNS:a.bob.example'] },
    'with a name as another kind': { subject: '/CN=x', alternatives: ['URI:bob.example', 'email:bob@bob.example'] },
    'with a URI in other capitals': { subject: '/CN=x', alternatives: ['URI:spiffe://example.com/carol'] },
    'with an address in other capitals': { subject: '/CN=x', alternatives: ['email:dave@example.com'] },
    'without a name': { subject: '/', alternatives: [] },
  }
  for (const [title, named] of Object.entries(strangers)) {
    test(`401: a certificate ${title}`, async () => {
      const client = await connect(authority.issue(title, named))
      for (const body of [null, 'x']) {
        const { status, text, challenge } = await ask(client, '/guarded', body)
        assert.equal(status, 401, text)
        const { code, detail } = JSON.parse(text) as { code: string; detail: string }
        assert.deepEqual([code, detail], ['unauthorized', 'the client certificate is not known'])
        assert.deepEqual(challenge, ['ClientCertificate'])
      }
    })
  }

  test('401: a certificate that two consumers are known by', async () => {
    const subject = '/O=Example/CN=alice'
    for (const alternatives of [['DNS:bob.example'], ['DNS:x.example', 'URI:spiffe://example.com/Carol']]) {
      const client = await connect(authority.issue('several', { subject, alternatives }))
      for (const body of [null, 'x']) assert.equal((await ask(client, '/guarded', body)).status, 401)
    }
  })

  test('401: no certificate, over TLS and without it, whatever is claimed', async () => {
    const clients = [await connect(null), await RawClient.connect(scope, ports.plain)]
    const claims = [
      'X-Client-Cert-Subject: CN=alice',
      'X-Forwarded-Client-Cert: Subject="CN=alice"',
      'Client-Cert: :AA==:',
    ]
    for (const client of clients) {
      for (const body of [null, 'x']) {
        for (const path of ['/guarded', '/own', '/two']) {
          const { status, text, challenge } = await ask(client, path, body, ...claims, 'apikey: a-key-of-keyed')
          assert.deepEqual([status, challenge], [401, ['ClientCertificate']])
          assert.match(text, /a client certificate is needed/)
        }
      }
    }
  })

  test('401: a certificate and a key of two consumers', async () => {
    const client = await connect(authority.issue('alice', { subject: '/O=Example/CN=alice' }))
    const { status, text } = await ask(client, '/two', null, 'apikey: a-key-of-keyed')
    assert.deepEqual([status, /different consumers/.test(text)], [401, true])
  })

  const admitted: Readonly<Record<keyof typeof consumers, readonly Named[]>> = {
    alice: [
      { subject: '/O=Example/CN=alice' },
      { subject: '/O=Example/CN=alice', alternatives: ['DNS:a', 'IP:10.0.0.1'] },
    ],
    bob: [
      { alternatives: ['DNS:BOB.example'] },
      { alternatives: ['URI:urn:x', 'DNS:bob.example', 'DNS:bob2.example'] },
    ],
    carol: [
      { alternatives: ['URI:spiffe://example.com/Carol'] },
      { subject: '/', alternatives: ['URI:spiffe://example.com/Carol'] },
    ],
    dave: [{ alternatives: ['email:Dave@EXAMPLE.com'] }],
    zoe: [{ subject: '/UID=z/DC=example/emailAddress=z@example.com/O=# a/CN=Zoë \\+ 1,2' }],
    mary: [{ subject: '/O=Example/CN=mary+OU=two' }, { subject: '/O=Example/OU=two+CN=mary' }],
    odd: [{ subject: '/CN=odd/houseIdentifier=a' }],
    both: [{ subject: '/CN=both', alternatives: ['DNS:both.example'] }],
  }
  for (const [consumer, list] of Object.entries(admitted)) {
    test(`200: ${consumer}`, async () => {
      for (const named of list) {
        const client = await connect(authority.issue(consumer, { subject: '/CN=x', alternatives: [], ...named }))
        for (const body of [null, 'x']) {
          const { status, text } = await ask(client, '/guarded', body, 'X-Consumer-Name: root')
          assert.equal(status, 200, text)
          assert.equal((JSON.parse(text) as Echoed).headers['x-consumer-name'], consumer)
          assert.equal((await ask(client, '/own', body)).status, 200)
        }
      }
    })
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`200: by fingerprint, over ${version}, on listeners of both kinds`, async () => {
      const versions = { minVersion: version, maxVersion: version }
      for (const port of [ports.optional, ports.required]) {
        const client = await connect(erin, { ...versions, port })
        for (const body of [null, 'x']) {
          const { status, text } = await ask(client, '/guarded', body)
          assert.deepEqual([status, (JSON.parse(text) as Echoed).headers['x-consumer-name']], [200, 'erin'])
        }
      }
    })
  }

  test('what openssl prints of a subject is what a configuration may say', async () => {
    const every = [
      ...['/C=NL/ST=a/L=b/street=c/O=d/OU=e/CN=f/DC=g/UID=h/SN=i/GN=j/serialNumber=k/title=l/description=m'],
      ...['businessCategory=n/postalCode=o/name=p/initials=q/generationQualifier=r/dnQualifier=s/pseudonym=t'],
      ...['organizationIdentifier=u/emailAddress=v@example.com'],
    ].join('/')
    const subjects = Object.values(admitted).flatMap(list => list.flatMap(({ subject = '/CN=plain' }) => subject))
    subjects.push(every)
    const printed = new Map<string, Certificate>()
    for (const [at, subject] of subjects.entries()) {
      const certificate = authority.issue(`printed-${at}`, { subject, alternatives: [] })
      const line = openssl(['x509', '-noout', '-subject', '-nameopt', 'RFC2253', '-in', certificate.certificate], '.')
      // One that OpenSSL has a name for, and we a number.
      if (subject !== '/' && !subject.includes('houseIdentifier'))
        printed.set(line.trim().replace(/^subject=/, ''), certificate)
    }
    const site = authority.issue('site2')
    const tls = `certificate: ${site.certificate}, key: ${site.key}, clientCa: ${authority.certificate}`
    const other = await startGateway(
      scope,
      `listen: [ { address: 127.0.0.1, port: %PORT%, tls: { ${tls} } } ]
consumers:
${[...printed.keys()].map((subject, at) => `  c${at}: { certificates: [ { subject: ${JSON.stringify(subject)} } ] }`).join('\n')}
routes: [ { name: own, match: { path: "/*" }, respond: {}, guards: [ { clientCertificate: {} } ] } ]
`,
    )
    assert.equal(printed.size, 6)
    for (const [subject, certificate] of printed) {
      const client = await RawClient.connectTls(scope, other.port, pairOf(certificate))
      assert.equal((await ask(client, '/', null)).status, 200, subject)
    }
  })

  test('one connection: requests sent ahead and one after the other, with and without a body', async () => {
    const client = await connect(authority.issue('alice', { subject: '/O=Example/CN=alice' }))
    const stranger = await connect(null)
    const paths = ['/guarded', '/open', '/guarded', '/own', '/guarded', '/guarded']
    const bytes = paths.map((path, at) => message(path, at % 2 === 0 ? null : 'body')).join('')
    await Promise.all([client.send(bytes), stranger.send(bytes)])
    const [known, unknown] = await within(
      10_000,
      'the answers',
      Promise.all([client.finals(paths.length), stranger.finals(paths.length)]),
    )
    assert.deepEqual(known.finals.map(statusOf), [200, 200, 200, 200, 200, 200])
    assert.deepEqual(unknown.finals.map(statusOf), [401, 200, 401, 401, 401, 401])
    const names = known.finals
      .filter((_, at) => paths[at] !== '/own')
      .map(({ body }) => (JSON.parse(body.toString()) as Echoed).headers['x-consumer-name'])
    assert.deepEqual(names, ['alice', undefined, 'alice', 'alice', 'alice'])
    for (const body of [null, 'x', null]) assert.equal((await ask(client, '/guarded', body)).status, 200)
  })

  const claimed = ['Subject', 'San', 'Sha256', 'Serial', 'Not-After'].flatMap(name => [
    `X-Client-Cert-${name}: forged`,
    `x_client_cert_${name.toLowerCase().replace('-', '_')}: forged`,
  ])
  const claims = [...claimed, 'Client-Cert: :forged=:', 'Client-Cert-Chain: :forged=:']

  test('the upstream hears of the certificate where it is to, and never what a client says of one', async () => {
    const named = {
      subject: '/O=Example/CN=alice',
      alternatives: ['DNS:A.example', 'URI:urn:a', 'email:a@Example.org', 'IP:10.0.0.1'],
    }
    const certificate = authority.issue('alice', named)
    const parsed = new X509Certificate(readFileSync(certificate.certificate))
    const client = await connect(certificate)
    const told = {
      'x-client-cert-subject': 'CN=alice,O=Example',
      'x-client-cert-san': '"DNS:a.example", "URI:urn:a", "email:a@example.org"',
      'x-client-cert-sha256': parsed.fingerprint256.replaceAll(':', '').toLowerCase(),
      'x-client-cert-serial': parsed.serialNumber.toLowerCase().replace(/^0+/, ''),
      'x-client-cert-not-after': new Date(parsed.validTo).toISOString().replace('.000Z', 'Z'),
    }
    for (const body of [null, 'x']) {
      for (const [path, expected] of [
        ['/told', told],
        ['/guarded', {}],
      ] as const) {
        const { text } = await ask(client, path, body, ...claims)
        const { headers } = JSON.parse(text) as Echoed
        const about = Object.entries(headers).filter(([name]) => /client.cert/.test(name))
        assert.deepEqual(Object.fromEntries(about), expected, path)
        assert.equal(headers['x-own'], path === '/told' ? 'kept' : undefined)
      }
    }
  })

  test('a certificate that was not what let a request in is not told of', async () => {
    const stranger = await connect(authority.issue('stranger'))
    const alice = await connect(authority.issue('alice', { subject: '/O=Example/CN=alice' }))
    for (const body of [null, 'x']) {
      const key = 'apikey: a-key-of-keyed'
      const refused = await ask(stranger, '/either', body)
      assert.deepEqual([refused.status, refused.challenge.length], [401, 2])
      assert.match(refused.text, /the client certificate is not known/)
      const keyed = JSON.parse((await ask(stranger, '/either', body, key, ...claims)).text) as Echoed
      assert.equal(keyed.headers['x-consumer-name'], 'keyed')
      assert.deepEqual(
        Object.keys(keyed.headers).filter(name => /client.cert/.test(name)),
        [],
      )
      const known = JSON.parse((await ask(alice, '/either', body, ...claims)).text) as Echoed
      assert.equal(known.headers['x-client-cert-subject'], 'CN=alice,O=Example')
    }
  })

  test('a WebSocket: refused without a certificate, and its upstream hears of the one that it has', async () => {
    const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    scope.after(() => {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
    })
    sockets.on('connection', (socket, { headers }) => socket.send(JSON.stringify({ headers })))
    await once(sockets, 'listening')
    const site = authority.issue('site3')
    const tls = `certificate: ${site.certificate}, key: ${site.key}, clientCa: ${authority.certificate}`
    const other = await startGateway(
      scope,
      `listen: [ { address: 127.0.0.1, port: %PORT%, tls: { ${tls}, clientCertificate: optional } } ]
upstreams: { up: { peers: [ { url: "http://127.0.0.1:${(sockets.address() as AddressInfo).port}" } ] } }
consumers: { alice: { certificates: [ { subject: "CN=alice" } ] } }
routes: [ { name: all, match: {}, upstream: up, guards: [ { clientCertificate: { headers: [ subject ] } } ] } ]
`,
    )
    const url = `wss://127.0.0.1:${other.port}/`
    const options = { rejectUnauthorized: false, headers: { 'X-Client-Cert-Subject': 'CN=root' } }
    const [refusal] = (await once(new WebSocket(url, options), 'error')) as [Error]
    assert.match(refusal.message, /401/)
    const socket = new WebSocket(url, { ...options, ...pairOf(authority.issue('alice')) })
    scope.after(() => socket.terminate())
    const [text] = (await within(10_000, 'a message', once(socket, 'message'))) as [Buffer]
    const { headers } = JSON.parse(text.toString()) as Echoed
    assert.deepEqual([headers['x-consumer-name'], headers['x-client-cert-subject']], ['alice', 'CN=alice'])
  })

  test('metrics and the access log say what was decided', async () => {
    const series = (route: string, outcome: string): string =>
      `polygate_guard_decisions_total{http_route="${route}",guard="clientCertificate",outcome="${outcome}"}`
    await untilMetric(gateway, series('guarded', 'ambiguous'), 4)
    await untilMetric(gateway, series('own', 'missing'), 5)
    await untilMetric(gateway, series('either', 'unknown'), 4)
    await untilMetric(gateway, series('told', 'admitted'), 2)
    const text = await within(10_000, 'the access log', logged())
    const lines = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { reason: string; consumer: string })
    const reasons = [...new Set(lines.map(({ reason }) => reason))].sort()
    const kinds = ['ambiguous', 'missing', 'unknown'].map(kind => `clientCertificate ${kind}`)
    assert.deepEqual(reasons, ['', ...kinds, 'consumers differ'])
    assert.ok(lines.some(({ consumer }) => consumer === 'zoe'))
  })

  async function logged(): Promise<string> {
    for (;;) {
      const text = readFileSync(join(gateway.folder, 'access.log'), 'utf8')
      if (text.includes('"route":"either"') && text.endsWith('\n')) return text
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
})
