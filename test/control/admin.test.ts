// Pins the admin server: who may ask what, what bad input gets, and that its answers follow the gateway's state.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { request, type IncomingMessage } from 'node:http'
import { test, type TestContext } from 'node:test'
import type { Control } from '../../ts/control/control.ts'
import { ask, controlOf, next, type Harness } from './fixture/harness.ts'
import { planOf } from './fixture/plans.ts'

const adminPlan = (token: string | null) => planOf({ admin: { address: '127.0.0.1', port: 0, token } })

async function admin(t: TestContext, token: string | null = null): Promise<Harness & { get: typeof call }> {
  const harness = controlOf(t, adminPlan(token))
  await harness.control.start()
  const call_ = (path: string, init: RequestInit = {}) =>
    call(`http://127.0.0.1:${harness.control.adminPort}${path}`, init)
  return { ...harness, get: call_ }
}

interface Answer {
  status: number
  type: string | null
  headers: Headers
  text: string
}

async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init)
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    headers: response.headers,
    text: await response.text(),
  }
}

/** Sends bytes as they are, resolves with all that comes back until the connection ends. */
async function raw(control: Control, bytes: string): Promise<string> {
  const socket = connect(control.adminPort, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk))
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return answer
}

function assertProblem({ status, type, text }: Answer, wanted: number, code: string): void {
  assert.equal(status, wanted)
  assert.equal(type, 'application/problem+json')
  const problem = JSON.parse(text) as Record<string, unknown>
  assert.equal(problem['code'], code)
  assert.equal(problem['status'], wanted)
  for (const field of ['type', 'title', 'requestId']) assert.equal(typeof problem[field], 'string')
}

