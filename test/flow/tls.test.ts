// Pins HTTPS through a whole gateway: who is refused before HTTP begins (versions, client certificates, other protocols),
// which certificate a name gets, and that everything behind the handshake is as on plain connections: bodies both ways,
// pipelining, malformed requests, routes by host, WebSockets, what the upstream learns.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as requestTls } from 'node:https'
import { connect as connectTcp, type AddressInfo } from 'node:net'
import { after, before, describe, test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { readFileSync } from 'node:fs'
import { WebSocket, WebSocketServer } from 'ws'
import { makeAuthority, type Authority, type Certificate } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'

const get = (path: string, host = 'first.example', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`

const ends: (() => unknown)[] = []
const suite = { after: (end: () => unknown) => void ends.unshift(end) }
let authority: Authority
let gateway: RunningGateway
/** Listeners: several certificates; TLS 1.3 only; client certificates, with either version. */
const ports = { sni: 0, only13: 0, clients: 0 }
const seen: IncomingMessage[] = []
/** Requests to /hold, to be answered by the test. */
const held: { request: IncomingMessage; response: ServerResponse }[] = []
let onHeld: (() => void) | null = null

function answer(request: IncomingMessage, response: ServerResponse): void {
  seen.push(request)
  if (request.url === '/hold') {
    held.push({ request, response })
    return onHeld?.()
  }
  if (request.url!.startsWith('/bytes/')) return void response.end(Buffer.alloc(Number(request.url!.slice(7)), 'x'))
  const hash = createHash('sha256')
  request.on('data', (part: Buffer) => {
    hash.update(part)
    if (request.url !== '/slow-reader') return
    request.pause()
    setImmediate(() => request.resume())
  })
  request.on('end', () => {
    const { method, url, headers } = request
    const text = JSON.stringify({ method, url, headers, sha256: hash.digest('hex') })
    // Pipelined requests whose upstream answers come out of order.
    if (url === '/late') setTimeout(() => response.end(text), 100)
    else response.end(text)
  })
}

before(async () => {
  authority = makeAuthority(suite)
  const server = createServer(answer)
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => socket.on('message', (message, binary) => socket.send(message, { binary })))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  ends.unshift(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort()
  const [first, exact, wild] = ['first.example', 'exact.example', 'wild.example'].map(name => authority.issue(name))
  const files = ({ certificate, key }: Certificate): string => `certificate: ${certificate}, key: ${key}`
  gateway = await startGateway(
    suite,
    `listen:
  - address: 127.0.0.1
    port: ${ports.sni}
    tls:
      { ${files(first!)}, sni: [ { hosts: [ exact.example ], ${files(exact!)} }, { hosts: [ "*.wild.example" ], ${files(wild!)} } ] }
  - { address: 127.0.0.1, port: ${ports.only13}, tls: { ${files(first!)}, minVersion: "1.3" } }
  - { address: 127.0.0.1, port: ${ports.clients}, tls: { ${files(first!)}, clientCa: ${authority.certificate} } }
upstreams: { up: { peers: [ { url: "http://127.0.0.1:${(server.address() as AddressInfo).port}" } ] } }
routes:
  - { name: exact, match: { hosts: [ exact.example ], path: /whose }, respond: { status: 200, body: exact } }
  - { name: wild, match: { hosts: [ "*.wild.example" ], path: /whose }, respond: { status: 200, body: wild } }
  - { name: whose, match: { path: /whose }, respond: { status: 200, body: any } }
  - { name: all, match: { path: "/*" }, upstream: up, webSocket: true }
`,
  )
})
after(async () => {
  for (const end of ends) await end()
})

/** The name in the certificate that is shown for a server name, and what was agreed on. */
async function shown(
  t: TestContext,
  port: number,
  options: ConnectionOptions = {},
): Promise<{ name: string; protocol: string | null; alpn: string | false | null }> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  const alpn = socket.alpnProtocol
  return { name: socket.getPeerCertificate().subject.CN as string, protocol: socket.getProtocol(), alpn }
}

/** How the connection fails, for clients that must not get through. */
async function refused(t: TestContext, port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.after(() => socket.destroy())
  socket.on('secureConnect', () => socket.write(get('/refused')))
  socket.resume()
  const failed = once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code ?? String(error))
  return Promise.race([failed, once(socket, 'data').then(([bytes]) => `served: ${String(bytes)}`)])
}

async function fetchTls(
  port: number,
  path: string,
  options: { method?: string; body?: Buffer; tls?: ConnectionOptions } = {},
): Promise<{ status: number; body: Buffer }> {
  const outgoing = requestTls({
    port,
    host: '127.0.0.1',
    path,
    method: options.method ?? 'GET',
    agent: false,
    rejectUnauthorized: false,
    ...options.tls,
  })
  outgoing.end(options.body)
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  return { status: response.statusCode!, body: Buffer.concat(parts) }
}

/** Another client is served: nothing that came before has harmed the listener. */
async function othersAreServed(port = ports.sni): Promise<void> {
  assert.equal((await fetchTls(port, '/whose')).status, 200)
}

describe('refused', () => {
  test('TLS 1.2 where 1.3 is the least, and 1.1 everywhere', async t => {
    const told = /^ERR_SSL_.*ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)$/
    assert.match(await refused(t, ports.only13, { maxVersion: 'TLSv1.2' }), told)
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    for (const port of Object.values(ports)) {
      assert.match(await refused(t, port, old), told)
    }
    assert.equal((await shown(t, ports.only13)).protocol, 'TLSv1.3')
    assert.equal((await shown(t, ports.sni, { maxVersion: 'TLSv1.2' })).protocol, 'TLSv1.2')
    assert.equal((await shown(t, ports.sni)).protocol, 'TLSv1.3')
  })

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${maxVersion}: a client without a certificate of the authority, and one with it is served`, async t => {
      const pair = ({ certificate, key }: Certificate) => ({ cert: readFileSync(certificate), key: readFileSync(key) })
      const stranger = makeAuthority(t).issue('client')
      const expired = authority.issue('client', { expired: true })
      assert.match(
        await refused(t, ports.clients, { maxVersion }),
        /^ERR_SSL_(TLSV13_ALERT_CERTIFICATE_REQUIRED|SSL\/TLS_ALERT_HANDSHAKE_FAILURE|SSLV3_ALERT_HANDSHAKE_FAILURE)$/,
      )
      assert.match(
        await refused(t, ports.clients, { maxVersion, ...pair(stranger) }),
        /^ERR_SSL_.*(UNKNOWN_CA|DECRYPT)/,
      )
      assert.match(await refused(t, ports.clients, { maxVersion, ...pair(expired) }), /^ERR_SSL_.*EXPIRED/)
      assert.ok(seen.every(({ url }) => url !== '/refused'))
      const tls = { maxVersion, ...pair(authority.issue('client')) }
      assert.equal((await fetchTls(ports.clients, '/served', { tls })).status, 200)
    })
  }

  test('a client that speaks other protocols only; one that speaks HTTP/1.1 too is answered in that', async t => {
    const code = await refused(t, ports.sni, { ALPNProtocols: ['h2'] })
    assert.match(code, /ALERT_NO_APPLICATION_PROTOCOL$/)
    assert.equal((await shown(t, ports.sni, { ALPNProtocols: ['h2', 'http/1.1'] })).alpn, 'http/1.1')
    assert.equal((await shown(t, ports.sni)).alpn, false)
  })

  test('HTTP without TLS gets 400 without TLS', async t => {
    const client = await RawClient.connect(t, ports.sni)
    await client.send(get('/plain'))
    await client.ended()
    const { finals, rest } = client.answers()
    assert.deepEqual([finals.map(statusOf), rest.length], [[400], 0])
    assert.equal((JSON.parse(finals[0]!.body.toString()) as { code: string }).code, 'bad_request')
    assert.ok(seen.every(({ url }) => url !== '/plain'))
    await othersAreServed()
  })

  test('garbage in place of a handshake, and of a record behind it', async t => {
    const plain = await RawClient.connect(t, ports.sni)
    await plain.send(Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0]), randomBytes(600)]))
    await plain.ended()
    const tcp = connectTcp(ports.sni, '127.0.0.1')
    t.after(() => tcp.destroy())
    const socket = connect({ socket: tcp, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    socket.write(get('/whose'))
    await once(socket, 'data')
    tcp.write(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 200]), randomBytes(200)]))
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    assert.match(error.code!, /BAD_RECORD_MAC/)
    await othersAreServed()
  })

  test('malformed requests: problem+json, closed, nothing to the upstream', async t => {
    const cases: [string, number][] = [
      ['GET / HTTP/1.0\r\nHost: x\r\n\r\n', 505],
      ['GET /malformed HTTP/1.1\r\nA: b\r\n\r\n', 400],
      [get('/malformed', 'x', ': hidden\r\nContent-Length: 5\r\n'), 400],
      ['POST /malformed HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
      ['POST /malformed HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
      [get('/malformed', 'x', `A: ${'b'.repeat(20_000)}\r\n`), 431],
    ]
    for (const [bytes, status] of cases) {
      const client = await RawClient.connectTls(t, ports.sni)
      await client.send(bytes)
      await client.ended()
      const { finals, rest } = client.answers()
      assert.deepEqual([finals.map(statusOf), rest.length], [[status], 0], bytes.slice(0, 100))
      assert.equal(valuesOf(finals[0]!, 'content-type')[0], 'application/problem+json')
    }
    assert.ok(seen.every(({ url }) => url !== '/malformed'))
    await othersAreServed()
  })
})

