// Pins how several limits of one request are decided, through a whole gateway: what one refuses counts in none, wherever
// they stand; a consumer's own limits count over all routes, in the place of a route's limit by consumer; by key is by
// credential.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { statusOf } from '../helpers/wire.ts'

const waitMs = 20_000

const ask = async (
  gateway: RunningGateway,
  path: string,
  count: number,
  headers: Record<string, string> = {},
): Promise<number[]> => {
  const statuses: number[] = []
  for (let nth = 0; nth < count; nth++) {
    const answer = await fetch(gateway.url + path, { headers })
    await answer.arrayBuffer()
    statuses.push(answer.status)
  }
  return statuses
}

const route = (name: string, guards: string): string =>
  `  - { name: ${name}, match: { path: /${name} }, respond: { body: ok }, guards: [ ${guards} ] }\n`

/** `count` times 200, then 429. */
const admitted = (count: number, of: number): number[] =>
  Array.from({ length: of }, (_, at) => (at < count ? 200 : 429))

const wide = 'rateLimit: { limit: 10, per: 24h, by: route }'
const narrow = 'rateLimit: { limit: 2, per: 24h, by: "header:x" }'
for (const [title, guards] of [
  ['beside one another, the narrow one last', `{ ${wide} }, { ${narrow} }`],
  ['beside one another, the narrow one first', `{ ${narrow} }, { ${wide} }`],
  ['apart from one another', `{ ${wide} }, { ipDeny: [ 192.0.2.1 ] }, { ${narrow} }`],
  [
    'three steps',
    `{ ${wide} }, { ipDeny: [ 192.0.2.1 ] }, { quota: { limit: 99, per: month, by: address } }, { ipDeny: [ 192.0.2.2 ] }, { ${narrow} }`,
  ],
] as const) {
  test(`a request that one limit refuses counts in no other: ${title}`, async t => {
    const gateway = await startGateway(t, `workers: 2\nroutes:\n${route('a', guards)}`)
    assert.deepEqual(await ask(gateway, '/a', 6, { x: 'one' }), admitted(2, 6))
    assert.deepEqual(await ask(gateway, '/a', 6, { x: 'two' }), admitted(2, 6))
    // Four are used of the wide one's ten.
    for (const x of ['three', 'four', 'five']) assert.deepEqual(await ask(gateway, '/a', 3, { x }), admitted(2, 3))
    assert.deepEqual(await ask(gateway, '/a', 2, { x: 'six' }), [429, 429])
  })
}

test('what both say is in the answer, and which of them refuses', async t => {
  const gateway = await startGateway(
    t,
    `routes:\n${route('a', `{ ${wide} }, { quota: { limit: 1, per: month, by: "header:x" } }`)}`,
  )
  const [first, second] = [await fetch(`${gateway.url}/a`), await fetch(`${gateway.url}/a`)]
  const policy = '"a:route";q=10;w=86400, "a:header.x";q=1'
  assert.equal(first.headers.get('ratelimit-policy'), policy)
  assert.match(first.headers.get('ratelimit') ?? '', /^"a:route";r=9;t=8640, "a:header\.x";r=0;t=\d+$/)
  assert.equal(second.headers.get('ratelimit-policy'), policy)
  assert.match(second.headers.get('ratelimit') ?? '', /^"a:route";r=9;t=8\d\d\d, "a:header\.x";r=0;t=\d+$/)
  assert.equal(((await second.json()) as { code: string }).code, 'quota_exceeded')
})

