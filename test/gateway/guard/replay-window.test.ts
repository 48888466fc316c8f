// Pins replay windows as guards use them, with the addon and real files: once over all workers, within their time, apart
// by window; what happens when the file is full, away, harmed, or opened anew; values that are no values.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LimitStores } from '../../../ts/gateway/guard/limit-store.ts'
import { ReplayWindow } from '../../../ts/gateway/guard/replay-window.ts'
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

const closed = { ttlSeconds: 60, onFailure: 'closed' } as const

test('what cannot be a window or a value', t => {
  const store = storeOf(t, newFile(t))
  for (const name of ['', 'a"b', 'ä', 'x'.repeat(65)]) {
    assert.throws(() => new ReplayWindow({ name, ...closed }, store), TypeError, name)
  }
  for (const ttlSeconds of [0, -1, 367 * 86_400]) {
    assert.throws(() => new ReplayWindow({ name: 'n', ttlSeconds, onFailure: 'closed' }, store), ttlSeconds + '')
  }
  const window = new ReplayWindow({ name: 'n', ...closed }, store)
  assert.throws(() => window.record(5 as never), TypeError)
  assert.throws(() => store.current()!.replay(99, 'a'), TypeError)
})

test('a value is first once, for all who have the file open, as a text or as its bytes', t => {
  const file = newFile(t)
  const [one, other] = [storeOf(t, file), storeOf(t, file)].map(
    store => new ReplayWindow({ name: 'nonces', ...closed }, store),
  )
  assert.equal(one!.record('abc'), ReplayVerdict.first)
  assert.equal(other!.record('abc'), ReplayVerdict.seen)
  assert.equal(other!.record(Buffer.from('abc')), ReplayVerdict.seen)
  assert.equal(other!.record(Buffer.from('a')), ReplayVerdict.first)
  assert.equal(one!.record(''), ReplayVerdict.first)
  assert.equal(one!.record(new Uint8Array(0)), ReplayVerdict.seen)
  const elsewhere = new ReplayWindow({ name: 'signatures', ...closed }, storeOf(t, file))
  assert.equal(elsewhere.record('abc'), ReplayVerdict.first)
  elsewhere.release()
  one!.release()
  assert.equal(one!.record('abc'), ReplayVerdict.seen, 'what a window has seen stays seen')
})

test('a full file refuses, or lets through, and forgets nothing', t => {
  const file = newFile(t)
  const refusing = new ReplayWindow({ name: 'n', ...closed }, storeOf(t, file))
  const open = new ReplayWindow({ name: 'n', ttlSeconds: 60, onFailure: 'open' }, storeOf(t, file))
  const verdicts = Array.from({ length: 20_000 }, (_, at) => refusing.record(`value ${at}`))
  const first = verdicts.filter(verdict => verdict === ReplayVerdict.first).length
  assert.ok(first >= 1000 && first < 3000, String(first))
  assert.equal(verdicts.filter(verdict => verdict === ReplayVerdict.fullRefused).length, 20_000 - first)
  for (const [at, verdict] of verdicts.entries()) {
    const again = verdict === ReplayVerdict.first ? ReplayVerdict.seen : ReplayVerdict.fullAdmitted
    assert.equal(open.record(`value ${at}`), again, `value ${at}`)
  }
})

test('a file that is away: nothing is recorded until it can be had; one that is harmed is opened anew', async t => {
  const file = newFile(t)
  mkdirSync(file)
  const store = storeOf(t, file)
  const window = new ReplayWindow({ name: 'n', ...closed }, store)
  assert.equal(window.record('a'), null)
  rmdirSync(file)
  const untilRecorded = async (): Promise<void> => {
    while (window.record('a') === null) await new Promise(resolve => setTimeout(resolve, 25))
  }
  await within(10_000, 'the file', untilRecorded())
  assert.equal(window.record('a'), ReplayVerdict.seen)
  truncateSync(file, 0)
  assert.equal(window.record('a'), ReplayVerdict.first, 'what was seen is forgotten, and the log has said so')
  assert.equal(window.record('a'), ReplayVerdict.seen)
  store.close()
  assert.equal(window.record('a'), null)
})
