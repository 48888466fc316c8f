// Pins where the jwt guard's keys come from: an issuer that is away when the gateway starts stops nothing, one that goes
// away later or answers something else changes nothing, also over a restart; a new key counts with the first token that
// it has signed, and strangers cannot make the gateway ask its issuer for more.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test, type TestContext } from 'node:test'
import { SignJWT } from 'jose'
import { WebSocket, WebSocketServer } from 'ws'
import { makeAuthority } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { makeKey, makeToken, startIssuer, type IssuerKey } from '../helpers/issuer.ts'
import { untilMetric, untilMetrics } from '../helpers/metrics.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'

const waitMs = 20_000
let first: IssuerKey
let second: IssuerKey
before(async () => {
  ;[first, second] = await Promise.all([makeKey('ES256', 'first'), makeKey('ES256', 'second')])
})

const configFor = (url: string, more = ''): string => `workers: 2
routes:
  - name: a
    match: { path: "/a" }
    respond: { body: ok }
    guards: [ { jwt: { jwks: "${url}", algorithms: [ ES256 ], audience: "*" ${more} } } ]
`

async function statusWith(gateway: RunningGateway, token: string, path = '/a'): Promise<number> {
  const answer = await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}` } })
  await answer.arrayBuffer()
  return answer.status
}

/** Enough connections that both workers have been asked. */
const statusesWith = async (gateway: RunningGateway, token: string): Promise<number[]> => {
  const ask = async (): Promise<number> => {
    const headers = { authorization: `Bearer ${token}`, connection: 'close' }
    const answer = await fetch(`${gateway.url}/a`, { headers })
    await answer.arrayBuffer()
    return answer.status
  }
  return [...new Set(await Promise.all(Array.from({ length: 24 }, ask)))]
}

async function until(gateway: RunningGateway, token: string, status: number): Promise<void> {
  const asking = async (): Promise<void> => {
    for (;;) {
      const found = await statusesWith(gateway, token)
      if (found.length === 1 && found[0] === status) return
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  await within(waitMs, `status ${status}`, asking())
}

function stateFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-keys-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('an issuer that is away at the start: 503 until it is there, and the log says so', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  await issuer.away()
  const gateway = await startGateway(t, configFor(issuer.url))
  const token = await makeToken(first)
  const answer = await fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${token}` } })
  assert.equal(answer.status, 503)
  assert.equal(answer.headers.get('retry-after'), '5')
  assert.equal(((await answer.json()) as { code: string }).code, 'store_unavailable')
  assert.match(gateway.logs(), /cannot fetch keys.*ECONNREFUSED.*kept=none/)
  assert.match(gateway.logs(), /no keys yet: tokens of this issuer get 503/)
  // Who sends no token hears that, keys or not.
  assert.equal((await fetch(`${gateway.url}/a`)).status, 401)
  await issuer.back()
  await until(gateway, token, 200)
  assert.match(await gateway.line(/keys are fetched again/), /control/)
  const series = 'polygate_guard_decisions_total{http_route="a",guard="jwt",outcome="no keys"}'
  await untilMetrics(gateway, series, samples => (samples.get(series) ?? 0) > 0)
})

test('a rotation: the first token of a new key is let in, and the old key counts no more', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const gateway = await startGateway(t, configFor(issuer.url))
  const [old, fresh] = [await makeToken(first), await makeToken(second)]
  assert.deepEqual(await statusesWith(gateway, old), [200])
  assert.equal(issuer.asked, 1)
  issuer.keys = [second.jwk]
  // Each of those that come while control looks waits for its answer.
  assert.deepEqual(await statusesWith(gateway, fresh), [200])
  assert.equal(issuer.asked, 2)
  await until(gateway, old, 401)
  assert.deepEqual(await statusesWith(gateway, fresh), [200])
})

