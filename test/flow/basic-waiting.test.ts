// Pins what passwords whose hashes take time do to others: the loop serves meanwhile, the same credentials cost one hash,
// past a bound of waiting hashes the answer is 503, and a client that goes, a reload and a drain find nothing left behind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

// bcrypt of `slow-secret`: about 80 and 300 ms, and 0.6 s.
const cost10 = '$2b$10$abcdefghijklmnopqrstuu5YeidoeyDs7i0.6.LigrrtvwrOG00TC'
const cost12 = '$2b$12$abcdefghijklmnopqrstuuYS6.zrse7z7/rYaBI5UCEGzEfxQI4OO'
const cost13 = '$2b$13$abcdefghijklmnopqrstuueKIfPkmOIcY/BZ8YgSmWlTGzB5sm.T6'

const routes = `routes:
  - { name: login, match: { path: /login }, respond: { body: in }, guards: [ { basic: {} } ] }
  - { name: open, match: { path: /open }, respond: { body: open } }
`
const config = (hash: string): string => `consumers: { alice: { passwords: [ "${hash}" ] } }\n${routes}`

const authorization = (password: string): string => `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`

const headOf = (password: string, path = '/login'): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization(password)}\r\n\r\n`

async function login(
  gateway: RunningGateway,
  password: string,
): Promise<{ status: number; code: string; wait: string }> {
  const answer = await fetch(`${gateway.url}/login`, { headers: { authorization: authorization(password) } })
  const text = await answer.text()
  const { code } = text.startsWith('{') ? (JSON.parse(text) as { code: string }) : { code: '' }
  return { status: answer.status, code, wait: answer.headers.get('retry-after') ?? '' }
}

const decided = (outcome: string): string =>
  `polygate_guard_decisions_total{http_route="login",guard="basic",outcome="${outcome}"}`

test('others are served while a hash is computed', async t => {
  const gateway = await startGateway(t, config(cost13))
  let loggedIn = false
  const first = login(gateway, 'slow-secret').then(answer => {
    loggedIn = true
    return answer
  })
  for (let round = 0; round < 3; round++) assert.equal((await fetch(`${gateway.url}/open`)).status, 200)
  assert.ok(!loggedIn, 'they were answered after the hash')
  assert.equal((await first).status, 200)
})

test('200 logins at once with one password cost one hash: more could not wait', async t => {
  const gateway = await startGateway(t, config(cost12))
  const answers = await Promise.all(Array.from({ length: 200 }, () => login(gateway, 'slow-secret')))
  assert.deepEqual(
    answers.filter(({ status }) => status !== 200),
    [],
  )
  await untilMetric(gateway, decided('admitted'), 200)
})

test('what was verified is remembered, also over a reload: 500 logins of 0.3 s each', async t => {
  const gateway = await startGateway(t, config(cost12))
  const manyLogins = async (): Promise<void> => {
    for (let round = 0; round < 250; round++) assert.equal((await login(gateway, 'slow-secret')).status, 200)
  }
  await within(30_000, '250 logins', manyLogins())
  assert.match(
    await gateway.reload(`${config(cost12)}  - { name: more, match: { path: /more }, respond: {} }\n`),
    / reloaded /,
  )
  await within(30_000, '250 logins', manyLogins())
})

test('guessing fills the queue: 503 with Retry-After, known clients are served, and it passes', async t => {
  const gateway = await startGateway(t, config(cost10))
  assert.equal((await login(gateway, 'slow-secret')).status, 200)
  const guesses = Promise.all(Array.from({ length: 150 }, (_, at) => login(gateway, `guess ${at}`)))
  assert.equal((await login(gateway, 'slow-secret')).status, 200)
  const answers = await within(60_000, 'the guesses', guesses)
  const refused = answers.filter(({ status }) => status === 503)
  // 64 wait, 2 are computed, and a few more come when these are done.
  assert.ok(refused.length >= 20, `${refused.length} of 150 were refused`)
  assert.ok(refused.every(({ code, wait }) => code === 'overloaded' && wait === '1'))
  assert.equal(answers.filter(({ status }) => status === 401).length, 150 - refused.length)
  await untilMetric(gateway, decided('overloaded'), refused.length)
  assert.equal((await login(gateway, 'another guess')).status, 401)
})

test('a client that goes while its hash is computed leaves nothing behind', async t => {
  const gateway = await startGateway(t, `accessLog: { target: access.log }\n${config(cost12)}`)
  for (let round = 0; round < 3; round++) {
    const client = await RawClient.connect(t, gateway.port)
    // What is pipelined behind it must never be answered, either.
    await client.send(headOf(`guess ${round}`) + headOf('slow-secret', '/open'))
    client.destroy()
    // The slot is another's now, and what the hash says is not its answer.
    const other = await RawClient.connect(t, gateway.port)
    await other.send(headOf('slow-secret'))
    const { finals } = await within(30_000, 'the other login', other.finals(1))
    assert.deepEqual(finals.map(statusOf), [200])
  }
  await untilMetric(gateway, decided('admitted'), 3)
  assert.equal(await within(20_000, 'stopping', gateway.stop()), 0)
  assert.doesNotMatch(gateway.logs(), / (error|warn) /)
})

test('a body that comes meanwhile waits, and goes upstream whole', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(
    t,
    `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
