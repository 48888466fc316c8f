// Pins what attackers make of signed requests beyond changing a byte (signature-schemes.test.ts), through whole gateways:
// headers that are named like what is signed, two hosts, targets that are read in two ways, keys for another algorithm
// than they are for, parameters that nobody knows, and secrets that are gone.
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign as signWith } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { untilLogged } from '../helpers/access-log.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { ask, cavageRequest, linesOf, more, type Answered, type Sent } from '../helpers/signed-requests.ts'
import {
  cavageOf,
  ed25519Key,
  gitHub,
  hmacKey,
  mashery,
  message,
  sigV4,
  standardWebhook,
  type MessageKey,
} from '../helpers/signers.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'

const signer = { keyId: 'alice-key', secret: 'alices-own-secret', host: 'api.example' }
const { keyId, secret, host } = signer

const inPem = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
} as const
const ed = generateKeyPairSync('ed25519')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...inPem })
const edPem = ed.publicKey.export({ type: 'spki', format: 'pem' }).toString()
/** What an attacker has of a public key, in the forms that somebody could take for a secret. */
const publicBytes: readonly (readonly [form: string, bytes: string | Buffer])[] = [
  ['its PEM', edPem],
  ['its PEM without the last line end', edPem.trim()],
  ['its DER', ed.publicKey.export({ type: 'spki', format: 'der' })],
  ['the bare key', ed.publicKey.export({ type: 'spki', format: 'der' }).subarray(12)],
]

const config = (echo: string): string => `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo}" } ] } }
consumers:
  alice:
    signing:
      - { scheme: cavage, keyId: ${keyId}, secret: ${secret} }
      - { scheme: cavage, keyId: ed, algorithm: ed25519, publicKey: ${JSON.stringify(edPem)} }
      - { scheme: rfc9421, keyId: ${keyId}, secret: ${secret} }
      - { scheme: rfc9421, keyId: ed, algorithm: ed25519, publicKey: ${JSON.stringify(edPem)} }
      - { scheme: rfc9421, keyId: both, algorithm: ed25519, publicKey: ${JSON.stringify(edPem)} }
      - { scheme: rfc9421, keyId: both, secret: ${secret} }
      - { scheme: rfc9421, keyId: rsa, algorithm: rsa-pss-sha512, publicKey: ${JSON.stringify(rsa.publicKey)} }
      - { scheme: sigv4, keyId: ${keyId}, secret: ${secret} }
routes:
  - { name: cavage, match: { path: "/cavage/*" }, upstream: echo, guards: [ { signature: { scheme: cavage } } ] }
  - { name: kong, match: { path: "/kong/*" }, upstream: echo, guards: [ { signature: { scheme: cavage, dialect: kong } } ] }
  - { name: message, match: { path: "/message/*" }, upstream: echo, guards: [ { signature: { scheme: rfc9421 } } ] }
  - { name: aws, match: { path: "/aws/*" }, upstream: echo, guards: [ { signature: { scheme: sigv4, region: r, service: s } } ] }
`

let requests = 0
const targetOf = (route: string, path = ''): string => `/${route}/${requests++}${path}`

const signedBy: Readonly<Record<string, (path?: string) => Sent>> = {
  cavage: path => cavageRequest(signer, targetOf('cavage', path)),
  kong(path) {
    const target = targetOf('kong', path)
    const names = ['@request-target', 'host', 'date']
    const signed = cavageOf('kong', { method: 'POST', target, headers: { host } }, keyId, secret, names)
    return { target, lines: [`host: ${host}`, ...linesOf(signed)], body: null }
  },
  rfc9421: path => messageBy(hmacKey(keyId, secret), { path: path ?? '' }),
  sigv4(path) {
    const target = targetOf('aws', path)
    const signed = sigV4('POST', target, { host, keyId, secret, region: 'r', service: 's' })
    return { target, lines: [`host: ${host}`, ...linesOf(signed)], body: null }
  },
}

function messageBy(key: MessageKey, { path = '', parameters = '' } = {}): Sent {
  const target = targetOf('message', path)
  const signable = { method: 'POST', target, headers: {}, authority: host }
  const signed = message(signable, key, ['@method', '@target-uri'], { parameters })
  return { target, lines: [`host: ${host}`, ...linesOf(signed)], body: null }
}

