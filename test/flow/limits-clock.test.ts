// Pins limits under a clock that is set back and forth by an hour while the gateway runs, in its own processes: what is
// used up stays so when the clock goes back and locks nobody out for longer than it takes; forward, time has passed;
// places of requests in flight are counted again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { settableClock, skipClock as skip } from '../helpers/clock.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { within } from '../helpers/scope.ts'
import { startUpstream } from '../helpers/upstream.ts'

const waitMs = 20_000
const hourSeconds = 3600

const route = (name: string, guard: string): string =>
  `  - { name: ${name}, match: { path: /${name} }, respond: {}, guards: [ { ${guard} } ] }\n`

async function ask(gateway: RunningGateway, path: string, count: number): Promise<number[]> {
  const statuses: number[] = []
  for (let nth = 0; nth < count; nth++) statuses.push((await fetch(gateway.url + path)).status)
  return statuses
}

test('rates and quotas, an hour back and an hour forth', { skip }, async t => {
  const clock = settableClock(t)
  // In the middle of an hour, so that half an hour more or less is another one only where the test says so.
  const untilHalf = hourSeconds / 2 - (Math.floor(Date.now() / 1000) % hourSeconds)
  clock.set(untilHalf)
  const gateway = await startGateway(
    t,
    `routes:\n${route('rate', 'rateLimit: { limit: 2, per: 10m }')}${route('quota', 'quota: { limit: 2, per: hour, by: route }')}${route('fresh', 'rateLimit: { limit: 2, per: 10m }')}`,
    clock.options,
  )
  assert.deepEqual(await ask(gateway, '/rate', 3), [200, 200, 429])
  assert.deepEqual(await ask(gateway, '/quota', 3), [200, 200, 429])
  assert.deepEqual(await ask(gateway, '/fresh', 1), [200])
  clock.set(untilHalf - hourSeconds)
  const refused = await fetch(`${gateway.url}/rate`)
  const wait = Number(refused.headers.get('retry-after'))
  assert.ok(refused.status === 429 && wait > 200 && wait <= 300, `${refused.status}, ${wait} s`)
  assert.deepEqual(await ask(gateway, '/quota', 1), [429])
  assert.deepEqual(await ask(gateway, '/fresh', 2), [200, 429], 'one of two had been used')
  clock.set(untilHalf - hourSeconds + 310)
  assert.deepEqual(await ask(gateway, '/rate', 2), [200, 429], 'one comes back after five minutes')
  assert.deepEqual(await ask(gateway, '/quota', 1), [429])
  // And forth again.
  clock.set(untilHalf)
  assert.deepEqual(await ask(gateway, '/rate', 3), [200, 200, 429])
  assert.deepEqual(await ask(gateway, '/quota', 3), [200, 200, 429], 'what counted in the hour before counts no more')
  clock.set(untilHalf + hourSeconds)
  assert.deepEqual(await ask(gateway, '/rate', 3), [200, 200, 429])
  assert.deepEqual(await ask(gateway, '/quota', 3), [200, 200, 429])
})

test('places of requests in flight, an hour back and an hour forth', { skip }, async t => {
  const clock = settableClock(t)
  const held: ServerResponse[] = []
  const upstream = await startUpstream(t, (_request, response) => void held.push(response))
  const gateway = await startGateway(
    t,
    `upstreams: { held: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: a, match: {}, upstream: held, guards: [ { concurrency: { limit: 1 } } ] } ]\n`,
    clock.options,
  )
  const begin = (): Promise<unknown[]> => {
    const sent = request({ port: gateway.port, host: '127.0.0.1', agent: false })
    t.after(() => sent.destroy())
    const answered = once(sent, 'response')
    answered.catch(() => {})
    sent.end()
    return answered
  }
  const first = begin()
  while (held.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  const refused = async (): Promise<boolean> => (await fetch(gateway.url)).status === 429
  assert.ok(await refused())
  clock.set(-hourSeconds)
  assert.ok(await refused())
  clock.set(hourSeconds)
  // Time has passed: the place is lost until its worker renews it.
  await gateway.line(/requests had lost their places/)
  assert.ok(await refused())
  held[0]!.end()
  await first
  const second = begin()
  await within(
    waitMs,
    'the place of the one that ended',
    (async () => {
      while (held.length === 1) await new Promise(resolve => setTimeout(resolve, 10))
    })(),
  )
  held[1]!.end()
  await second
})