test('ids that somebody makes up: one fetch, then 401 at once', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const gateway = await startGateway(t, configFor(issuer.url))
  const made = await Promise.all(Array.from({ length: 60 }, (_, at) => makeToken(second, {}, { kid: `made-up-${at}` })))
  for (const token of made) assert.equal(await statusWith(gateway, token), 401)
  assert.deepEqual(await statusesWith(gateway, made[0]!), [401])
  assert.equal(issuer.asked, 2)
  assert.deepEqual(await statusesWith(gateway, await makeToken(first)), [200])
})

test('a token waits for a slow issuer, but not for ever; others do not wait', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const gateway = await startGateway(t, configFor(issuer.url).replace('workers: 2', 'workers: 1'))
  let open = (): void => {}
  issuer.gate = new Promise<void>(resolve => (open = resolve))
  issuer.keys = [first.jwk, second.jwk]
  const asked = issuer.nextAsked()
  const waiting = statusWith(gateway, await makeToken(second))
  const gone = new AbortController()
  const leaving = fetch(`${gateway.url}/a`, {
    headers: { authorization: `Bearer ${await makeToken(second)}` },
    signal: gone.signal,
  }).catch((error: unknown) => (error as Error).name)
  await asked
  gone.abort()
  assert.equal(await leaving, 'AbortError')
  assert.equal(await statusWith(gateway, await makeToken(first)), 200)
  open()
  assert.equal(await waiting, 200)
  // A second issuer that never answers: the wait ends, and the answer is that of an unknown key.
  const silent = await startIssuer(t, [first.jwk])
  await gateway.reload(configFor(silent.url).replace('workers: 2', 'workers: 1'))
  assert.equal(await statusWith(gateway, await makeToken(first)), 200)
  silent.gate = new Promise(() => {})
  assert.equal(await within(waitMs, 'the end of the wait', statusWith(gateway, await makeToken(second))), 401)
})

test('an issuer that goes away, or answers something else, changes nothing', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const gateway = await startGateway(t, configFor(issuer.url))
  const token = await makeToken(first)
  const unknown = (at: number): Promise<string> => makeToken(second, {}, { kid: `unknown-${at}` })
  assert.equal(await statusWith(gateway, token), 200)
  issuer.keys = '<html>moved</html>'
  const failed = (count: number): Promise<unknown> =>
    untilMetrics(
      gateway,
      `${count} failures`,
      samples => (samples.get(`polygate_key_set_fetches_total{url="${issuer.url}",outcome="failed"}`) ?? 0) >= count,
    )
  assert.equal(await statusWith(gateway, await unknown(1)), 401)
  await failed(1)
  assert.match(gateway.logs(), /cannot fetch keys.*no JSON.*kept="1 keys"/)
  for (const [keys, status] of [
    ['{"keys":[]}', 200],
    [JSON.stringify({ keys: [first.jwk] }), 500],
  ] as const) {
    issuer.keys = keys
    issuer.status = status
    await issuer.nextAsked()
    assert.deepEqual(await statusesWith(gateway, token), [200])
  }
  assert.equal(gateway.logs().match(/cannot fetch keys/g)?.length, 1, 'a failure is said once')
  await issuer.away()
  assert.deepEqual(await statusesWith(gateway, token), [200])
  issuer.status = 200
  issuer.keys = [first.jwk, second.jwk]
  await issuer.back()
  await until(gateway, await makeToken(second), 200)
})

test('a worker that is killed, and its successor knows the keys', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const gateway = await startGateway(t, configFor(issuer.url).replace('workers: 2', 'workers: 1'))
  const token = await makeToken(first)
  assert.equal(await statusWith(gateway, token), 200)
  await issuer.away()
  const [pid] = gateway.workers()
  process.kill(pid!, 'SIGKILL')
  await untilMetric(gateway, 'polygate_worker_restarts_total{reason="signal"}', 1)
  await untilMetric(gateway, 'polygate_workers_ready', 1)
  assert.equal(await statusWith(gateway, token), 200)
})