describe('served', () => {
  test('a certificate by name: exact, below a wildcard, else the first', async t => {
    const of = async (servername?: string): Promise<string> =>
      (await shown(t, ports.sni, servername === undefined ? {} : { servername })).name
    assert.equal(await of(), 'first.example')
    assert.equal(await of('unknown.example'), 'first.example')
    assert.equal(await of('exact.example'), 'exact.example')
    assert.equal(await of('sub.exact.example'), 'first.example')
    assert.equal(await of('a.wild.example'), 'wild.example')
    assert.equal(await of('wild.example'), 'first.example')
  })

  test('routes go by Host, whatever server name was asked for', async t => {
    for (const servername of ['exact.example', 'a.wild.example', 'unknown.example']) {
      const client = await RawClient.connectTls(t, ports.sni, { servername })
      await client.send(['exact.example', 'b.wild.example', 'other.example'].map(host => get('/whose', host)).join(''))
      const { finals } = await client.finals(3)
      assert.deepEqual(
        finals.map(one => one.body.toString()),
        ['exact', 'wild', 'any'],
      )
    }
  })

  test('bodies of many sizes both ways', async () => {
    for (const size of [0, 1, 16_383, 16_384, 16_385, 70_000, 5_000_000]) {
      const body = randomBytes(size)
      const { body: echoed } = await fetchTls(ports.sni, '/echo', { method: 'POST', body })
      const told = JSON.parse(echoed.toString()) as { sha256: string; method: string }
      assert.deepEqual([told.method, told.sha256], ['POST', createHash('sha256').update(body).digest('hex')])
      const down = await fetchTls(ports.sni, `/bytes/${size}`)
      assert.equal(down.body.length, size)
      assert.ok(down.body.every(byte => byte === 120))
    }
  })

  test('a body of 30 MB to an upstream that sips, with the next request behind it', async t => {
    const body = randomBytes(30_000_000)
    const client = await RawClient.connectTls(t, ports.sni)
    void client.send(`POST /slow-reader HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`)
    void client.send(body)
    void client.send(get('/behind'))
    const { finals } = await client.finals(2)
    const told = finals.map(one => JSON.parse(one.body.toString()) as { url: string; sha256: string })
    assert.deepEqual(
      told.map(({ url }) => url),
      ['/slow-reader', '/behind'],
    )
    assert.equal(told[0]!.sha256, createHash('sha256').update(body).digest('hex'))
  })

  test('a response of 40 MB to a reader that sips, then the next one, then a close at its last byte', async t => {
    const size = 40_000_000
    const socket = connect({ port: ports.sni, host: '127.0.0.1', rejectUnauthorized: false })
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    socket.write(get(`/bytes/${size}`) + get(`/bytes/${size}`, 'first.example', 'Connection: close\r\n'))
    let length = 0
    let heads = 0
    for await (const part of socket as AsyncIterable<Buffer>) {
      length += part.length
      heads += part.includes('HTTP/1.1 200 OK') ? 1 : 0
      if (length % 7 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    // The loop has ended without an error: by close_notify, behind the last byte.
    assert.ok(length > 2 * size && length < 2 * size + 1000, String(length))
    assert.equal(heads, 2)
  })

  test('requests sent ahead are answered in order though the upstream is slow with the first', async t => {
    const client = await RawClient.connectTls(t, ports.sni)
    const paths = ['/late', ...Array.from({ length: 99 }, (_, i) => `/${i}`)]
    await client.send(paths.map(path => get(path)).join(''))
    const { finals } = await client.finals(paths.length)
    assert.deepEqual(
      finals.map(one => (JSON.parse(one.body.toString()) as { url: string }).url),
      paths,
    )
  })

  test('the upstream learns the scheme, the port and the client', async () => {
    const { body } = await fetchTls(ports.sni, '/headers')
    const { headers } = JSON.parse(body.toString()) as { headers: Record<string, string> }
    assert.equal(headers['x-forwarded-proto'], 'https')
    assert.equal(headers['x-forwarded-for'], '127.0.0.1')
    assert.equal(headers['x-forwarded-host'], `127.0.0.1:${ports.sni}`)
  })

  test('a client that goes: the upstream request ends', async t => {
    for (const how of ['destroy', 'resetAndDestroy'] as const) {
      const reached = new Promise<void>(resolve => (onHeld = resolve))
      const tcp = connectTcp(ports.sni, '127.0.0.1')
      const client = await RawClient.connectTls(t, ports.sni, { socket: tcp })
      await client.send(get('/hold'))
      await reached
      const { response } = held.pop()!
      const closed = once(response, 'close')
      tcp[how]()
      await closed
      assert.equal(response.writableFinished, false)
    }
  })

  test('a session is resumed', async t => {
    const first = connect({ port: ports.sni, host: '127.0.0.1', rejectUnauthorized: false })
    t.after(() => first.destroy())
    const [session] = (await once(first, 'session')) as [Buffer]
    const second: TLSSocket = connect({ port: ports.sni, host: '127.0.0.1', rejectUnauthorized: false, session })
    t.after(() => second.destroy())
    await once(second, 'secureConnect')
    assert.equal(second.isSessionReused(), true)
    second.write(get('/whose'))
    assert.match(String((await once(second, 'data'))[0]), /^HTTP\/1\.1 200 OK/)
  })

  test('WebSockets, with messages larger than a record', async t => {
    const socket = new WebSocket(`wss://127.0.0.1:${ports.sni}/socket`, { rejectUnauthorized: false })
    t.after(() => socket.terminate())
    await once(socket, 'open')
    for (const message of [Buffer.from('hi'), randomBytes(16_384), randomBytes(1_000_000)]) {
      const echoed = once(socket, 'message')
      socket.send(message)
      assert.ok(message.equals((await echoed)[0] as Buffer))
    }
    socket.close(4000, 'done')
    assert.deepEqual((await once(socket, 'close')).map(String), ['4000', 'done'])
  })
})

test('a hundred connections at once, each with requests sent ahead', async t => {
  const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.connectTls(t, ports.sni)))
  await Promise.all(clients.map((client, i) => client.send([0, 1, 2].map(j => get(`/${i}-${j}`)).join(''))))
  await Promise.all(clients.map(client => client.finals(3)))
  clients.forEach((client, i) => {
    const urls = client.answers().finals.map(one => (JSON.parse(one.body.toString()) as { url: string }).url)
    assert.deepEqual(urls, [`/${i}-0`, `/${i}-1`, `/${i}-2`])
  })
  assert.equal(gateway.workers().length, 1)
})
