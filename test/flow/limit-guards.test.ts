// Pins rate limits and quotas through a whole gateway: what answers say, that two workers admit exactly the limit, that
// counts survive a killed worker, a reload and a restart, and what happens where nothing can be counted.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric, untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

const waitMs = 20_000
const get = (path: string, ...lines: string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines.join('\r\n')}${lines.length > 0 ? '\r\n' : ''}\r\n`

const routes = (guards: string): string =>
  `routes: [ { name: a, match: { path: "/*" }, respond: { body: ok }, guards: [ ${guards} ] } ]\n`

/** Outlives the gateway, so that another one finds what it has counted. */
function stateFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-limits-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const statusesOf = async (
  gateway: RunningGateway,
  count: number,
  headers: Record<string, string> = {},
): Promise<number[]> => {
  const statuses: number[] = []
  for (let nth = 0; nth < count; nth++) {
    const answer = await fetch(gateway.url, { headers })
    await answer.arrayBuffer()
    statuses.push(answer.status)
  }
  return statuses
}

for (const framing of ['past the front end', 'with a body'] as const) {
  test(`what answers say of a limit, ${framing}`, async t => {
    const echo = await startEcho(t)
    const gateway = await startGateway(
      t,
      `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
routes:
  - { name: a, match: { path: "/*" }, upstream: echo, guards: [ { rateLimit: { limit: 6, per: 1m, burst: 2 } } ] }\n`,
    )
    const ask = () => fetch(gateway.url, framing === 'with a body' ? { method: 'POST', body: 'x' } : {})
    const [first, second, third] = [await ask(), await ask(), await ask()]
    assert.deepEqual([first.status, second.status, third.status], [200, 200, 429])
    for (const answer of [first, second, third])
      assert.equal(answer.headers.get('ratelimit-policy'), '"a:address";q=6;w=60')
    assert.match(first.headers.get('ratelimit') ?? '', /^"a:address";r=1;t=10$/)
    assert.match(second.headers.get('ratelimit') ?? '', /^"a:address";r=0;t=(19|20)$/)
    assert.match(third.headers.get('ratelimit') ?? '', /^"a:address";r=0;t=(1\d|20)$/)
    assert.match(third.headers.get('retry-after') ?? '', /^([1-9]|10)$/)
    assert.equal(third.headers.get('content-type'), 'application/problem+json')
    assert.equal(((await third.json()) as { code: string }).code, 'rate_limited')
    const series = (outcome: string) =>
      `polygate_guard_decisions_total{http_route="a",guard="rateLimit",outcome="${outcome}"}`
    await untilMetric(gateway, series('admitted'), 2)
    await untilMetric(gateway, series('limited'), 1)
  })
}

test('two workers, many connections: exactly the limit, also after one is killed, a reload and a restart', async t => {
  const state = stateFolder(t)
  const yaml = `workers: 2\n${routes('{ rateLimit: { limit: 100, per: 24h, by: route } }')}`
  const options = { env: { POLYGATE_STATE_DIR: state } }
  const gateway = await startGateway(t, yaml, options)
  const clients = await Promise.all(Array.from({ length: 24 }, () => RawClient.connect(t, gateway.port)))
  // Two thirds of the limit first, so that a worker dies in the middle.
  const askAll = async (each: number): Promise<number[]> => {
    const before = asked
    asked += each
    await Promise.all(clients.map(client => client.send(get('/').repeat(each))))
    const answers = await within(waitMs, 'the answers', Promise.all(clients.map(client => client.finals(asked))))
    return answers.flatMap(({ finals }) => finals.slice(before).map(statusOf))
  }
  let asked = 0
  const first = await askAll(3)
  assert.deepEqual(first, Array(72).fill(200))
  await untilMetrics(gateway, 'both workers', () => gateway.workers().length === 2)
  const [killed] = gateway.workers()
  process.kill(killed!, 'SIGKILL')
  await gateway.line(/ended|replac|restart|lost/i)
  for (const client of clients.splice(0)) client.destroy()
  for (let nth = 0; nth < 24; nth++) clients.push(await RawClient.connect(t, gateway.port))
  asked = 0
  const second = await askAll(20)
  assert.equal(second.length, 480)
  assert.equal(second.filter(status => status === 200).length, 28)
  assert.equal(second.filter(status => status === 429).length, 452)
  await gateway.reload(`${yaml}# the same\n`)
  assert.deepEqual(await statusesOf(gateway, 3), [429, 429, 429])
  assert.equal(await gateway.stop(), 0)
  const again = await startGateway(t, yaml, options)
  assert.deepEqual(await statusesOf(again, 3), [429, 429, 429])
  // What was used stays used when more may be used at once.
  await again.reload(yaml.replace('limit: 100', 'limit: 100, burst: 150'))
  assert.equal((await statusesOf(again, 60)).filter(status => status === 200).length, 50)
})