test('a restart while the issuer is away goes on with the keys of before; a damaged file is none', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const folder = stateFolder(t)
  const options = { env: { POLYGATE_STATE_DIR: folder } }
  const token = await makeToken(first)
  const before = await startGateway(t, configFor(issuer.url), options)
  assert.equal(await statusWith(before, token), 200)
  assert.equal(await before.stop(), 0)
  await issuer.away()
  const after = await startGateway(t, configFor(issuer.url), options)
  assert.deepEqual(await statusesWith(after, token), [200])
  assert.match(after.logs(), /cannot fetch keys.*kept="1 keys"/)
  assert.equal(await after.stop(), 0)
  const file = join(folder, 'key-sets.json')
  const saved = readFileSync(file, 'utf8')
  assert.ok(!saved.includes('"d":') && saved.includes('"secret":null'))
  for (const damaged of [
    saved.slice(0, -10),
    '{}',
    saved.replace('"spki":"', '"spki":5,"x":"'),
    saved.replace('ES256', 'none'),
  ]) {
    writeFileSync(file, damaged)
    const third = await startGateway(t, configFor(issuer.url), options)
    assert.equal(await statusWith(third, token), 503, damaged)
    await third.stop()
  }
})

test('redirects are not followed, and nobody is let in by what they lead to', async t => {
  const other = await startIssuer(t, [second.jwk])
  const issuer = await startIssuer(t, [first.jwk])
  issuer.status = 302
  issuer.headers = { location: other.url }
  const gateway = await startGateway(t, configFor(issuer.url))
  assert.equal(await statusWith(gateway, await makeToken(second)), 503)
  assert.match(gateway.logs(), /status 302: redirects are not followed/)
  assert.equal(other.asked, 0)
})

test('over https: an issuer whose authority is known, and one whom nobody vouches for', async t => {
  const authority = makeAuthority(t)
  const { certificate, key } = authority.issue('localhost', { names: ['localhost', '127.0.0.1'] })
  const server = createHttpsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (_request, response) =>
    response.end(JSON.stringify({ keys: [first.jwk] })),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
  const token = await makeToken(first)
  const trusting = await startGateway(t, configFor(url), { env: { NODE_EXTRA_CA_CERTS: authority.certificate } })
  assert.equal(await statusWith(trusting, token), 200)
  const stranger = await startGateway(t, configFor(url))
  assert.equal(await statusWith(stranger, token), 503)
  assert.match(stranger.logs(), /cannot fetch keys.*certificate/)
})

test('a WebSocket whose token is of a new key waits for it too, and brings its claims', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  sockets.on('connection', (socket, { url, headers }) => socket.send(JSON.stringify({ url, user: headers['x-user'] })))
  await once(sockets, 'listening')
  const gateway = await startGateway(
    t,
    `upstreams: { up: { peers: [ { url: "http://127.0.0.1:${(sockets.address() as AddressInfo).port}" } ] } }
routes:
  - name: a
    match: { path: "/*" }
    upstream: up
    guards:
      - jwt: { jwks: "${issuer.url}", algorithms: [ ES256 ], audience: "*", query: t, forwardClaims: { sub: X-User } }
`,
  )
  issuer.keys = [second.jwk]
  const url = `ws://127.0.0.1:${gateway.port}/chat?a=b&t=${await makeToken(second)}`
  const socket = new WebSocket(url, { headers: { 'x-user': 'root' } })
  t.after(() => socket.terminate())
  const [message] = (await within(waitMs, 'a message', once(socket, 'message'))) as [Buffer]
  assert.deepEqual(JSON.parse(message.toString()), { url: '/chat?a=b', user: 'alice' })
})

test('a body that comes while a token waits for its key is not lost', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const echo = await startEcho(t)
  const gateway = await startGateway(
    t,
    `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
${configFor(issuer.url).replace('respond: { body: ok }', 'upstream: echo')}`,
  )
  issuer.keys = [second.jwk]
  let open = (): void => {}
  issuer.gate = new Promise<void>(resolve => (open = resolve))
  const asked = issuer.nextAsked()
  const body = 'x'.repeat(300_000)
  const headers = { authorization: `Bearer ${await makeToken(second)}` }
  const answer = fetch(`${gateway.url}/a`, { method: 'POST', body, headers })
  await asked
  open()
  const seen = (await (await answer).json()) as { body: string }
  assert.equal(seen.body.length, body.length)
})