test('two workers, many connections, two limits by different things: exactly the tighter, and both count the same', async t => {
  const gateway = await startGateway(
    t,
    `workers: 2\nroutes:\n${route('a', '{ quota: { limit: 250, per: month, by: route } }, { quota: { limit: 200, per: month, by: address } }')}${route('b', '{ quota: { limit: 1, per: month, by: route } }')}`,
  )
  const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(t, gateway.port)))
  await Promise.all(clients.map(client => client.send('GET /a HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20))))
  const answers = await within(waitMs, 'the answers', Promise.all(clients.map(client => client.finals(20))))
  const statuses = answers.flatMap(({ finals }) => finals.map(statusOf))
  assert.equal(statuses.length, 400)
  assert.equal(statuses.filter(status => status === 200).length, 200)
  const last = await fetch(`${gateway.url}/a`)
  assert.match(last.headers.get('ratelimit') ?? '', /^"a:route";r=50;t=\d+, "a:address";r=0;/)
})

const consumers = `consumers:
  alice: { keys: [ key-1-of-alice, key-2-of-alice ], rateLimit: { limit: 5, per: 24h } }
  bob: { keys: [ key-of-bob ] }
  carol: { keys: [ key-of-carol ], quota: { limit: 4, per: month } }
  dave: { keys: [ key-of-dave ], rateLimit: { limit: 3, per: 24h }, quota: { limit: 6, per: month } }
`
const key = {
  alice: { k: 'key-1-of-alice' },
  bob: { k: 'key-of-bob' },
  carol: { k: 'key-of-carol' },
  dave: { k: 'key-of-dave' },
}

test("a consumer's own limits stand in the place of the route's of the same kind, over all routes together", async t => {
  const gateway = await startGateway(
    t,
    `${consumers}routes:
${route('a', '{ key: { header: k } }, { rateLimit: { limit: 2, per: 24h, by: consumer } }, { quota: { limit: 8, per: month, by: consumer } }')}${route('b', '{ key: { header: k } }, { rateLimit: { limit: 2, per: 24h, by: consumer } }')}`,
  )
  // Bob has the route's, on each route for itself.
  assert.deepEqual(await ask(gateway, '/a', 3, key.bob), admitted(2, 3))
  assert.deepEqual(await ask(gateway, '/b', 3, key.bob), admitted(2, 3))
  // Alice has five over both routes, and on each but for the quota of a.
  assert.deepEqual(await ask(gateway, '/a', 3, key.alice), admitted(3, 3))
  assert.deepEqual(await ask(gateway, '/b', 3, { k: 'key-2-of-alice' }), admitted(2, 3))
  assert.deepEqual(await ask(gateway, '/a', 1, key.alice), [429])
  // Carol's quota is her own, the rate is the route's.
  assert.deepEqual(await ask(gateway, '/a', 3, key.carol), admitted(2, 3))
  assert.deepEqual(await ask(gateway, '/b', 3, key.carol), admitted(2, 3))
  // Dave's rate refuses after three, and what it refuses his quota has not counted.
  assert.deepEqual(await ask(gateway, '/a', 5, key.dave), admitted(3, 5))
  const dave = await fetch(`${gateway.url}/a`, { headers: key.dave })
  assert.equal(dave.headers.get('ratelimit-policy'), '"consumer:rate";q=3;w=86400, "consumer:quota";q=6')
  assert.match(dave.headers.get('ratelimit') ?? '', /^"consumer:rate";r=0;t=\d+, "consumer:quota";r=3;t=\d+$/)
  // Three of alice by the route's quota, two of carol, three of dave.
  await untilMetric(gateway, 'polygate_guard_decisions_total{http_route="a",guard="quota",outcome="admitted"}', 8)
})

test('where a limit by consumer counts both kinds, who has one kind of its own is still counted for the other', async t => {
  const yaml = (own: string): string => `consumers: { alice: { keys: [ key-of-alice ]${own} } }
routes:
${route('a', '{ key: { header: k } }, { rateLimit: { limit: 2, per: 24h, by: consumer } }, { quota: { limit: 4, per: month, by: consumer } }')}`
  const gateway = await startGateway(t, yaml(''))
  const alice = { k: 'key-of-alice' }
  assert.deepEqual(await ask(gateway, '/a', 3, alice), admitted(2, 3))
  // What the quota has counted stays counted when she gets a rate of her own, and when she loses it.
  await gateway.reload(yaml(', rateLimit: { limit: 100, per: 24h }'))
  const third = await fetch(`${gateway.url}/a`, { headers: alice })
  assert.equal(third.headers.get('ratelimit-policy'), '"consumer:rate";q=100;w=86400, "a:consumer-2";q=4')
  assert.match(third.headers.get('ratelimit') ?? '', /^"consumer:rate";r=99;t=\d+, "a:consumer-2";r=1;t=\d+$/)
  assert.deepEqual(await ask(gateway, '/a', 2, alice), admitted(1, 2))
  await gateway.reload(yaml(''))
  const last = await fetch(`${gateway.url}/a`, { headers: alice })
  assert.equal(((await last.json()) as { code: string }).code, 'quota_exceeded')
})

test('own limits are decided behind the last credential where no limit is by consumer, and not for those who are nobody', async t => {
  const gateway = await startGateway(
    t,
    `${consumers}routes:
${route('a', '{ key: { header: k } }')}${route('b', '{ anyOf: [ { key: { header: k } }, { ipAllow: [ 127.0.0.1 ] } ] }, { rateLimit: { limit: 100, per: 24h } }')}${route('c', '{ rateLimit: { limit: 100, per: 24h } }')}`,
  )
  assert.deepEqual(await ask(gateway, '/a', 3, key.alice), admitted(3, 3))
  assert.deepEqual(await ask(gateway, '/b', 3, key.alice), admitted(2, 3))
  assert.deepEqual(await ask(gateway, '/a', 2, key.alice), [429, 429])
  assert.deepEqual(await ask(gateway, '/a', 20, key.bob), admitted(20, 20))
  assert.deepEqual(await ask(gateway, '/b', 8), admitted(8, 8))
  assert.deepEqual(await ask(gateway, '/c', 8, key.alice), admitted(8, 8))
  // A wrong key is nobody's, and counts nowhere.
  assert.deepEqual(await ask(gateway, '/a', 3, { k: 'key-of-nobody' }), [401, 401, 401])
  // b counts two of alice, eight of nobody, and none that her own rate refused.
  const left = await fetch(`${gateway.url}/b`)
  assert.match(left.headers.get('ratelimit') ?? '', /^"b:address";r=89;/)
})

test('by key: each key of a consumer has the limit to itself, and no key is in the file or the plan', async t => {
  const gateway = await startGateway(
    t,
    `${consumers}routes:\n${route('a', '{ key: { header: k } }, { quota: { limit: 2, per: month, by: key } }')}`,
  )
  assert.deepEqual(await ask(gateway, '/a', 3, { k: 'key-of-bob' }), admitted(2, 3))
  const yaml = `consumers: { erin: { keys: [ key-1-of-erin, key-2-of-erin ] } }\nroutes:\n${route('a', '{ key: { header: k } }, { quota: { limit: 2, per: month, by: key } }')}`
  await gateway.reload(yaml)
  assert.deepEqual(await ask(gateway, '/a', 3, { k: 'key-1-of-erin' }), admitted(2, 3))
  assert.deepEqual(await ask(gateway, '/a', 3, { k: 'key-2-of-erin' }), admitted(2, 3))
  for (const file of ['limits', 'last-good-plan.json']) {
    const kept = readFileSync(join(gateway.folder, '.polygate', file), 'latin1')
    assert.ok(kept.length > 0 && !/key-\d?-?of-(erin|bob)/.test(kept), file)
  }
})
