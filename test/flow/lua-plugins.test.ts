// Plugins in Luau in a running gateway: what they remember, and what becomes of it when a call is stopped, uses up its memory,
// or its worker dies; changed files that a reload brings; and files that refuse a start or a reload.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric, untilMetrics } from '../helpers/metrics.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'

const waitMs = 20_000
const probe = join(import.meta.dirname, '..', 'contract', 'probe', 'lua')

/** A copy of the probe, or a plugin of this text with the hook `request`. */
function pluginIn(t: Scope, text?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-lua-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(probe, folder, { recursive: true })
  if (text !== undefined) {
    writeFileSync(
      join(folder, 'plugin.yaml'),
      'name: p\nversion: 1.0.0\nruntime: lua\nentry: ./plugin.lua\nhooks: [request]\n',
    )
    writeFileSync(join(folder, 'plugin.lua'), text)
  }
  return folder
}

const probed = (folder: string, echo: string): string => `
upstreams: { echo: { peers: [ { url: "${echo}" } ] } }
consumers: { alice: { keys: [ alice-key-1 ] } }
plugins:
  probe: { path: ${folder}, config: { name: first }, timeoutMs: 100 }
  other: { path: ${folder}, config: { name: other }, timeoutMs: 100, onFailure: open }
routes:
  - { name: probe, match: { path: /probe }, upstream: echo, plugins: [ probe ] }
  - { name: other, match: { path: /other }, upstream: echo, plugins: [ other ] }
`

interface Answer {
  readonly status: number
  readonly code?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function ask(gateway: RunningGateway, path: string, what: string): Promise<Answer> {
  const response = await fetch(gateway.url + path, { headers: { 'x-probe': what, 'x-probe-consumer': 'alice' } })
  return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) }
}

const callsAt = async (gateway: RunningGateway, path: string): Promise<string | undefined> =>
  (await ask(gateway, path, 'calls')).headers?.['x-calls']

const answering = (folder: string, more = ''): string => `
plugins: { p: { path: ${folder} } }
routes: [ { name: a, match: { path: "/*" }, respond: { status: 204 }, plugins: [ p ] }${more} ]
`
const textOf = async (gateway: RunningGateway): Promise<string> => (await fetch(gateway.url)).text()
const saying = (word: string): string => `
local calls = 0
return function() return { request = function(request)
  calls += 1
  request:respond(200, nil, request.query == 'calls' and tostring(calls) or '${word}')
end } end
`

test('what never ends is stopped at its deadline, and costs its own call alone', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, probed(pluginIn(t), echo.url))
  const workers = gateway.workers()
  assert.deepEqual(
    [await callsAt(gateway, '/probe'), await callsAt(gateway, '/probe'), await callsAt(gateway, '/other')],
    ['1', '2', '1'],
    'each configuration counts for itself',
  )
  for (const what of ['loop', 'pattern']) {
    const beganMs = performance.now()
    const { status, code } = await ask(gateway, '/probe', what)
    assert.deepEqual([status, code], [504, 'plugin_timeout'], what)
    const open = await ask(gateway, '/other', what)
    assert.deepEqual([open.status, open.headers?.['x-set']], [200, undefined], what)
    assert.ok(performance.now() - beganMs < 5000, what)
  }
  assert.deepEqual([await callsAt(gateway, '/probe'), await callsAt(gateway, '/other')], ['5', '4'], 'it remembers')
  await untilMetric(gateway, 'polygate_plugin_calls_total{plugin="probe",hook="request",result="timeout"}', 2)
  assert.deepEqual(gateway.workers(), workers)
})

test('many calls at once that never end cost no worker', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, probed(pluginIn(t), echo.url))
  const workers = gateway.workers()
  const all = await Promise.all(Array.from({ length: 30 }, () => ask(gateway, '/probe', 'loop')))
  assert.deepEqual(new Set(all.map(({ status }) => status)), new Set([504]))
  assert.deepEqual([await callsAt(gateway, '/probe'), gateway.workers()], ['31', workers])
})

