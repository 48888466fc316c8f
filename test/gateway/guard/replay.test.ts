// Pins what guards remember of values, with the addon and real files: once over all workers, within their time, apart by
// name, or one owner's; what happens when the file is full, away, harmed, or opened anew.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LimitStores } from '../../../ts/gateway/guard/limit-store.ts'
import { ReplayMemory } from '../../../ts/gateway/guard/replay.ts'
import { createLog } from '../../../ts/shared/log.ts'
import { ReplayVerdict } from '../../../ts/shared/native-limits.ts'
import { within, type Scope } from '../../helpers/scope.ts'

const log = createLog('test')

function newFile(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-replays-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'counts')
}

/** As a worker has it. */
function storeOf(t: Scope, file: string, replays = 1000) {
  const store = new LimitStores(log).of({ file, keys: 100, replays })
  t.after(() => store.close())
  return store
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const closed = { ttlSeconds: 60, onFailure: 'closed' } as const

test('what cannot be a memory', t => {
  const store = storeOf(t, newFile(t))
  for (const name of ['', 'a"b', 'ä', 'x'.repeat(65)]) {
    assert.throws(() => new ReplayMemory({ name, ...closed }, store), TypeError, name)
  }
  for (const ttlSeconds of [0, -1, 367 * 86_400]) {
    assert.throws(() => new ReplayMemory({ name: 'n', ttlSeconds, onFailure: 'closed' }, store), `${ttlSeconds}`)
  }
  assert.throws(() => store.current()!.replay(99, 'a'), TypeError)
})

test('a value is first once, for all who have the file open', t => {
  const file = newFile(t)
  const [one, other] = [storeOf(t, file), storeOf(t, file)].map(
    store => new ReplayMemory({ name: 'nonces', ...closed }, store),
  )
  assert.equal(one!.seen(bytes('abc')), false)
  assert.equal(one!.record(bytes('abc')), ReplayVerdict.first)
  assert.equal(other!.seen(bytes('abc')), true)
  assert.equal(other!.record(bytes('abc')), ReplayVerdict.seen)
  assert.equal(other!.record(bytes('a')), ReplayVerdict.first)
  assert.equal(one!.record(bytes('')), ReplayVerdict.first)
  assert.equal(one!.record(bytes('')), ReplayVerdict.seen)
  const elsewhere = new ReplayMemory({ name: 'signatures', ...closed }, storeOf(t, file))
  assert.equal(elsewhere.record(bytes('abc')), ReplayVerdict.first)
  elsewhere.release()
  one!.release()
  assert.equal(one!.record(bytes('abc')), ReplayVerdict.seen, 'what was seen stays seen')
})

test('a value with an owner is its alone, for all who have the file open', t => {
  const file = newFile(t)
  const [one, other] = [storeOf(t, file), storeOf(t, file)].map(
    store => new ReplayMemory({ name: 'owned', ...closed }, store),
  )
  assert.equal(one!.claim(bytes('abc'), '192.0.2.1'), ReplayVerdict.first)
  assert.equal(other!.claim(bytes('abc'), '192.0.2.2'), ReplayVerdict.seen)
  assert.equal(other!.claim(bytes('abc'), '192.0.2.1'), ReplayVerdict.first)
})

test('a full file refuses, or lets through, and forgets nothing', t => {
  const file = newFile(t)
  const refusing = new ReplayMemory({ name: 'n', ...closed }, storeOf(t, file))
  const open = new ReplayMemory({ name: 'n', ttlSeconds: 60, onFailure: 'open' }, storeOf(t, file))
  const verdicts = Array.from({ length: 20_000 }, (_, at) => refusing.record(bytes(`value ${at}`)))
  const first = verdicts.filter(verdict => verdict === ReplayVerdict.first).length
  assert.ok(first >= 1000 && first < 3000, String(first))
  assert.equal(verdicts.filter(verdict => verdict === ReplayVerdict.fullRefused).length, 20_000 - first)
  for (const [at, verdict] of verdicts.entries()) {
    const again = verdict === ReplayVerdict.first ? ReplayVerdict.seen : ReplayVerdict.fullAdmitted
    assert.equal(open.record(bytes(`value ${at}`)), again, `value ${at}`)
  }
})

test('a file that is away: nothing is recorded until it can be had; one that is harmed is opened anew', async t => {
  const file = newFile(t)
  mkdirSync(file)
  const store = storeOf(t, file)
  const memory = new ReplayMemory({ name: 'n', ...closed }, store)
  const record = (): number => memory.record(bytes('a'))
  assert.equal(record(), ReplayVerdict.closed)
  assert.equal(memory.seen(bytes('a')), false)
  rmdirSync(file)
  const untilRecorded = async (): Promise<void> => {
    while (record() === ReplayVerdict.closed) await new Promise(resolve => setTimeout(resolve, 25))
  }
  await within(10_000, 'the file', untilRecorded())
  assert.equal(record(), ReplayVerdict.seen)
  truncateSync(file, 0)
  assert.equal(record(), ReplayVerdict.first, 'what was seen is forgotten, and the log has said so')
  assert.equal(record(), ReplayVerdict.seen)
  store.close()
  assert.equal(record(), ReplayVerdict.closed)
})
