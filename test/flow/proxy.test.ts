// Pins what a client sees through a whole gateway: methods, bodies both ways, static answers, redirects, cross-origin
// rules, header edits, WebSockets, and what the upstream sees of it.
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly bytes: number
}

describe('through the gateway', () => {
  const ends: (() => unknown)[] = []
  let gateway: RunningGateway
  let refusing: RunningGateway

  before(async () => {
    const server = createServer((request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => (bytes += chunk.length))
      request.on('end', () => {
        if (request.url === '/large') {
          response.setHeader('content-length', 5_000_000)
          return void response.end(Buffer.alloc(5_000_000, 'x'))
        }
        if (request.url === '/chunks') {
          response.write('one ')
          return void setImmediate(() => response.end('two'))
        }
        response.setHeader('x-internal', 'secret')
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, bytes }))
      })
    })
    const sockets = new WebSocketServer({ server, handleProtocols: protocols => [...protocols][0] ?? false })
    sockets.on('connection', (socket, request) => {
      if (request.url === '/bye') socket.close(4001, 'bye')
      socket.on('message', (message, binary) => socket.send(message as Buffer, { binary }))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    ends.push(() => {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    gateway = await startGateway(
      scope,
      `
upstreams:
  echo: { peers: [ { url: "http://127.0.0.1:${port}" } ] }
routes:
  - name: all
    match: { path: "/*" }
    upstream: echo
    requestHeaders: { set: { x-team: blue }, remove: [x-secret] }
    responseHeaders: { remove: [x-internal], set: { x-served: polygate } }
  - { name: strip, match: { path: "/api/*" }, upstream: echo, stripPrefix: /api }
  - { name: rewrite, match: { path: "/users/{id}" }, upstream: echo, rewrite: "/people/{id}" }
  - { name: ping, match: { path: /ping, methods: [GET] }, respond: { status: 200, body: pong }, responseHeaders: { set: { x-served: polygate } } }
  - { name: plain, match: { path: /plain }, upstream: echo, webSocket: false }
  - { name: old, match: { path: /old }, redirect: { to: /new, status: 308 } }
  - { name: small, match: { path: /small }, upstream: echo, maxBodyBytes: 10 }
  - { name: shared, match: { path: /shared }, upstream: echo, cors: { origins: ["https://a.example"], methods: [GET, PUT] } }
`,
    )
    refusing = await startGateway(
      scope,
      `
routes:
  - { name: reports, match: { path: "/reports/{id}", methods: [GET, POST] }, respond: {}, maxBodyBytes: 10, cors: { origins: ["https://a.example"] } }
  - { name: closed, match: { path: /reports/closed, methods: [GET] }, respond: {} }
  - { name: later, match: { path: "/reports/*", methods: [GET] }, respond: {} }
`,
    )
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  const ask = async (path: string, init: RequestInit = {}): Promise<{ response: Response; seen: Seen }> => {
    const response = await fetch(gateway.url + path, { redirect: 'manual', ...init })
    return { response, seen: (await response.json()) as Seen }
  }

  test('a request keeps its method, path, query and body, and gains what proxies add', async () => {
    const { response, seen } = await ask('/a/b?c=d', { method: 'POST', body: 'hello', headers: { 'x-secret': 's' } })
    assert.equal(response.status, 200)
    assert.deepEqual([seen.method, seen.url, seen.bytes], ['POST', '/a/b?c=d', 5])
    assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1')
    assert.equal(seen.headers['x-request-id'], response.headers.get('x-request-id'))
    assert.equal(seen.headers['via'], '1.1 polygate')
  })

  test('a route edits headers both ways', async () => {
    const { response, seen } = await ask('/edits', { headers: { 'x-secret': 's', 'x-team': 'red' } })
    assert.deepEqual([seen.headers['x-team'], seen.headers['x-secret']], ['blue', undefined])
    assert.deepEqual([response.headers.get('x-internal'), response.headers.get('x-served')], [null, 'polygate'])
  })

  test('paths are stripped and rewritten', async () => {
    assert.equal((await ask('/api/x?y=1')).seen.url, '/x?y=1')
    assert.equal((await ask('/users/7')).seen.url, '/people/7')
  })

  test('large and chunked bodies come through whole', async () => {
    const large = await (await fetch(`${gateway.url}/large`)).arrayBuffer()
    assert.equal(large.byteLength, 5_000_000)
    assert.equal(await (await fetch(`${gateway.url}/chunks`)).text(), 'one two')
    const upload = await ask('/upload', { method: 'PUT', body: new Uint8Array(8_000_000) })
    assert.equal(upload.seen.bytes, 8_000_000)
  })

  test('HEAD has the length and no body', async () => {
    const response = await fetch(`${gateway.url}/large`, { method: 'HEAD' })
    assert.equal(response.headers.get('content-length'), '5000000')
    assert.equal((await response.arrayBuffer()).byteLength, 0)
  })

  test('static answers and redirects are answered by the gateway', async () => {
    assert.equal(await (await fetch(`${gateway.url}/ping`)).text(), 'pong')
    assert.equal((await fetch(`${gateway.url}/ping`)).headers.get('x-served'), 'polygate')
    const redirect = await fetch(`${gateway.url}/old?a=b`, { redirect: 'manual' })
    assert.deepEqual([redirect.status, redirect.headers.get('location')], [308, '/new?a=b'])
  })

  test('a body over the limit is refused, and the next request is unharmed', async () => {
    const { response, seen } = await ask('/small', { method: 'POST', body: 'more than ten bytes' })
    assert.equal(response.status, 413)
    assert.equal((seen as unknown as { code: string }).code, 'too_large')
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
    assert.equal(response.headers.get('connection'), 'close')
    assert.equal((await ask('/small', { method: 'POST', body: 'ten bytes.' })).seen.bytes, 10)
  })

  test('cross-origin rules', async () => {
    const preflight = await fetch(`${gateway.url}/shared`, {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' },
    })
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://a.example')
    const { response } = await ask('/shared', { headers: { origin: 'https://a.example' } })
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://a.example')
    const stranger = await ask('/shared', { headers: { origin: 'https://b.example' } })
    assert.equal(stranger.response.headers.get('access-control-allow-origin'), null)
  })

  test('cross-origin rules of what is refused: those of the route whose path it is, none where there is no route', async () => {
    const from = (origin: string) => ({ method: 'DELETE', headers: { origin } })
    for (const [path, origin, status, allowed] of [
      ['/reports/1', 'https://a.example', 405, 'https://a.example'],
      ['/reports/1', 'https://b.example', 405, null],
      ['/reports/2', 'https://a.example', 405, 'https://a.example'],
      ['/reports/closed', 'https://a.example', 405, null],
      ['/nowhere', 'https://a.example', 404, null],
    ] as const) {
      const response = await fetch(`${refusing.url}${path}`, from(origin))
      assert.equal(response.status, status, path)
      assert.equal(response.headers.get('access-control-allow-origin'), allowed, `${path} from ${origin}`)
      assert.equal(response.headers.get('vary'), status === 405 && path !== '/reports/closed' ? 'Origin' : null, path)
      assert.equal(((await response.json()) as { status: number }).status, status)
    }
    // A body that the route does not take: refused by a guard, after the rules.
    const large = await fetch(`${refusing.url}/reports/1`, {
      method: 'POST',
      body: 'x'.repeat(100),
      headers: { origin: 'https://a.example' },
    })
    assert.deepEqual([large.status, large.headers.get('access-control-allow-origin')], [413, 'https://a.example'])
  })

  test('a WebSocket carries text, binary, its subprotocol and its close code', async () => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/echo`, ['chat'])
    const message = (): Promise<string> =>
      new Promise(resolve => socket.once('message', data => resolve((data as Buffer).toString('hex'))))
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    assert.equal(socket.protocol, 'chat')
    for (const payload of ['text', Buffer.from([0, 255])]) {
      const answer = message()
      socket.send(payload)
      assert.equal(await answer, Buffer.from(payload).toString('hex'))
    }
    socket.close(1000)
    const other = new WebSocket(`${gateway.url.replace('http', 'ws')}/bye`)
    const [code] = await new Promise<[number]>(resolve => other.once('close', code => resolve([code])))
    assert.equal(code, 4001)
  })

  test('a route without WebSockets forwards an upgrade as an ordinary request', async () => {
    const { host } = new URL(gateway.url)
    const socket = new WebSocket(`ws://${host}/plain`)
    const [response] = await new Promise<[IncomingMessage]>((resolve, reject) => {
      socket.once('unexpected-response', (_request, response) => resolve([response]))
      socket.once('open', () => reject(new Error('it was upgraded')))
    })
    let text = ''
    for await (const part of response) text += String(part)
    assert.equal(response.statusCode, 200)
    assert.equal((JSON.parse(text) as Seen).headers.upgrade, undefined)
  })
})

test('a dead upstream is 502, and says no address', async t => {
  const gateway = await startGateway(
    t,
    `
upstreams: { gone: { peers: [ { url: "http://127.0.0.1:1" } ] } }
routes: [ { name: gone, match: { path: "/*" }, upstream: gone }, { name: only, match: { path: /only, methods: [GET] }, upstream: gone } ]
`,
  )
  const response = await fetch(`${gateway.url}/x`)
  const problem = await response.text()
  assert.equal(response.status, 502)
  assert.match(problem, /"code":"upstream_failed"/)
  assert.doesNotMatch(problem, /127\.0\.0\.1/)
})