test('a plugin that uses up its memory fails, loses what it remembered, and goes on', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, probed(pluginIn(t), echo.url))
  const workers = gateway.workers()
  assert.deepEqual([await callsAt(gateway, '/probe'), await callsAt(gateway, '/other')], ['1', '1'])
  const from = gateway.logs().length
  for (let nth = 0; nth < 3; nth++) {
    const { status, code } = await ask(gateway, '/probe', 'hog')
    assert.deepEqual([status, code], [500, 'plugin_failed'])
    assert.equal(await callsAt(gateway, '/probe'), '1', 'a new state')
  }
  const line = await within(waitMs, 'the failure', gateway.line(/plugin failed/, from))
  assert.match(line, /plugin=probe .*hook=request .*cause=lost reason="?not enough memory/)
  await within(waitMs, 'the new state', gateway.line(/made first/, from))
  assert.equal((await ask(gateway, '/other', 'hog')).status, 200, 'onFailure: open')
  assert.deepEqual([await callsAt(gateway, '/other'), gateway.workers()], ['1', workers])
})

test('a reload brings a changed file; an unchanged plugin keeps what it remembers; no request is lost', async t => {
  const folder = pluginIn(t, saying('one'))
  const gateway = await startGateway(t, answering(folder))
  const calls = async (): Promise<string> => (await fetch(`${gateway.url}/?calls`)).text()
  assert.deepEqual([await textOf(gateway), await calls()], ['one', '2'])
  const rest = ', { name: b, match: { path: /b }, respond: {} }'
  assert.match(await gateway.reload(answering(folder, rest)), /reloaded/)
  assert.equal(await calls(), '3')

  let lost = 0
  let over = false
  const load = (async () => {
    while (!over) {
      const response = await fetch(gateway.url)
      if (response.status !== 200 || !/^(one|n\d+)$/.test(await response.text())) lost++
    }
  })()
  for (let nth = 0; nth < 20; nth++) {
    writeFileSync(join(folder, 'plugin.lua'), saying(`n${nth}`))
    assert.match(await gateway.reload(answering(folder, nth % 2 === 0 ? rest : '')), /reloaded/)
    assert.equal(await textOf(gateway), `n${nth}`)
  }
  over = true
  await load
  assert.equal(lost, 0)
})

test('--watch notices a changed file; one with a syntax error is told at its line, and changes nothing', async t => {
  const folder = pluginIn(t, saying('one'))
  const gateway = await startGateway(t, answering(folder), { args: ['--watch'] })
  assert.equal(await textOf(gateway), 'one')
  const from = gateway.logs().length
  writeFileSync(join(folder, 'plugin.lua'), 'return function()\n  return { request = }\nend\n')
  await within(waitMs, 'the refusal', gateway.line(/its code does not compile: plugin\.lua:2: /, from))
  assert.equal(await textOf(gateway), 'one')
  writeFileSync(join(folder, 'plugin.lua'), saying('two'))
  await within(waitMs, 'the reload', gateway.line(/reloaded/, from))
  assert.equal(await textOf(gateway), 'two')
})

test('a worker that is replaced runs what the others run, whatever the file says by now', async t => {
  const folder = pluginIn(t, saying('one'))
  const gateway = await startGateway(t, answering(folder))
  assert.equal(await textOf(gateway), 'one')
  writeFileSync(join(folder, 'plugin.lua'), saying('two'))
  process.kill(gateway.workers()[0]!, 'SIGKILL')
  await untilMetrics(
    gateway,
    'a new worker',
    samples =>
      samples.get('polygate_worker_restarts_total{reason="signal"}') === 1 &&
      samples.get('polygate_workers_ready') === 1,
  )
  assert.equal(await textOf(gateway), 'one')
})

test('a file that cannot be used refuses the start, or the reload', async t => {
  const sound = pluginIn(t, saying('one'))
  const gateway = await startGateway(t, answering(sound))
  for (const [text, reason] of [
    ['return function()\n  local = 1\nend\n', /its code does not compile: plugin\.lua:2: Expected identifier/],
    ["return function()\n  error('no way')\nend\n", /plugin p: plugin\.lua:2: no way/],
    ['local missing\nmissing.field = 1\n', /plugin p: plugin\.lua:2: attempt to index nil with 'field'/],
    ['return function() return { forward = print } end', /plugin p: plugin\.yaml names the hook request/],
    ['return function() return { requst = print } end', /plugin p: `requst` is no hook/],
    ['return {}', /plugin p: the file returned a table, but returns a function/],
    ['while true do end', /plugin p: loading took more than 1000 ms/],
    ["return function() string.rep('x', 1e9) end", /plugin p: not enough memory/],
  ] as const) {
    const broken = pluginIn(t, text)
    await assert.rejects(startGateway(t, answering(broken)), reason)
    const from = gateway.logs().length
    await gateway.reload(answering(broken))
    await within(waitMs, String(reason), gateway.line(reason, from))
    assert.equal(await textOf(gateway), 'one')
  }
})