test('consumers and headers have limits of their own, and a refused key counts nowhere', async t => {
  const gateway = await startGateway(
    t,
    `consumers: { alice: { keys: [ key-of-alice, second-of-alice ] }, bob: { keys: [ key-of-bob ] } }
routes:
  - name: a
    match: { path: / }
    respond: {}
    guards: [ { key: { header: apikey } }, { rateLimit: { limit: 2, per: 1h, by: consumer } } ]
  - { name: b, match: { path: /b }, respond: {}, guards: [ { rateLimit: { limit: 1, per: 1h, by: "header:X-Team" } } ] }
`,
  )
  const asked = (apikey: string, count: number) => statusesOf(gateway, count, { apikey })
  assert.deepEqual(await asked('wrong-key-of-alice', 3), [401, 401, 401])
  assert.deepEqual(await asked('key-of-alice', 1), [200])
  assert.deepEqual(await asked('second-of-alice', 2), [200, 429])
  assert.deepEqual(await asked('key-of-bob', 3), [200, 200, 429])
  const team = async (name: string) => (await fetch(`${gateway.url}/b`, { headers: { 'x-team': name } })).status
  assert.deepEqual([await team('x'), await team('y'), await team('x'), await team('y')], [200, 200, 429, 429])
  const nameless = [await fetch(`${gateway.url}/b`), await fetch(`${gateway.url}/b`)]
  assert.deepEqual(
    nameless.map(({ status }) => status),
    [200, 429],
  )
})

test('a quota and a rate by the same count together: what one refuses, the other has not counted', async t => {
  const gateway = await startGateway(
    t,
    routes('{ rateLimit: { limit: 1000, per: 24h, by: route } }, { quota: { limit: 2, per: month, by: route } }'),
  )
  const answers = [
    await fetch(gateway.url),
    await fetch(gateway.url),
    await fetch(gateway.url),
    await fetch(gateway.url),
  ]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 429, 429],
  )
  const last = answers[3]!
  assert.equal(last.headers.get('ratelimit-policy'), '"a:route-1";q=1000;w=86400, "a:route-2";q=2')
  assert.match(last.headers.get('ratelimit') ?? '', /^"a:route-2";r=0;t=\d+$/)
  assert.ok(Number(last.headers.get('retry-after')) <= 31 * 86_400)
  assert.equal(((await last.json()) as { code: string }).code, 'quota_exceeded')
  await gateway.reload(
    routes('{ rateLimit: { limit: 1000, per: 24h, by: route } }, { quota: { limit: 9, per: month, by: route } }'),
  )
  // The quota is the tighter one until it is gone; the rate had counted two, and counts those that the quota lets through.
  const next = await fetch(gateway.url)
  assert.match(next.headers.get('ratelimit') ?? '', /^"a:route-2";r=6;t=\d+$/)
})