for (const [what, bytes, status] of [
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\r\n\r\n', 400],
  ['two lengths', 'POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
  [
    'length and chunked',
    'POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
  ['a head of 64 KiB', `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(65536)}\r\n\r\n`, 431],
  ['a body of 1 MiB announced', 'POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1048576\r\n\r\n', 413],
  [
    'an expectation',
    'POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    417,
  ],
  ['absolute-form', 'GET http://elsewhere/livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
  ['authority path', 'GET //livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
] as const) {
  test(`bad input: ${what} gets ${status}, and the gateway serves on`, async t => {
    const { control, get } = await admin(t)
    const answer = await raw(control, bytes)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    assert.match(answer, /application\/problem\+json/i)
    assert.equal(control.lastReload(), null)
    assert.equal((await get('/livez')).status, 200)
  })
}

test('a long chunked body is refused', async t => {
  const { control } = await admin(t)
  const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`
  const answer = await raw(
    control,
    `GET /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(8)}`,
  )
  assert.match(answer, /^HTTP\/1\.1 (413|404) /)
})

test('unknown paths and methods', async t => {
  const { get } = await admin(t)
  assertProblem(await get('/'), 404, 'no_route')
  assertProblem(await get('/__proto__'), 404, 'no_route')
  assertProblem(await get('/constructor'), 404, 'no_route')
  const notAllowed = await get('/reload', { method: 'DELETE' })
  assertProblem(notAllowed, 405, 'method_not_allowed')
  assert.equal(notAllowed.headers.get('allow'), 'GET, POST')
  assertProblem(await get('/livez', { method: 'POST' }), 405, 'method_not_allowed')
})

test('without a token, reload is for this machine only, and not for a page in its browser', async t => {
  const { control, get } = await admin(t)
  assertProblem(await get('/reload', { method: 'POST', headers: { origin: 'http://evil.example' } }), 403, 'forbidden')
  const rebound = request({ port: control.adminPort, host: '127.0.0.1', path: '/reload', method: 'POST' })
  rebound.setHeader('host', 'evil.example:9901')
  rebound.end()
  const [response] = (await once(rebound, 'response')) as [IncomingMessage]
  assert.equal(response.statusCode, 403)
  response.resume()
  assert.equal(control.lastReload(), null)
  assert.equal((await get('/reload', { method: 'POST' })).status, 200)
})

test('with a token, everything but the plain probes needs it', async t => {
  const { get } = await admin(t, 'right-token')
  assert.equal((await get('/livez')).status, 200)
  assert.equal((await get('/readyz')).status, 200)
  for (const path of ['/readyz?verbose', '/metrics', '/reload', '/nothing']) {
    for (const authorization of [
      undefined,
      'Bearer',
      'Bearer wrong',
      'Bearer right-token x',
      'Basic right-token',
      'right-token',
    ]) {
      const answer = await get(path, authorization === undefined ? {} : { headers: { authorization } })
      assertProblem(answer, 401, 'unauthorized')
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
    }
  }
  const headers = { authorization: 'Bearer right-token' }
  assert.equal((await get('/metrics', { headers })).status, 200)
  assert.equal((await get('/readyz?verbose', { headers })).status, 200)
  assert.equal((await get('/reload', { method: 'POST', headers })).status, 200)
})

test('a token changes with the plan', async t => {
  const { get, configure, control } = await admin(t, 'old')
  configure(adminPlan('new'))
  await control.reload()
  assert.equal((await get('/metrics', { headers: { authorization: 'Bearer old' } })).status, 401)
  assert.equal((await get('/metrics', { headers: { authorization: 'Bearer new' } })).status, 200)
})

test('reload answers with the version, or 409 with the reasons; its result can be read again', async t => {
  const { get, configure, control } = await admin(t)
  assert.deepEqual(JSON.parse((await get('/reload')).text), { lastReload: null })
  const better = planOf({ admin: { address: '127.0.0.1', port: 0, token: null }, routeNames: ['better'] })
  configure(better)
  assert.deepEqual(JSON.parse((await get('/reload', { method: 'POST' })).text), { version: better.version })
  configure(planOf({ admin: better.admin, routeNames: ['refuse'] }))
  const refused = await get('/reload', { method: 'POST' })
  assertProblem(refused, 409, 'reload_refused')
  const { reasons } = JSON.parse(refused.text) as { reasons: string[] }
  assert.deepEqual(reasons, ['worker 1: plugin of route refuse cannot be loaded'])
  assert.deepEqual(JSON.parse((await get('/reload')).text), { lastReload: control.lastReload() })
  const verbose = await get('/readyz?verbose')
  assert.equal(verbose.status, 200)
  assert.match(verbose.text, new RegExp(`^plan ${better.version}$`, 'm'))
  assert.match(verbose.text, /^reload refused .*\n {2}worker 1: plugin of route refuse cannot be loaded$/m)
  assert.match(verbose.text, new RegExp(`^worker 1 ready pid=\\d+ plan=${better.version}$`, 'm'))
})

test('not ready while no worker is, and while it drains; alive all the time', async t => {
  const { get, control, folder } = await admin(t)
  const { pid } = control.workers()[0]!
  const ended = next<[number, number, string]>(control, 'ended')
  const back = next<[number, number, string]>(control, 'worker')
  process.kill(pid, 'SIGKILL')
  await ended
  assert.equal((await get('/readyz')).status, 503)
  assert.equal((await get('/livez')).status, 200)
  const [, successor] = await back
  assert.equal((await get('/readyz')).status, 200)
  // A request in flight keeps the drain open.
  const slow = request({ socketPath: `${folder}/${successor}.sock`, path: '/slow', agent: false }).end()
  slow.on('error', () => {})
  const [response] = (await once(slow, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  response.resume()
  const drained = control.drain()
  const draining = await get('/readyz?verbose')
  assert.equal(draining.status, 503)
  assert.match(draining.text, /^not ready \(draining\)$/m)
  slow.destroy()
  await drained
})

test('what a worker counts is in /metrics', async t => {
  const { get, control, folder } = await admin(t)
  const { pid } = control.workers()[0]!
  for (let i = 0; i < 5; i++) await ask(folder, pid)
  await assert.rejects(ask(folder, pid, '/throw')) // its last beat goes out before it ends
  const { text, type } = await get('/metrics')
  assert.match(type ?? '', /^text\/plain; version=0\.0\.4/)
  assert.match(text, /^http_server_response_body_bytes_total\{http_route="hello"\} 50$/m)
})
