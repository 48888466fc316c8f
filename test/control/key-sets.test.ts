// Pins when control fetches issuers' keys: before they grow old, by what the issuer says and within bounds; at once when
// a worker asks, but not again and again; and what of an answer counts.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { planWithJwks } from '../config/fixture/jwt-plan.ts'
import type { JwtKeyPlan } from '../../ts/config/jwt-keys.ts'
import { KeySets, type KeySetBounds } from '../../ts/control/key-sets.ts'
import { createLog } from '../../ts/shared/log.ts'
import { makeKey, startIssuer, type Issuer } from '../helpers/issuer.ts'
import { within } from '../helpers/scope.ts'
import { testFolder } from './fixture/harness.ts'

interface Learner {
  readonly sets: KeySets
  readonly file: string
  readonly logged: string[]
  readonly changes: string[][]
  readonly learn: (waitMs?: number) => Promise<void>
  readonly nextChange: () => Promise<void>
}

function learner(t: TestContext, issuer: Issuer, bounds: Partial<KeySetBounds> = {}, folder = testFolder(t)): Learner {
  const logged: string[] = []
  const changes: string[][] = []
  let wake: (() => void)[] = []
  const file = join(folder, 'state', 'key-sets.json')
  const sets = new KeySets({
    log: createLog('test', { level: 'debug', write: line => void logged.push(line) }),
    file,
    onChange: (_url, keys: readonly JwtKeyPlan[]) => {
      changes.push(keys.map(({ id }) => id ?? ''))
      for (const resolve of wake.splice(0)) resolve()
    },
    bounds,
  })
  t.after(() => sets.close())
  const plan = planWithJwks(issuer.url)
  return {
    sets,
    file,
    logged,
    changes,
    learn: (waitMs = 5000) => sets.learn(plan, waitMs),
    nextChange: () => within(10_000, 'other keys', new Promise<void>(resolve => (wake = [...wake, resolve]))),
  }
}

test('keys are fetched again before their time is over, also where their issuer says so itself', async t => {
  const [first, second] = await Promise.all([makeKey('ES256', 'first'), makeKey('ES256', 'second')])
  for (const [headers, bounds] of [
    [{ 'cache-control': 'public, max-age=1' }, { minFreshSeconds: 0 }],
    [{ 'Cache-Control': 'MAX-AGE="3600"', age: '3599' }, { minFreshSeconds: 0 }],
    [{}, { minFreshSeconds: 0, freshSeconds: 1 }],
    [{ 'cache-control': 'no-store' }, { minFreshSeconds: 1 }],
    [{ 'cache-control': 'max-age=9999999999' }, { maxFreshSeconds: 1 }],
    [{ 'cache-control': 's-maxage=1' }, { minFreshSeconds: 0, freshSeconds: 1 }],
  ] as const) {
    const issuer = await startIssuer(t, [first.jwk])
    issuer.headers = headers
    const { sets, changes, learn, nextChange } = learner(t, issuer, bounds)
    await learn()
    assert.deepEqual(changes, [['first']])
    issuer.keys = [second.jwk, first.jwk]
    await nextChange()
    assert.deepEqual(changes.at(-1), ['second', 'first'], JSON.stringify(headers))
    sets.close()
  }
})

test('an answer that says nothing new is no change; one whose keys are used for something else has none', async t => {
  const key = await makeKey('ES256', 'first')
  const issuer = await startIssuer(t, [key.jwk])
  issuer.headers = { 'cache-control': 'max-age=0' }
  const { changes, learn, sets, logged } = learner(t, issuer, { minFreshSeconds: 0.01 })
  await learn()
  while (issuer.asked < 4) await issuer.nextAsked()
  assert.equal(changes.length, 1)
  issuer.keys = [{ ...key.jwk, use: 'enc' }]
  while (!logged.some(line => line.includes('no key that can be used'))) await issuer.nextAsked()
  assert.deepEqual([changes.length, sets.rows()[0]!.keys], [1, 1])
})

test('a worker that asks: one fetch, and not another before its time', async t => {
  const [first, second] = await Promise.all([makeKey('ES256', 'first'), makeKey('ES256', 'second')])
  const issuer = await startIssuer(t, [first.jwk])
  const { sets, changes, learn } = learner(t, issuer)
  await sets.look(issuer.url)
  assert.equal(issuer.asked, 0, 'nobody has named it yet')
  await learn()
  issuer.keys = [second.jwk]
  await Promise.all([sets.look(issuer.url), sets.look(issuer.url), sets.look(issuer.url)])
  assert.deepEqual([issuer.asked, changes], [2, [['first'], ['second']]])
  issuer.keys = [first.jwk]
  await sets.look(issuer.url)
  assert.deepEqual([issuer.asked, changes.length], [2, 2])
})

test('a slow issuer holds the start up for no longer than the wait, and a silent one no fetch for ever', async t => {
  const key = await makeKey('ES256', 'first')
  const issuer = await startIssuer(t, [key.jwk])
  issuer.gate = new Promise(() => {})
  const { sets, learn, logged } = learner(t, issuer, { timeoutMs: 100 })
  await within(5000, 'the wait', learn(10))
  assert.ok(logged.some(line => line.includes('no keys yet')))
  while (!logged.some(line => line.includes('no whole answer within 100 ms'))) await issuer.nextAsked()
  assert.ok(sets.rows()[0]!.failed > 0)
  issuer.gate = Promise.resolve()
  while (sets.rows()[0]!.keys === 0) await issuer.nextAsked().then(() => sets.look(issuer.url))
})

test('what was had is kept for the next start, for its owner alone, and counts until there is better', async t => {
  const [first, second] = await Promise.all([makeKey('ES256', 'first'), makeKey('ES256', 'second')])
  const issuer = await startIssuer(t, [first.jwk])
  const folder = testFolder(t)
  const before = learner(t, issuer, {}, folder)
  await before.learn()
  before.sets.close()
  assert.equal(statSync(before.file).mode & 0o777, 0o600)
  assert.ok(readFileSync(before.file, 'utf8').includes(issuer.url))
  issuer.keys = [second.jwk]
  const after = learner(t, issuer, {}, folder)
  await after.learn()
  assert.deepEqual(after.changes[0], ['first'])
  if (after.changes.length === 1) await after.nextChange()
  assert.deepEqual(after.changes, [['first'], ['second']])
})