test('by address: trusted proxies say whose, nobody else does', async t => {
  const guard = routes('{ rateLimit: { limit: 1, per: 1h } }')
  const [trusting, plain] = [
    await startGateway(t, `forwarded: { trustedProxies: [ 127.0.0.1, 10.0.0.0/8 ] }\n${guard}`),
    await startGateway(t, guard),
  ]
  const from = async (gateway: RunningGateway, hops: string) =>
    (await statusesOf(gateway, 1, { 'x-forwarded-for': hops }))[0]
  const asked: readonly (readonly [hops: string, trusting: number, plain: number])[] = [
    ['192.0.2.1', 200, 200],
    ['192.0.2.1', 429, 429],
    ['198.51.100.9, 192.0.2.1', 429, 429],
    ['198.51.100.9, 10.0.0.7', 200, 429],
    ['198.51.100.9:4711, 10.0.0.8', 429, 429],
    ['2001:db8:0:1::1', 200, 429],
    ['[2001:DB8::1:5:6:7:8]:443', 429, 429],
    ['2001:db8:0:2::1', 200, 429],
    ['nonsense', 200, 429],
    ['192.0.2.1, nonsense, 10.0.0.1', 200, 429],
  ]
  for (const [hops, wanted, unwanted] of asked) {
    assert.equal(await from(trusting, hops), wanted, hops)
    assert.equal(await from(plain, hops), unwanted, hops)
  }
})

test('where nothing can be counted: 503 or let through, one line in the log, and again when it can', async t => {
  const state = stateFolder(t)
  const inTheWay = join(state, 'limits')
  mkdirSync(inTheWay)
  const gateway = await startGateway(
    t,
    `routes:
  - { name: a, match: { path: / }, respond: {}, guards: [ { rateLimit: { limit: 1, per: 24h } } ] }
  - { name: b, match: { path: /b }, respond: {}, guards: [ { rateLimit: { limit: 1, per: 24h, onFailure: open } } ] }
  - { name: c, match: { path: /c }, respond: {} }
`,
    { env: { POLYGATE_STATE_DIR: state } },
  )
  await gateway.line(/limits cannot be counted/)
  const refused = await fetch(gateway.url)
  assert.equal(refused.status, 503)
  assert.equal(refused.headers.get('retry-after'), '1')
  const body = await refused.text()
  assert.equal((JSON.parse(body) as { code: string }).code, 'store_unavailable')
  assert.ok(!body.includes(state))
  for (const path of ['/b', '/b', '/c']) assert.equal((await fetch(gateway.url + path)).status, 200)
  await untilMetric(gateway, 'polygate_guard_decisions_total{http_route="a",guard="limits",outcome="unavailable"}', 1)
  await untilMetric(gateway, 'polygate_guard_decisions_total{http_route="b",guard="limits",outcome="skipped"}', 2)
  assert.equal(gateway.logs().split('limits cannot be counted').length, 2)
  rmdirSync(inTheWay)
  const counted = async (): Promise<void> => {
    while ((await fetch(gateway.url)).status === 503) await new Promise(resolve => setTimeout(resolve, 50))
  }
  await within(waitMs, 'counting again', counted())
  await gateway.line(/limits are counted again/)
  assert.deepEqual(await statusesOf(gateway, 2), [429, 429])
})

test('a damaged file is rebuilt, and the log says so', async t => {
  const state = stateFolder(t)
  const yaml = routes('{ rateLimit: { limit: 1, per: 24h } }')
  const options = { env: { POLYGATE_STATE_DIR: state } }
  const gateway = await startGateway(t, yaml, options)
  assert.deepEqual(await statusesOf(gateway, 2), [200, 429])
  assert.equal(await gateway.stop(), 0)
  truncateSync(join(state, 'limits'), 5000)
  const again = await startGateway(t, yaml, options)
  await again.line(/the limits file was damaged/)
  assert.deepEqual(await statusesOf(again, 2), [200, 429])
})

test('two gateways on one state folder share what they count', async t => {
  const options = { env: { POLYGATE_STATE_DIR: stateFolder(t) } }
  const yaml = routes('{ rateLimit: { limit: 3, per: 24h } }')
  const [one, other] = [await startGateway(t, yaml, options), await startGateway(t, yaml, options)]
  assert.deepEqual([...(await statusesOf(one, 2)), ...(await statusesOf(other, 2))], [200, 200, 200, 429])
  assert.deepEqual(await statusesOf(one, 1), [429])
})