/** draft-cavage, by a key that is named otherwise than what it is. */
function cavageBy(named: string | null, id: string, sign: (text: string) => Buffer): Sent {
  const target = targetOf('cavage')
  const date = new Date().toUTCString()
  const text = `(request-target): post ${target}\nhost: ${host}\ndate: ${date}`
  const algorithm = named === null ? '' : `algorithm="${named}",`
  const signature = sign(text).toString('base64')
  const lines = [
    `host: ${host}`,
    `date: ${date}`,
    `authorization: Signature keyId="${id}",${algorithm}headers="(request-target) host date",signature="${signature}"`,
  ]
  return { target, lines, body: null }
}

const rsaKey = (padding: 'pss' | 'pkcs1'): MessageKey => ({
  keyId: 'rsa',
  sign: base =>
    signWith(
      padding === 'pss' ? 'sha512' : 'sha256',
      Buffer.from(base),
      padding === 'pss' ? { key: rsa.privateKey, padding: 6, saltLength: 64 } : rsa.privateKey,
    ),
})

describe('attacks on signed requests', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  let gateway: RunningGateway
  const reasons: string[] = []

  before(async () => {
    const echo = await startEcho(scope)
    gateway = await startGateway(scope, config(echo.url))
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  async function send(sent: Sent, reason: string): Promise<Answered> {
    const answered = await ask(scope, gateway.port, sent)
    reasons.push(reason === '' ? '' : `signature ${reason}`)
    return answered
  }

  async function refused(sent: Sent, reason: string, what = ''): Promise<void> {
    const { status, text } = await send(sent, reason)
    assert.equal(status, 401, `${what}: ${text}`)
  }

  async function accepted(sent: Sent): Promise<void> {
    const { status, text } = await send(sent, '')
    assert.equal(status, 200, text)
  }

  for (const [scheme, sign] of Object.entries(signedBy)) {
    test(`${scheme}: what it is without any attack`, async () => {
      await accepted(sign())
      // Our own signer of SigV4 is for plain paths; its vectors have others.
      if (scheme !== 'sigv4') await accepted(sign('/a%2Fb'))
    })

    test(`${scheme}: 400 for names that no header has, and for two hosts`, async () => {
      const lines = [
        ':path: /',
        ':authority: api.example',
        '(request-target): post /',
        '@method: POST',
        '@request-target: post /',
        'host: api.example',
        'Host: other.example',
        'host:',
        'authorization : x',
        ' folded: x',
        'x-nul: a\0b',
      ]
      for (const line of lines) {
        const { status, code } = await ask(scope, gateway.port, more(sign(), line))
        assert.deepEqual([status, code], [400, 'bad_request'], line)
      }
    })

    test(`${scheme}: a target in absolute form, for another host than is signed`, async () => {
      const sent = sign()
      await refused({ ...sent, target: `http://other.example${sent.target}` }, 'malformed')
    })

    test(`${scheme}: targets that a server could take for the signed one`, async () => {
      for (const [path, changed] of [
        ['/a/../b', '/b'],
        ['/b', '/a/../b'],
        ['/b', '/./b'],
        ['/a%2Fb', '/a/b'],
        ['/a%2Fb', '/a%2fb'],
        ['/a%2Db', '/a-b'],
        ['/a%20b', '/a+b'],
        ['/%C3%A9', '/e%CC%81'],
        ['/b?x=1', '/b?x=1&x=2'],
        ['/b?x=1&y=2', '/b?y=2&x=1'],
        ['/b?x=1', '/b?X=1'],
        ['/b?x', '/b?x&'],
      ] as const) {
        // As its makers have it, SigV4 signs a path in its normal form, and a query by its sorted parameters.
        if (scheme === 'sigv4' && !changed.startsWith('/b?x=1&x') && !changed.startsWith('/b?X')) continue
        const sent = sign(path)
        await refused(
          { ...sent, target: sent.target.slice(0, -path.length) + changed },
          'bad-signature',
          `${path} ${changed}`,
        )
      }
    })

    test(`${scheme}: headers whose names only look like the signed ones change nothing`, async () => {
      await accepted(more(sign(), 'x_amz_date: x', 'signature_input: x', 'dat: x', 'x-authorization: x'))
    })
  }

  test('a public key is no secret: HMACs that are made with one', async () => {
    for (const [form, bytes] of publicBytes) {
      const key = (id: string): MessageKey => ({ ...hmacKey(id, bytes as string), keyId: id })
      await refused(messageBy(key('ed')), 'bad-signature', form)
      await refused(messageBy(key('ed'), { parameters: ';alg="hmac-sha256"' }), 'wrong-algorithm', form)
      await refused(messageBy(key('both'), { parameters: ';alg="hmac-sha256"' }), 'bad-signature', form)
      const sign = hmacKey('', bytes as string).sign
      await refused(cavageBy('hmac-sha256', 'ed', sign), 'wrong-algorithm', form)
      await refused(cavageBy('hs2019', 'ed', sign), 'bad-signature', form)
      await refused(cavageBy(null, 'ed', sign), 'bad-signature', form)
    }
  })

  test('a key is for what the configuration says, whatever a request calls it', async () => {
    const edKey = ed25519Key('ed', ed.privateKey)
    await accepted(messageBy(edKey, { parameters: ';alg="ed25519"' }))
    await accepted(messageBy(ed25519Key('both', ed.privateKey)))
    await accepted(messageBy(hmacKey('both', secret), { parameters: ';alg="hmac-sha256"' }))
    await accepted(messageBy(rsaKey('pss')))
    for (const named of ['none', '', 'hmac-sha256', 'ecdsa-p256-sha256', 'ED25519', 'hs2019']) {
      await refused(messageBy(edKey, { parameters: `;alg="${named}"` }), 'wrong-algorithm', named)
    }
    await refused(messageBy(hmacKey('both', secret), { parameters: ';alg="ed25519"' }), 'bad-signature')
    await refused(messageBy(rsaKey('pkcs1')), 'bad-signature')
    await refused(messageBy(rsaKey('pkcs1'), { parameters: ';alg="rsa-v1_5-sha256"' }), 'wrong-algorithm')
    await refused(
      messageBy(hmacKey(keyId, ''), { parameters: ';alg="hmac-sha256"' }),
      'bad-signature',
      'an empty secret',
    )
  })

  test('parameters that are not understood are not ignored', async () => {
    for (const parameters of [';crit="x"', ';crit=("x")', ';b64=?0', ';x', ';tag=1', ';nonce=1', ';created=1']) {
      await refused(
        messageBy(hmacKey(keyId, secret), { parameters }),
        parameters === ';created=1' ? 'duplicate' : 'malformed',
        parameters,
      )
    }
  })

  test('the access log has the reason of every refusal', async () => {
    const lines = await untilLogged(gateway, reasons.length, ({ route }) => route !== '')
    assert.deepEqual(
      lines.map(({ reason }) => reason),
      reasons,
    )
  })
})

test('secrets that are gone: nobody passes with them, and everything else is served', async t => {
  const webhook = `whsec_${Buffer.from('twenty-four-bytes-secret').toString('base64')}`
  const jwt = 'a-secret-of-at-least-thirty-two-bytes'
  const schemes = ['mashery-sha256', 'cavage', 'rfc9421', 'sigv4', 'github', 'standard-webhooks']
  const guards = schemes.map(scheme => {
    const more = scheme === 'sigv4' ? ', region: r, service: s' : ''
    return `  - { name: ${scheme}, match: { path: "/${scheme}/*" }, respond: {}, guards: [ { signature: { scheme: ${scheme}${more} } } ] }\n`
  })
  const yaml = `accessLog: { target: access.log }
consumers:
  alice:
    signing:
${schemes
  .map(scheme => {
    const id = scheme === 'github' || scheme === 'standard-webhooks' ? '' : `keyId: ${keyId}, `
    return `      - { scheme: ${scheme}, ${id}secret: "\${${scheme === 'standard-webhooks' ? 'HOOK' : 'ALICE'}_SECRET}" }\n`
  })
  .join('')}routes:
  - { name: open, match: { path: /open }, respond: {} }
  - { name: jwt, match: { path: /jwt }, respond: {}, guards: [ { jwt: { keys: [ { secret: "\${JWT_SECRET}" } ], algorithms: [ HS256 ] } } ] }
${guards.join('')}`

  let n = 0
  /** As who knows the secret signs. */
  const requestsWith = (secret: string, hook: string): Sent[] => {
    const at = (route: string): string => `/${route}/${n++}`
    const signable = (route: string) => ({ method: 'POST', target: at(route), headers: { host }, authority: host })
    const [first, second, third] = [signable('cavage'), signable('rfc9421'), signable('sigv4')]
    const sent = (target: string, headers: Record<string, string>, body: string | null = null): Sent => ({
      target,
      lines: [`host: ${host}`, ...linesOf(headers)],
      body,
    })
    const aws = { host, keyId, secret, region: 'r', service: 's' }
    return [
      sent(at('mashery-sha256'), { 'api-key': keyId, 'x-signature': mashery(keyId, secret) }),
      cavageRequest({ ...signer, secret }, first.target),
      sent(second.target, message(second, hmacKey(keyId, secret), ['@method', '@target-uri'])),
      sent(third.target, sigV4('POST', third.target, aws)),
      sent(at('github'), gitHub(secret, '{}'), '{}'),
      sent(at('standard-webhooks'), standardWebhook(hook, `{"n":${n}}`, { id: `msg_${n}` }), `{"n":${n}}`),
    ]
  }
  const state = mkdtempSync(join(tmpdir(), 'polygate-state-'))
  t.after(() => rmSync(state, { recursive: true, force: true }))
  const known = { ALICE_SECRET: secret, HOOK_SECRET: webhook, JWT_SECRET: jwt }
  const start = (env: Record<string, string>, more = '', ...args: string[]): Promise<RunningGateway> =>
    startGateway(t, yaml + more, { args, env: { ...env, POLYGATE_STATE_DIR: state } })
  const all = (status: number): number[] => schemes.map(() => status)
  const first = await start(known)
  // The last good plan has its port.
  const statuses = async (...keys: readonly [string, string]): Promise<number[]> => {
    const found: number[] = []
    for (const one of requestsWith(...keys)) found.push((await ask(t, first.port, one)).status)
    return found
  }
  assert.deepEqual(await statuses(secret, webhook), all(200))
  assert.equal(await first.stop(), 0)
  // So is its access log.
  let logged = schemes.length
  for (const [what, env] of [
    ['not set', {}],
    ['blank', { ALICE_SECRET: ' ', HOOK_SECRET: '', JWT_SECRET: '' }],
  ] as const) {
    const before = logged
    const again = await start(env, 'nonsense: true\n', '--last-good')
    assert.deepEqual(await statuses(secret, webhook), all(401), what)
    assert.deepEqual(await statuses('', 'whsec_'), all(401), what)
    assert.deepEqual(await statuses(' ', 'whsec_IA=='), all(401), what)
    const paths = await Promise.all(
      ['/open', '/jwt'].map(
        async path => (await fetch(first.url + path, { headers: { authorization: 'Bearer a.b.c' } })).status,
      ),
    )
    assert.deepEqual(paths, [200, 503], what)
    const lack =
      what === 'blank'
        ? 'ALICE_SECRET does not hold a secret that is not blank'
        : 'environment variable ALICE_SECRET is not set'
    await within(10_000, lack, again.line(new RegExp(`cannot be had lack="consumer alice, cavage: ${lack}"`)))
    const reasons = new Set(
      (await untilLogged(first, (logged += 3 * schemes.length + 2))).slice(before).map(({ reason }) => reason),
    )
    assert.deepEqual([...reasons].sort(), ['', 'jwt no keys', 'signature no-active-secret', 'signature unknown-key'])
    assert.equal(await again.stop(), 0)
  }
  await start(known, 'nonsense: true\n', '--last-good')
  assert.deepEqual(await statuses(secret, webhook), all(200))
})
