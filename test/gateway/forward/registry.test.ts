// Pins how plans share endpoints in the real upstream client: a refused plan leaves nothing behind, a reload that changes
// nothing keeps connections, health and counters, what changed is made anew, what went is removed.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { EndpointTlsPlan } from '../../../ts/config/plan.ts'
import { noPeer } from '../../../ts/gateway/forward/candidates.ts'
import type { Upstreams } from '../../../ts/gateway/forward/upstreams.ts'
import { makeAuthority } from '../../helpers/certificates.ts'
import type { Scope } from '../../helpers/scope.ts'
import { startUpstream } from '../../helpers/upstream.ts'
import { eject, endpointPlan, passive, planOf, upstreamPlan } from './members.ts'
import { realClient } from './real-client.ts'

function folderFor(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-registry-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
const tls = (ca: string, change: Partial<EndpointTlsPlan> = {}): EndpointTlsPlan => ({
  serverName: 'localhost',
  ca,
  certificate: null,
  key: null,
  verify: true,
  ...change,
})

test('bad TLS files and checks refuse the plan with upstream, peer and reason, and leave nothing behind', t => {
  const { registry, prepare } = realClient(t)
  const folder = folderFor(t)
  const missing = join(folder, 'missing.pem')
  const garbage = join(folder, 'garbage.pem')
  writeFileSync(garbage, 'not a certificate')
  const authority = makeAuthority(t)
  const active = { path: '/', intervalMs: 1000, timeoutMs: 100, healthyAfter: 1, unhealthyAfter: 1, statuses: [200] }
  const cases: [what: RegExp, tls: EndpointTlsPlan | null, checkPath: string][] = [
    [/missing\.pem/, tls(missing), '/'],
    [/./, tls(garbage), '/'],
    [/./, tls(authority.certificate, { certificate: authority.certificate, key: garbage }), '/'],
    [/is not a path/, null, '/ HTTP/1.1\r\nx: y'],
    [/is not a path/, null, 'health'],
  ]
  for (const [what, peerTls, path] of cases) {
    const plan = planOf(
      upstreamPlan([endpointPlan(9000), endpointPlan(9001)], { name: 'good' }),
      upstreamPlan([endpointPlan(9002), endpointPlan(9003, { url: 'https://bad:9003', tls: peerTls })], {
        name: 'bad',
        health: { passive, active: { ...active, path } },
      }),
    )
    assert.throws(
      () => prepare(plan),
      (error: Error) => {
        assert.match(error.message, /^upstream bad, peer \S+: .+/)
        assert.match(error.message, what)
        return true
      },
    )
    assert.equal(registry.size, 0)
    assert.equal(registry.upstreamStates.size, 0)
  }
})

test('a refused plan takes nothing from the one that runs', async t => {
  const { registry, prepare, get } = realClient(t)
  const server = await startUpstream(t, (_req, res) => res.end('ok'))
  const running = prepare(planOf(upstreamPlan([endpointPlan(server.port)])))
  const bad = endpointPlan(9001, { tls: tls('/nowhere/ca.pem') })
  assert.throws(() => prepare(planOf(upstreamPlan([endpointPlan(server.port), bad]))))
  const upstream = running.list[0]!
  assert.equal(upstream.pick('', 0, 0), 0)
  assert.equal(await get(upstream.endpoint(0).id), 200)
  running.release()
  assert.equal(registry.size, 0)
})

test('a reload that changes nothing about a peer keeps its connection, health and counters', async t => {
  const { registry, prepare, client, get } = realClient(t)
  const server = await startUpstream(t, (_req, res) => res.end('ok'))
  const planWith = (weight: number, ...ports: number[]) =>
    planOf(
      upstreamPlan(
        [server.port, ...ports].map(port => endpointPlan(port, { weight })),
        { breaker: { errorRatio: 0.5, minRequests: 5, windowMs: 1000, openMs: 1000 } },
      ),
    )
  const before = prepare(planWith(1, 9001))
  const [old] = before.list
  old!.started(0, 1, 0)
  old!.started(1, 1, 0)
  eject(old!.members[1]!, 0)
  assert.equal(await get(old!.endpoint(0).id), 200)

  const after = prepare(planWith(2, 9001, 9002))
  const [upstream] = after.list
  assert.equal(registry.size, 3)
  before.release()
  before.release()
  assert.equal(registry.size, 3)
  assert.equal(upstream!.endpoint(0), old!.endpoint(0))
  assert.equal(upstream!.members[1]!.health.state(10), 'ejected')
  assert.equal(upstream!.state, old!.state)
  assert.equal(upstream!.members[0]!.weight, 2)
  assert.equal(await get(upstream!.endpoint(0).id), 200)
  assert.equal(server.connections(), 1)
  assert.equal(client.stats(upstream!.endpoint(0).id).connects, 1)
  old!.finished(0, 200)
  assert.equal(upstream!.endpoint(0).inFlight, 0)
  after.release()
  assert.equal(registry.size, 0)
})

test('what changed is made anew: time-outs and pool the endpoint, health settings only the health', t => {
  const { prepare } = realClient(t)
  const base = upstreamPlan([endpointPlan(9000)])
  const first = prepare(planOf(base))
  const [{ endpoint, health }] = first.list[0]!.members as [(typeof first.list)[0]['members'][0]]
  const memberOf = (change: Partial<typeof base>) => prepare(planOf({ ...base, ...change })).list[0]!.members[0]!
  assert.notEqual(memberOf({ timeouts: { ...base.timeouts, responseMs: 1 } }).endpoint, endpoint)
  assert.notEqual(memberOf({ pool: { ...base.pool, maxConnections: 1 } }).endpoint, endpoint)
  const other = memberOf({ health: { passive: { ...passive, failures: 9 }, active: null } })
  assert.equal(other.endpoint, endpoint)
  assert.notEqual(other.health, health)
  const elsewhere = memberOf({ name: 'other upstream', balance: { kind: 'least-connections' }, retries: 0 })
  assert.equal(elsewhere.endpoint, endpoint)
  assert.equal(elsewhere.health, health)
  first.release()
})

test('a renewed certificate under the same file name is another endpoint', t => {
  const { registry, prepare } = realClient(t)
  const file = join(folderFor(t), 'ca.pem')
  const plan = planOf(upstreamPlan([endpointPlan(9000, { url: 'https://127.0.0.1:9000', tls: tls(file) })]))
  copyFileSync(makeAuthority(t).certificate, file)
  const first = prepare(plan)
  const same = prepare(plan)
  copyFileSync(makeAuthority(t).certificate, file)
  const renewed = prepare(plan)
  const endpointOf = (upstreams: Upstreams) => upstreams.list[0]!.endpoint(0)
  assert.equal(endpointOf(same), endpointOf(first))
  assert.notEqual(endpointOf(renewed), endpointOf(first))
  for (const upstreams of [first, same, renewed]) upstreams.release()
  assert.equal(registry.size, 0)
})

test('a released plan picks nobody; names without an address never are', t => {
  const { prepare } = realClient(t)
  const endpoints = [endpointPlan(9000), endpointPlan(9001, { url: 'http://gone:9001', host: 'gone', ip: null })]
  const upstreams = prepare(planOf(upstreamPlan(endpoints)))
  const [upstream] = upstreams.list
  for (let i = 0; i < 5; i++) assert.equal(upstream!.pick('', 0, 0), 0)
  assert.equal(upstreams.snapshot(0)[0]!.endpoints[1]!.state, 'unresolved')
  upstreams.release()
  assert.equal(upstream!.pick('', 0, 0), noPeer)
})
