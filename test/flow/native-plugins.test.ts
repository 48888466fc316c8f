// Plugins in native code in a running gateway: a panic that costs its own call, a late
// answer whose edits are dropped, a changed library that a reload brings, and libraries that refuse a start or a reload.
import assert from 'node:assert/strict'
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildIn, compileC } from '../helpers/native-library.ts'
import { startGateway } from '../helpers/gateway.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'

const root = join(import.meta.dirname, '..', '..')
const waitMs = 20_000

/** A copy of a plugin's folder, without its library. */
function copyOf(t: Scope, folder: string): string {
  const copy = mkdtempSync(join(tmpdir(), 'polygate-native-'))
  t.after(() => rmSync(copy, { recursive: true, force: true }))
  cpSync(join(root, folder), copy, { recursive: true })
  return copy
}

function probe(t: Scope): string {
  const folder = copyOf(t, 'test/contract/probe/rust')
  buildIn(folder, 'probe-plugin')
  return folder
}

/** The greeting in C, with another header than `x-greeting` where it is named. */
function compile(folder: string, header = 'x-greeting'): void {
  const source = join(folder, 'greeting.c')
  const text = readFileSync(join(root, 'plugins/examples/greeting-c/greeting.c'), 'utf8')
  writeFileSync(source, text.replace('x-greeting', header))
  compileC(source, join(folder, 'new.so'))
  copyFileSync(join(folder, 'new.so'), join(folder, 'greeting.so'))
}

interface Seen {
  readonly headers: Readonly<Record<string, string>>
}

async function seenAt(url: string, headers: Record<string, string> = {}): Promise<Seen['headers']> {
  const response = await fetch(url, { headers })
  assert.equal(response.status, 200, await response.clone().text())
  return ((await response.json()) as Seen).headers
}

async function codeAt(url: string, headers: Record<string, string>): Promise<[status: number, code: string]> {
  const response = await fetch(url, { headers: { 'x-probe-consumer': 'alice', ...headers } })
  return [response.status, ((await response.json()) as { code: string }).code]
}

const probed = (folder: string, echo: string, name = 'first', more = ''): string => `
upstreams: { echo: { peers: [ { url: "${echo}" } ] } }
consumers: { alice: { keys: [ alice-key-1 ] } }
plugins:
  probe: { path: ${folder}, config: { name: ${name} }, timeoutMs: 250 }
  other: { path: ${folder}, config: { name: other }, timeoutMs: 250, onFailure: open }
routes:
  - { name: probe, match: { path: /probe }, upstream: echo, plugins: [ probe ] }
  - { name: other, match: { path: /other }, upstream: echo, plugins: [ other ] }
${more}`

test('a panic costs its own call: the instance is made anew, and others of the library go on', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, probed(probe(t), echo.url))
  const workers = gateway.workers()
  const calls = async (path: string): Promise<string | undefined> =>
    (await seenAt(gateway.url + path, { 'x-probe': 'calls', 'x-probe-consumer': 'alice' }))['x-calls']
  assert.deepEqual([await calls('/probe'), await calls('/probe'), await calls('/other')], ['1', '2', '1'])
  const from = gateway.logs().length
  assert.deepEqual(await codeAt(`${gateway.url}/probe`, { 'x-probe': 'panic' }), [500, 'plugin_failed'])
  const line = await within(waitMs, 'the failure', gateway.line(/plugin failed/, from))
  assert.match(
    line,
    /plugin=probe .*hook=request .*cause=error.*panicked at .*lib\.rs:\d+:\d+: the probe of first panics/,
  )
  await within(waitMs, 'the new one', gateway.line(/made first/, from))
  assert.deepEqual([await calls('/probe'), await calls('/other')], ['1', '2'], 'only what it remembered is gone')
  await Promise.all(Array.from({ length: 20 }, () => codeAt(`${gateway.url}/probe`, { 'x-probe': 'panic' })))
  assert.equal(await calls('/probe'), '1')
  assert.deepEqual(gateway.workers(), workers)
})

test('a late answer is dropped with its edits', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, probed(probe(t), echo.url))
  assert.deepEqual(await codeAt(`${gateway.url}/probe`, { 'x-probe': 'wait' }), [504, 'plugin_timeout'])
  const seen = await seenAt(`${gateway.url}/other`, { 'x-probe': 'wait', 'x-probe-consumer': 'alice' })
  assert.equal(seen['x-set'], undefined, 'onFailure: open')
  const edited = await seenAt(`${gateway.url}/other`, { 'x-probe': 'edit', 'x-probe-consumer': 'alice' })
  assert.equal(edited['x-set'], 'one')
})

test('a reload brings a changed library, and leaves an unchanged one as it is', async t => {
  const echo = await startEcho(t)
  const folder = copyOf(t, 'plugins/examples/greeting-c')
  compile(folder)
  const configuration = (name: string): string =>
    probed(unchanged, echo.url, name, '  - { name: c, match: { path: /c }, upstream: echo, plugins: [ c ] }\n').replace(
      'plugins:\n',
      `plugins:\n  c: { path: ${folder}, config: { greeting: hello } }\n`,
    )
  const unchanged = probe(t)
  const gateway = await startGateway(t, configuration('first'))
  const greeted = async (): Promise<string[]> =>
    Object.entries(await seenAt(`${gateway.url}/c`)).flatMap(([name, value]) => (value === 'hello' ? [name] : []))
  const named = async (): Promise<string | undefined> =>
    (await seenAt(`${gateway.url}/probe`, { 'x-probe': 'name', 'x-probe-consumer': 'alice' }))['x-name']
  assert.deepEqual([await greeted(), await named()], [['x-greeting'], 'first'])
  compile(folder, 'x-changed')
  const from = gateway.logs().length
  assert.match(await gateway.reload(configuration('second')), /reloaded/)
  assert.deepEqual([await greeted(), await named()], [['x-changed'], 'second'])
  await within(waitMs, 'the end of the first', gateway.line(/dropped first/, from))
  assert.doesNotMatch(gateway.logs().slice(from), /made other|dropped other/)

  let lost = 0
  let over = false
  const load = (async () => {
    while (!over)
      lost += (await fetch(`${gateway.url}/c`).then(one => one.arrayBuffer().then(() => one.status))) !== 200 ? 1 : 0
  })()
  for (let nth = 0; nth < 20; nth++) assert.match(await gateway.reload(configuration(`n${nth}`)), /reloaded/)
  over = true
  await load
  assert.deepEqual([lost, await named()], [0, 'n19'])
  const copies = readdirSync(join(gateway.folder, '.polygate', 'libraries'))
  assert.equal(copies.length, 3, 'one for each content')
})

test('a library that cannot be used refuses the start, or the reload', async t => {
  const echo = await startEcho(t)
  const folder = probe(t)
  const library = join(folder, 'libprobe.so')
  const gateway = await startGateway(t, probed(folder, echo.url))
  writeFileSync(library, 'no library')
  assert.match(
    await gateway.reload(probed(folder, echo.url)),
    /plugin probe: .*libprobe\.so is no library for this machine/,
  )
  assert.equal((await seenAt(`${gateway.url}/probe`, { 'x-probe-consumer': 'alice' }))['x-consumer-name'], 'alice')
  await assert.rejects(startGateway(t, probed(folder, echo.url)), /plugin probe: .*is no library for this machine/)
  writeFileSync(
    join(folder, 'plugin.yaml'),
    readFileSync(join(folder, 'plugin.yaml'), 'utf8').replace('libprobe', 'gone'),
  )
  await assert.rejects(startGateway(t, probed(folder, echo.url)), /entry \.\/gone\.so: .*no such file/i)
})
