// Pins who is let in by address, through a whole gateway: allowed and denied blocks, what trusted proxies say and what
// others say, unix sockets, and that metrics and the log name the decision.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { within } from '../helpers/scope.ts'

const yaml = `routes:
  - { name: home, match: { path: /home }, respond: {}, guards: [ { ipAllow: [ 127.0.0.1, "::1" ] } ] }
  - { name: far, match: { path: /far }, respond: {}, guards: [ { ipAllow: [ 10.0.0.0/8, "fd00::/8" ] } ] }
  - { name: denied, match: { path: /denied }, respond: {}, guards: [ { ipDeny: [ 127.0.0.0/8 ] } ] }
  - { name: both, match: { path: /both }, respond: {}, guards: [ { ipAllow: [ 10.0.0.0/8 ] }, { ipDeny: [ 10.9.0.0/16 ] } ] }
`

const statusOf = async (gateway: RunningGateway, path: string, hops?: string): Promise<number> =>
  (await fetch(gateway.url + path, hops === undefined ? {} : { headers: { 'x-forwarded-for': hops } })).status

test('a client by its own address; what it says of itself changes nothing', async t => {
  const gateway = await startGateway(t, `accessLog: { target: access.log }\n${yaml}`)
  for (const hops of [undefined, '10.0.0.1', 'fd00::1']) {
    assert.equal(await statusOf(gateway, '/home', hops), 200)
    assert.equal(await statusOf(gateway, '/far', hops), 403)
    assert.equal(await statusOf(gateway, '/denied', hops), 403)
  }
  const refused = await fetch(`${gateway.url}/far`)
  const body = (await refused.json()) as { code: string; detail: string }
  assert.deepEqual([body.code, body.detail], ['forbidden', 'not from this address'])
  const series = (route: string, outcome: string) =>
    `polygate_guard_decisions_total{http_route="${route}",guard="address",outcome="${outcome}"}`
  await untilMetric(gateway, series('home', 'admitted'), 3)
  await untilMetric(gateway, series('far', 'not allowed'), 4)
  await untilMetric(gateway, series('denied', 'denied'), 3)
  const log = (): string => readFileSync(join(gateway.folder, 'access.log'), 'utf8')
  const logged = async (): Promise<void> => {
    while (log().split('\n').length < 11) await new Promise(resolve => setTimeout(resolve, 20))
  }
  await within(10_000, 'the access log', logged())
  assert.equal(log().split('"reason":"address not allowed"').length, 5)
  assert.equal(log().split('"reason":"address denied"').length, 4)
})

test('behind a trusted proxy: the last address that none of them has', async t => {
  const gateway = await startGateway(t, `forwarded: { trustedProxies: [ 127.0.0.1, 192.0.2.0/24 ] }\n${yaml}`)
  for (const [hops, home, far, denied, both] of [
    ['10.0.0.1', 403, 200, 200, 200],
    ['10.9.1.1', 403, 200, 200, 403],
    ['fd12::7', 403, 200, 200, 403],
    ['10.0.0.1, 192.0.2.7', 403, 200, 200, 200],
    ['10.0.0.1, 203.0.113.5', 403, 403, 200, 403],
    ['203.0.113.5, 10.0.0.1', 403, 200, 200, 200],
    ['::ffff:10.0.0.1', 403, 200, 200, 200],
    ['[::ffff:10.9.0.1]:80', 403, 200, 200, 403],
    ['127.0.0.1', 200, 403, 403, 403],
    ['nonsense', 200, 403, 403, 403],
    ['', 200, 403, 403, 403],
  ] as const) {
    const statuses = []
    for (const path of ['/home', '/far', '/denied', '/both']) statuses.push(await statusOf(gateway, path, hops))
    assert.deepEqual(statuses, [home, far, denied, both], hops)
  }
})

test('a unix socket has no address: allowed lists do not hold it, denied ones neither', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-address-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const socketPath = join(folder, 'gate.sock')
  await startGateway(t, `listen: [ { address: 127.0.0.1, port: %PORT% }, { unix: "${socketPath}" } ]\n${yaml}`)
  assert.deepEqual([await overSocket(t, socketPath, '/home'), await overSocket(t, socketPath, '/denied')], [403, 200])
})

const overSocket = (t: TestContext, socketPath: string, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, answer => resolve(answer.resume().statusCode ?? 0))
    t.after(() => asked.destroy())
    asked.once('error', reject).end()
  })