consumers: { alice: { passwords: [ "${cost12}" ] } }
routes: [ { name: all, match: {}, upstream: echo, guards: [ { basic: {} } ] } ]
`,
  )
  const body = 'x'.repeat(300_000)
  const send = (password: string): Promise<Response> =>
    fetch(gateway.url, { method: 'POST', body, headers: { authorization: authorization(password) } })
  const [right, wrong] = await Promise.all([send('slow-secret'), send('wrong')])
  assert.equal(wrong.status, 401)
  const seen = (await right.json()) as { body: string }
  assert.equal(seen.body, body)
})

test('a reload meanwhile: the request ends on the plan that it began with', async t => {
  const gateway = await startGateway(t, config(cost13))
  const client = await RawClient.connect(t, gateway.port)
  await client.send(headOf('slow-secret'))
  // The workers have switched when it is said; the hash may or may not be done by then.
  const reloaded = gateway.reload(`consumers: { bob: { passwords: [ "${cost10}" ] } }\n${routes}`)
  const { finals } = await within(30_000, 'the login', client.finals(1))
  assert.deepEqual(finals.map(statusOf), [200])
  assert.match(await reloaded, / reloaded /)
  assert.equal((await login(gateway, 'slow-secret')).status, 401)
})

test('a drain that may not wait ends in spite of hashes that are computed and wait', async t => {
  const gateway = await startGateway(t, `timeouts: { drainMs: 1 }\n${config(cost13)}`)
  for (let guess = 0; guess < 8; guess++) {
    const client = await RawClient.connect(t, gateway.port)
    await client.send(headOf(`guess ${guess}`))
  }
  await (await fetch(`${gateway.url}/open`)).text()
  assert.equal(await within(20_000, 'stopping', gateway.stop()), 0)
  assert.doesNotMatch(gateway.logs(), /SIG(SEGV|ABRT|KILL)/)
})

test('a drain waits for the hash, and for the answer', async t => {
  const gateway = await startGateway(t, config(cost13))
  const client = await RawClient.connect(t, gateway.port)
  await client.send(headOf('slow-secret'))
  // It has been read by the time another connection's request is answered.
  await (await fetch(`${gateway.url}/open`)).text()
  gateway.signal('SIGTERM')
  const { finals } = await within(30_000, 'the login', client.finals(1))
  assert.deepEqual(finals.map(statusOf), [200])
  assert.equal(await within(20_000, 'the end', gateway.exited), 0)
})