test('an endless answer is cut off', async t => {
  const endless = createServer((_request, response) => {
    response.write('{"keys":[')
    const more = (): void => {
      while (response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  endless.listen(0, '127.0.0.1')
  await once(endless, 'listening')
  t.after(() => {
    endless.closeAllConnections()
    endless.close()
  })
  const gateway = await startGateway(t, configFor(`http://127.0.0.1:${(endless.address() as AddressInfo).port}/`))
  assert.match(await within(waitMs, 'the log', gateway.line(/cannot fetch keys/)), /more than 1048576 bytes/)
})

test('two routes, one issuer: one fetch; a reload keeps the keys, and forgets those of nobody', async t => {
  const issuer = await startIssuer(t, [first.jwk])
  const guard = (more: string): string =>
    `[ { jwt: { jwks: "${issuer.url}", algorithms: [ ES256 ], audience: "*"${more} } } ]`
  const routes = (more: string): string => `routes:
  - { name: a, match: { path: /a }, respond: { body: ok }, guards: ${guard('')} }
  - { name: b, match: { path: /b }, respond: { body: ok }, guards: ${guard(more)} }
`
  const gateway = await startGateway(t, routes(', issuer: "https://other.example"'))
  const token = await makeToken(first)
  assert.deepEqual([await statusWith(gateway, token), await statusWith(gateway, token, '/b')], [200, 401])
  await gateway.reload(routes(''))
  assert.deepEqual([await statusWith(gateway, token), await statusWith(gateway, token, '/b')], [200, 200])
  assert.equal(issuer.asked, 1)
  await gateway.reload('routes: [ { name: a, match: { path: /a }, respond: {} } ]\n')
  await untilMetrics(gateway, 'no set', samples => ![...samples.keys()].some(name => name.includes(issuer.url)))
})

test('the last good plan has no secret: it is had again from where it came, and what cannot be is said', async t => {
  const folder = stateFolder(t)
  const [ofVariable, ofFile, written] = ['variable', 'file', 'text'].map(
    where => `a-secret-of-a-${where}-of-many-bytes`,
  )
  writeFileSync(join(folder, 'secret'), `${ofFile}\n`)
  const options = { env: { POLYGATE_STATE_DIR: folder, JWT_SECRET: ofVariable! } }
  const route = (name: string, key: string): string =>
    `  - { name: ${name}, match: { path: /${name} }, respond: {}, guards: [ { anyOf: [ { allOf: [ { jwt: { keys: [ { ${key} } ], algorithms: [ HS256 ], audience: "*" } } ] } ] } ] }\n`
  const yaml = `routes:
${route('variable', 'secret: "${JWT_SECRET}"')}${route('file', `secretFile: "${join(folder, 'secret')}"`)}${route('text', `secret: ${written}`)}`
  const statuses = async (gateway: RunningGateway): Promise<number[]> => {
    const found: number[] = []
    for (const [path, secret] of [
      ['variable', ofVariable],
      ['file', ofFile],
      ['text', written],
    ] as const) {
      const claims = { sub: 'alice', exp: Math.floor(Date.now() / 1000) + 60 }
      const token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret!))
      found.push(await statusWith(gateway, token, `/${path}`))
    }
    return found
  }
  const before = await startGateway(t, yaml, options)
  assert.deepEqual(await statuses(before), [200, 200, 200])
  assert.equal(await before.stop(), 0)
  const saved = readFileSync(join(folder, 'last-good-plan.json'), 'utf8')
  for (const secret of [ofVariable, ofFile, written]) {
    assert.ok(!saved.includes(secret!) && !saved.includes(Buffer.from(secret!).toString('base64')))
  }
  const after = await startGateway(t, `${yaml}nonsense: true\n`, { ...options, args: ['--last-good'] })
  const port = Number(new URL(after.readyLine.split(' ')[1]!).port)
  assert.deepEqual(await statuses({ ...after, url: `http://127.0.0.1:${port}` }), [200, 200, 503])
  assert.match(after.logs(), /cannot be had.*route text, jwt: its secret stood in the configuration itself/)
})
