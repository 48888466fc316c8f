// Pins active health checks against real servers: what they send, what turns the verdict both ways, that full pools and
// endless bodies do not, and that a release ends them.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { ActiveHealthPlan, UpstreamPlan } from '../../../ts/config/plan.ts'
import { noPeer } from '../../../ts/gateway/forward/candidates.ts'
import { freePort } from '../../helpers/ports.ts'
import { within, type Scope } from '../../helpers/scope.ts'
import { startRawUpstream, startUpstream } from '../../helpers/upstream.ts'
import { endpointPlan, planOf, upstreamPlan } from './members.ts'
import { realClient, type RealClient } from './real-client.ts'

const active: ActiveHealthPlan = {
  path: '/health?deep=1',
  intervalMs: 20,
  timeoutMs: 250,
  healthyAfter: 2,
  unhealthyAfter: 2,
  statuses: [200, 204],
}

/** Checks one peer on `port`. */
function checked(scope: Scope, port: number, change: Partial<ActiveHealthPlan> = {}, more: Partial<UpstreamPlan> = {}) {
  const real = realClient(scope)
  const health = { passive: null, active: { ...active, ...change } }
  const plan = planOf(upstreamPlan([endpointPlan(port)], { health, ...more }))
  const upstreams = real.prepare(plan)
  return { ...real, upstreams, upstream: upstreams.list[0]! }
}

/** A server whose checks can be waited for. */
async function countedServer(scope: Scope, handler: RequestListener) {
  const seen = new EventEmitter()
  const server = await startUpstream(scope, (req, res) => {
    handler(req, res)
    seen.emit('request', req)
  })
  const requests = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await within(10_000, 'a check', once(seen, 'request'))
  }
  return { ...server, seen, requests }
}

test('a peer that changes its answer goes down and comes back', async t => {
  let status = 200
  let head: unknown[] = []
  const server = await countedServer(t, (req, res) => {
    head = [req.method, req.url, req.headers.host, req.headers['user-agent'], req.headers['content-length']]
    res.writeHead(status).end('checked')
  })
  const { upstream, nextChange, changes } = checked(t, server.port)
  await server.requests(3)
  assert.deepEqual(head, ['GET', active.path, `127.0.0.1:${server.port}`, 'polygate-health-check', undefined])
  assert.deepEqual(changes, [], 'what was taken to be up is up')
  status = 500
  const down = await nextChange()
  assert.equal(down.kind, 'unhealthy')
  assert.equal(down.cause, 'check: status 500')
  assert.match(down.subject, new RegExp(`127\\.0\\.0\\.1:${server.port}`))
  assert.equal(upstream.pick('', 0, 0), noPeer)
  status = 204
  assert.equal((await nextChange()).kind, 'healthy')
  assert.equal(upstream.pick('', 0, 0), 0)
})

test('a configured Host is what checks send', async t => {
  let host: string | undefined
  const server = await countedServer(t, (req, res) => {
    host = req.headers.host
    res.end()
  })
  checked(t, server.port, {}, { hostHeader: 'api.example.com' })
  await server.requests(1)
  assert.equal(host, 'api.example.com')
})

test('a refused connection takes down, and up again once somebody listens', async t => {
  const port = await freePort()
  const { nextChange } = checked(t, port)
  const down = await nextChange()
  assert.equal(down.kind, 'unhealthy')
  assert.equal(down.cause, 'check: connection refused')
  const server = createServer((_req, res) => res.end()).listen(port, '127.0.0.1')
  t.after(() => void server.close().closeAllConnections())
  assert.equal((await nextChange()).kind, 'healthy')
})

test('no answer, garbage, and a connection closed at once take down', async t => {
  const silent = await startRawUpstream(t, () => {})
  const garbage = await startRawUpstream(t, socket => socket.once('data', () => socket.end('SSH-2.0-x\r\n\r\n')))
  const closing = await startRawUpstream(t, socket => socket.once('data', () => socket.end()))
  for (const [peer, cause] of [
    [silent, /in time|timed|too long/],
    [garbage, /malformed/],
    [closing, /closed/],
  ] as const) {
    const change = await checked(t, peer.port, { timeoutMs: 60 }).nextChange()
    assert.equal(change.kind, 'unhealthy')
    assert.match(change.cause, cause)
  }
})

test('a good status with a body that never ends is no failure, and the next check comes', async t => {
  const server = await countedServer(t, (_req, res) => {
    res.writeHead(200)
    res.write('on and on')
  })
  const { changes } = checked(t, server.port, { timeoutMs: 200, unhealthyAfter: 1 })
  await server.requests(4)
  assert.deepEqual(changes, [])
})

test('ordinary traffic that fills the pool does not look like a dead peer', async t => {
  const server = await countedServer(t, (req, res) => {
    if (req.url === active.path) res.end()
  })
  const pool = { maxConnections: 1, maxWaiting: 1, idleMs: 1000 }
  const { upstream, client, get, changes } = checked(t, server.port, { unhealthyAfter: 1 }, { pool })
  const { id } = upstream.endpoint(0)
  void get(id, '/slow')
  void get(id, '/waits')
  await server.requests(5)
  const { connections, waiting } = client.stats(id)
  assert.deepEqual({ connections, waiting }, { connections: 1, waiting: 1 }, 'it is full')
  assert.deepEqual(changes, [])
})

test('equal checks of two plans are one; the last release ends them', async t => {
  const sockets = new Set<Socket>()
  let requests = 0
  const server = await countedServer(t, (req, res) => {
    sockets.add(req.socket)
    requests++
    res.end()
  })
  const { upstreams, upstream, prepare } = checked(t, server.port)
  const next = prepare(planOf({ ...upstream.plan, retries: 7 }))
  await server.requests(2)
  upstreams.release()
  await server.requests(2)
  assert.equal(sockets.size, 1)
  const [socket] = sockets
  // The server never closes it, so its end is the client's doing.
  const closed = new Promise<void>(resolve => void socket!.once('close', () => resolve()))
  next.release()
  await within(10_000, 'the end of the connection', closed)
  const last = requests
  await onlyItsOwnChecks(t, upstream.plan, prepare)
  assert.equal(requests, last)
})

test('a release between two checks ends them, too', async t => {
  let requests = 0
  const server = await countedServer(t, (_req, res) => {
    requests++
    res.writeHead(500).end()
  })
  const { upstreams, upstream, prepare, nextChange } = checked(t, server.port, { unhealthyAfter: 1 })
  await nextChange()
  // The rest of the batch that brought the status.
  await new Promise(resolve => setImmediate(resolve))
  const last = requests
  upstreams.release()
  await onlyItsOwnChecks(t, upstream.plan, prepare)
  assert.equal(requests, last)
})

/** The client may give a freed id to the next endpoint: a check that went on would show up there, with its old Host. */
async function onlyItsOwnChecks(scope: Scope, plan: UpstreamPlan, prepare: RealClient['prepare']): Promise<void> {
  const hosts = new Set<string | undefined>()
  const other = await countedServer(scope, (req, res) => {
    hosts.add(req.headers.host)
    res.end()
  })
  prepare(planOf({ ...plan, endpoints: [endpointPlan(other.port)] }))
  await other.requests(10)
  assert.deepEqual([...hosts], [`127.0.0.1:${other.port}`])
}
