// Secrets that stand in files, through a whole gateway: a renewed file is a new key, by --watch or by SIGHUP; one that
// is missing then leaves the old key in force; everybody's file is a warning, and nothing of a key is in it.
import assert from 'node:assert/strict'
import { renameSync, rmSync, writeFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { polygate } from '../command/polygate.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import type { Scope } from '../helpers/scope.ts'

const first = 'first-key-in-a-file'
const second = 'second-key-in-a-file'

const routes = 'routes: [ { name: a, match: {}, respond: {}, guards: [ { key: { header: apikey } } ] } ]\n'

function secretFolder(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-secrets-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const statuses = (gateway: RunningGateway): Promise<number[]> =>
  Promise.all(
    [first, second].map(async apikey => {
      const answer = await fetch(gateway.url, { headers: { apikey } })
      await answer.arrayBuffer()
      return answer.status
    }),
  )

test('--watch: a file that is renamed over the old one is the new key', async t => {
  const folder = secretFolder(t)
  const file = join(folder, 'alice.key')
  writeFileSync(file, `${first}\n`, { mode: 0o600 })
  const gateway = await startGateway(t, `consumers: { alice: { keys: [ { file: "${file}" } ] } }\n${routes}`, {
    args: ['--watch'],
  })
  assert.deepEqual(await statuses(gateway), [200, 401])
  const from = gateway.logs().length
  writeFileSync(`${file}.new`, `${second}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  await gateway.line(/ reloaded /, from)
  assert.deepEqual(await statuses(gateway), [401, 200])
  assert.doesNotMatch(gateway.logs(), /everybody may read|key-in-a-file/)
})

test('SIGHUP: a missing file refuses the reload with its place; the old key stays', async t => {
  const folder = secretFolder(t)
  const file = join(folder, 'alice.key')
  const config = `consumers: { alice: { keys: [ { file: "${file}" } ] } }\n${routes}`
  writeFileSync(file, first, { mode: 0o644 })
  const gateway = await startGateway(t, config)
  assert.match(
    gateway.logs(),
    /warn +control: configuration reason=".*consumers\.alice\.keys\[0\]\.file: file .*alice\.key.*: everybody may read it \(mode 644\), expected 600"/,
  )
  rmSync(file)
  const from = gateway.logs().length
  assert.match(
    await gateway.reload(config),
    /reload refused.*4:.* consumers\.alice\.keys\[0\]\.file: file .*: no such file/,
  )
  assert.doesNotMatch(gateway.logs().slice(from), /key-in-a-file/)
  assert.deepEqual(await statuses(gateway), [200, 401])
  writeFileSync(file, second, { mode: 0o600 })
  assert.match(await gateway.reload(config), / reloaded /)
  assert.deepEqual(await statuses(gateway), [401, 200])
})

test('check: a warning on standard error, and status 0', async t => {
  const folder = secretFolder(t)
  writeFileSync(join(folder, 'alice.key'), first, { mode: 0o644 })
  writeFileSync(
    join(folder, 'polygate.yaml'),
    'listen: [{ port: 0 }]\nconsumers: { alice: { keys: [ { file: alice.key } ] } }\n',
  )
  const warning = 'file "alice.key": everybody may read it (mode 644), expected 600'
  const text = await polygate(['check'], folder)
  assert.deepEqual(
    [text.status, text.errors],
    [0, `warning: polygate.yaml:2:39 consumers.alice.keys[0].file: ${warning}\n`],
  )
  const json = await polygate(['check', '--format', 'json'], folder)
  const { ok, warnings } = JSON.parse(json.output) as { ok: boolean; warnings: { message: string }[] }
  assert.deepEqual([ok, warnings.map(({ message }) => message)], [true, [warning]])
})
