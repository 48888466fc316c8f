// Pins signatures of requests to upstreams: a gateway that signs, before one that verifies and accepts each request once.
// Every scheme, with and without bodies, at retries, for WebSockets and for an upstream that a plugin has chosen; and what
// happens where nothing can be signed.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric, untilMetrics } from '../helpers/metrics.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

interface Echoed {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const keys = {
  ed25519: generateKeyPairSync('ed25519'),
  'ecdsa-p256-sha256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'rsa-pss-sha512': generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'rsa-v1_5-sha256': generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
const secret = 'what-only-the-two-gateways-know'

/** A way to sign: what the consumer has, what the guard wants, and what the upstream says under `sign`. */
interface Way {
  readonly consumer: string
  readonly guard: string
  readonly sign: string
}

const hmacWay = (scheme: string, guard: string, sign: string, id: string, algorithm = 'hmac-sha256'): Way => ({
  consumer: `{ scheme: ${scheme}, keyId: ${id}, algorithm: ${algorithm}, secret: ${secret} }`,
  guard: `{ scheme: ${scheme}${guard} }`,
  sign: `{ scheme: ${scheme}, keyId: ${id}, algorithm: ${algorithm}, secret: "\${SHARED_SECRET}"${sign} }`,
})

const cavageWay = (dialect: string): Way =>
  hmacWay('cavage', `, dialect: ${dialect}`, `, dialect: ${dialect}`, `of-${dialect}`)

const pem = (text: string | Buffer, indent: string): string => text.toString().trimEnd().replaceAll('\n', `\n${indent}`)

function keyWay(scheme: string, algorithm: keyof typeof keys, folder: string): Way {
  const { publicKey, privateKey } = keys[algorithm]
  const [own, file] = [`${scheme}-${algorithm}`, join(folder, `${algorithm}.pem`)]
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return {
    consumer: `scheme: ${scheme}
        keyId: ${own}
        algorithm: ${algorithm}
        publicKey: |
          ${pem(publicKey.export({ type: 'spki', format: 'pem' }), '          ')}`,
    guard: `{ scheme: ${scheme} }`,
    sign: `{ scheme: ${scheme}, keyId: ${own}, algorithm: ${algorithm}, privateKeyFile: "${file}" }`,
  }
}

const sigV4 = (more: string, unsigned = false): Way => ({
  consumer: `{ scheme: sigv4, keyId: AKID${unsigned ? 'U' : ''}, secret: ${secret} }`,
  guard: `{ scheme: sigv4, region: eu-west-1, service: execute-api${unsigned ? ', unsignedBody: true' : ''} }`,
  sign: `{ scheme: sigv4, keyId: AKID${unsigned ? 'U' : ''}, secret: "\${SHARED_SECRET}", region: eu-west-1, service: execute-api${more} }`,
})

function waysIn(folder: string): Record<string, Way> {
  return {
    draft: cavageWay('draft'),
    'draft-10': cavageWay('draft-10'),
    tyk: cavageWay('tyk'),
    kong: cavageWay('kong'),
    apisix: cavageWay('apisix'),
    created: hmacWay('cavage', ', require: [x-part]', ', cover: [(request-target), (created), x-part, digest]', 'crt'),
    sha512: hmacWay('cavage', '', '', 'c512', 'hmac-sha512'),
    message: hmacWay('rfc9421', ', tag: ours', ', tag: ours, expiresAfterSeconds: 30', 'm'),
    covered: hmacWay(
      'rfc9421',
      ', require: ["@authority", content-type, x-part]',
      ', cover: ["@method", "@authority", "@path", "@query", content-type, x-part, content-digest]',
      'mc',
    ),
    ed25519: keyWay('rfc9421', 'ed25519', folder),
    p256: keyWay('rfc9421', 'ecdsa-p256-sha256', folder),
    pss: keyWay('rfc9421', 'rsa-pss-sha512', folder),
    rsa: keyWay('cavage', 'rsa-v1_5-sha256', folder),
    aws: sigV4(''),
    'aws-unsigned': sigV4(', unsignedBody: true', true),
    stream: hmacWay('rfc9421', ', unsignedBody: true', ', unsignedBody: true', 'st'),
  }
}

/** A port that refuses. */
async function refusingPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

async function startSockets(scope: Scope): Promise<number> {
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  scope.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  sockets.on('connection', (socket, { url, headers }) => socket.send(JSON.stringify({ url, headers })))
  await once(sockets, 'listening')
  return (sockets.address() as AddressInfo).port
}

const plugin = (folder: string): string => {
  const own = join(folder, 'chooser')
  mkdirSync(own)
  writeFileSync(
    join(own, 'plugin.yaml'),
    'name: chooser\nversion: 1.0.0\nruntime: js\nisolation: inline\nentry: index.js\nhooks: [forward]\nbody: { request: buffer }\n',
  )
  writeFileSync(
    join(own, 'index.js'),
    `export default () => ({
  forward(request) {
    request.forwardTo('message')
    if (request.method === 'POST') request.body = 'of the plugin'
  },
})
`,
  )
  return own
}

describe('requests to an upstream are signed', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  const folder = mkdtempSync(join(tmpdir(), 'polygate-upstream-signing-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  const ways = waysIn(folder)
  let verifying: RunningGateway
  let signing: RunningGateway
  let signingYaml: string
  const options = { env: { SHARED_SECRET: secret, POLYGATE_STATE_DIR: join(folder, 'state') } }

  before(async () => {
    const echo = await startEcho(scope)
    const sockets = await startSockets(scope)
    const guarded = Object.entries(ways)
    verifying = await startGateway(
      scope,
      `accessLog: true
upstreams:
  echo: { peers: [ { url: "${echo.url}" } ] }
  sockets: { peers: [ { url: "http://127.0.0.1:${sockets}" } ] }
consumers:
  gateway:
    signing:
${guarded.map(([, { consumer }]) => `      - ${consumer}`).join('\n')}
routes:
${guarded
  .map(
    ([name, { guard }]) => `  - name: ${name}
    match: { path: "/${name}/*" }
    upstream: echo
    guards: [ { signature: ${guard} } ]`,
  )
  .join('\n')}
  - { name: sockets, match: { path: /sockets }, upstream: sockets, guards: [ { signature: { scheme: rfc9421, tag: ours } } ] }
`,
    )
    signingYaml = `upstreams:
  refusing: { peers: [ { url: "http://127.0.0.1:${await refusingPort()}" } ] }
  retried:
    peers: [ { url: "http://127.0.0.1:${await refusingPort()}" }, { url: "${verifying.url}" } ]
    health: { passive: false }
    sign: ${ways.message!.sign}
  small:
    peers: [ { url: "${verifying.url}" } ]
    sign: ${ways.message!.sign.replace(' }', ', maxBodyBytes: 1000 }')}
${guarded
  .map(
    ([name, { sign }]) => `  ${name}:
    peers: [ { url: "${verifying.url}" } ]
    sign: ${sign}`,
  )
  .join('\n')}
plugins: { chooser: { path: "${plugin(folder)}" } }
routes:
  - { name: retried, match: { path: /retried }, upstream: retried, rewrite: /message/retried }
  - { name: small, match: { path: /small }, upstream: small, rewrite: /message/small }
  - { name: chosen, match: { path: "/message/chosen" }, upstream: refusing, plugins: [ chooser ] }
  - { name: sockets, match: { path: /sockets }, upstream: message }
  - { name: edited, match: { path: /covered/edited }, upstream: covered, requestHeaders: { set: { x-part: of the gateway } } }
${guarded.map(([name]) => `  - { name: ${name}, match: { path: "/${name}/*" }, upstream: ${name} }`).join('\n')}
`
    signing = await startGateway(scope, signingYaml, options)
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  const accepted = async (path: string, init: RequestInit = {}): Promise<Echoed> => {
    const response = await fetch(`${signing.url}${path}`, init)
    const text = await response.text()
    assert.equal(response.status, 200, `${path}: ${text}\n${verifying.logs().split('\n').slice(-3).join('\n')}`)
    const echoed = JSON.parse(text) as Echoed
    assert.equal(echoed.headers['x-consumer-name'], 'gateway')
    return echoed
  }

  for (const name of Object.keys(ways)) {
    test(`${name}: without a body, with one of known length, and with one in pieces`, async () => {
      const headers = { 'content-type': 'text/plain', 'x-part': 'a, b' }
      // The same request again: the signature is another one, or it would be refused as a replay. Dates tell seconds only.
      const first = await accepted(`/${name}/a%20b?c=d&e=%2f`, { headers })
      assert.deepEqual([first.method, first.url], ['GET', `/${name}/a%20b?c=d&e=%2f`])
      assert.equal((await accepted(`/${name}/b`, { method: 'POST', headers, body: 'a body' })).body, 'a body')
      const large = 'x'.repeat(300_000)
      const pieces = new Blob([large]).stream()
      const init = { method: 'PUT', headers, body: pieces, duplex: 'half' } as RequestInit
      assert.equal((await accepted(`/${name}/c`, init)).body, large)
      assert.equal((await accepted(`/${name}/d`, { method: 'DELETE', headers })).method, 'DELETE')
    })
  }

  test('what a client sends under the names of a signature does not go along', async () => {
    const headers = {
      authorization: 'Signature keyId="of-draft",algorithm="hmac-sha256",headers="date",signature="AA=="',
      signature: 'sig1=:AA==:',
      'signature-input': 'sig1=("@method");created=1',
      date: 'Thu, 01 Jan 1970 00:00:00 GMT',
      digest: 'SHA-256=AA==',
      'content-digest': 'sha-256=:AA==:',
      'x-amz-date': '19700101T000000Z',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-security-token': 'a',
    }
    for (const name of ['draft', 'message', 'aws']) {
      await accepted(`/${name}/own`, { method: 'POST', headers, body: 'a body' })
    }
  })

  test('edits of the route are signed', async () => {
    const echoed = await accepted('/covered/edited', { headers: { 'content-type': 'a/b', 'x-part': 'of the client' } })
    assert.equal(echoed.headers['x-part'], 'of the gateway')
  })

  test('another peer gets a signature of its own', async () => {
    for (let count = 0; count < 4; count++) {
      const echoed = await accepted('/retried', { method: 'PUT', body: `the body ${count}` })
      assert.equal(echoed.body, `the body ${count}`)
    }
    const retries = 'polygate_upstream_retries_total{upstream="retried"}'
    await untilMetrics(signing, retries, samples => (samples.get(retries) ?? 0) > 0)
  })

  test('an upstream that a plugin has chosen, and the body that it has written', async () => {
    assert.equal((await accepted('/message/chosen')).method, 'GET')
    const init = { method: 'POST', body: 'of the client, and longer than that' }
    assert.equal((await accepted('/message/chosen', init)).body, 'of the plugin')
  })

  test('a WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${signing.port}/sockets?a=b`)
    scope.after(() => socket.terminate())
    const [message] = (await within(10_000, 'a message', once(socket, 'message'))) as [Buffer]
    const seen = JSON.parse(message.toString()) as Echoed
    assert.deepEqual([seen.url, seen.headers['x-consumer-name']], ['/sockets?a=b', 'gateway'])
  })

  test('a body that is too long to be held is refused, announced or not; the next request is unharmed', async () => {
    const large = 'x'.repeat(1001)
    assert.equal((await fetch(`${signing.url}/small`, { method: 'POST', body: large })).status, 413)
    const init = { method: 'POST', body: new Blob([large]).stream(), duplex: 'half' } as RequestInit
    assert.equal((await fetch(`${signing.url}/small`, init)).status, 413)
    assert.equal((await accepted('/small', { method: 'POST', body: large.slice(1) })).body.length, 1000)
  })

  test('a client that goes before its body has come leaves nothing behind', async () => {
    const client = await RawClient.connect(scope, signing.port)
    await client.send('POST /message/gone HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf')
    client.destroy()
    await untilMetric(signing, 'http_server_active_requests', 0)
    assert.equal((await accepted('/message/after', { method: 'POST', body: 'whole' })).body, 'whole')
  })

  test('a request that its scheme cannot sign is 400, and no fault of the peer', async () => {
    const client = await RawClient.connect(scope, signing.port)
    await client.send('GET /aws/%zz HTTP/1.1\r\nhost: a\r\n\r\n')
    const { finals } = await client.finals(1)
    assert.equal(statusOf(finals[0]!), 400)
    await accepted('/aws/fine')
    const readiness = (await (await fetch(`${signing.adminUrl}/readyz?verbose`)).text()).toString()
    assert.ok(!readiness.includes('"ejected"'), readiness)
    client.destroy()
  })

  test('no secret and no private key is written down', () => {
    const saved = readFileSync(join(folder, 'state', 'last-good-plan.json'), 'utf8')
    const d = keys.ed25519.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().split('\n')[1]!
    for (const text of [saved, signing.logs()]) {
      for (const one of [secret, Buffer.from(secret).toString('base64'), d, Buffer.from(d).toString('base64')]) {
        assert.ok(!text.includes(one))
      }
    }
  })

  test('from the last good plan: secrets are had again, and without one nothing leaves', async t => {
    const port = await freePort()
    const yaml = (sign: string): string => `listen: [ { port: ${port} } ]
upstreams: { up: { peers: [ { url: "${verifying.url}" } ], sign: ${sign} } }
routes: [ { name: all, match: { path: "/message/*" }, upstream: up } ]
`
    const { sign } = ways.message!
    for (const [written, expected] of [
      [sign, 200],
      [sign.replace('${SHARED_SECRET}', secret), 503],
    ] as const) {
      const env = { SHARED_SECRET: secret, POLYGATE_STATE_DIR: mkdtempSync(join(folder, 'state-')) }
      const first = await startGateway(t, yaml(written), { env })
      assert.equal((await fetch(`http://127.0.0.1:${port}/message/first`)).status, 200)
      assert.equal(await first.stop(), 0)
      const second = await startGateway(t, `${yaml(written)}nonsense: true\n`, { env, args: ['--last-good'] })
      assert.equal((await fetch(`http://127.0.0.1:${port}/message/again`)).status, expected)
      if (expected !== 200) assert.match(second.logs(), /cannot be had.*upstream up, sign: its secret stood/)
      assert.equal(await second.stop(), 0)
    }
  })

  test('a reload signs with another key', async t => {
    const route = 'routes: [ { name: all, match: { path: "/message/*" }, upstream: up } ]\n'
    const yaml = (secret: string): string =>
      `upstreams: { up: { peers: [ { url: "${verifying.url}" } ], sign: { scheme: rfc9421, keyId: m, tag: ours, secret: ${secret} } } }\n${route}`
    const gateway = await startGateway(t, yaml('another-secret'))
    const status = async (): Promise<number> => (await fetch(`${gateway.url}/message/x`)).status
    assert.equal(await status(), 401)
    await gateway.reload(yaml(secret))
    assert.equal(await status(), 200)
  })
})
