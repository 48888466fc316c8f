// Pins: a reload switches all workers or none, whatever one of them does meanwhile; the reason is shown; a burst is two
// reloads at most; the last good plan is on disk and can be started from; --watch sees an editor's rename.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { ReloadResult } from '../../ts/control/admin.ts'
import { ask, controlOf, isAlive, next, servedVersions } from './fixture/harness.ts'
import { planOf } from './fixture/plans.ts'

type Ended = [number: number, pid: number, reason: string]
type Ready = [number: number, pid: number, version: string]

const reasonsOf = (result: ReloadResult): readonly string[] => (result.ok ? [] : result.reasons)

/** Starts two workers on a good plan, then tries one in which a worker behaves as `route` names it. */
for (const [route, reason] of [
  ['refuse', /^worker [12]: plugin of route refuse cannot be loaded$/],
  ['refuse-2', /^worker 2: plugin of route refuse cannot be loaded$/],
  ['hang-1', /^worker 1: did not answer within 700 ms$/],
] as const) {
  test(`${route}: nobody switches, and the operator reads why`, async t => {
    const good = planOf({ workers: 2 })
    const harness = controlOf(t, good, { prepareTimeoutMs: 700 })
    const { control, configure } = harness
    await control.start()
    const pids = control.workers().map(({ pid }) => pid)
    const { version } = control.plan
    configure(planOf({ workers: 2, routeNames: [route] }))
    const result = await control.reload()
    assert.equal(result.ok, false)
    assert.match(reasonsOf(result)[0]!, reason)
    assert.ok(control.report().some(line => reason.test(line.trim())))
    assert.deepEqual(await servedVersions(harness), [version, version])
    if (route.startsWith('refuse'))
      assert.deepEqual(
        control.workers().map(({ pid }) => pid),
        pids,
      )
    assert.match(control.metrics(), /^polygate_reloads_total\{result="refused"\} 1$/m)
    // One that is stuck gets a successor, and nobody waits for it: the next plan is in force without it.
    const replaced = route.startsWith('hang') ? next<Ended>(control, 'ended') : null
    configure(planOf({ workers: 2, routeNames: ['better'] }))
    assert.equal((await control.reload()).ok, true)
    if (replaced) assert.equal((await replaced)[1], pids[0])
    assert.deepEqual(await servedVersions(harness), [control.plan.version, control.plan.version])
    assert.notEqual(control.plan.version, version)
  })
}

test('a worker that dies of the new plan leaves the old one, and is replaced on it', async t => {
  const harness = controlOf(t, planOf({ workers: 2 }))
  const { control, configure } = harness
  await control.start()
  const { version } = control.plan
  const back = next<Ready>(control, 'worker')
  configure(planOf({ workers: 2, routeNames: ['die-1'] }))
  const result = await control.reload()
  assert.deepEqual(reasonsOf(result), ['worker 1: ended with SIGKILL'])
  assert.deepEqual((await back).slice(0, 1), [1])
  assert.deepEqual(await servedVersions(harness), [version, version])
})

test('a configuration that cannot be loaded is refused with each of its errors', async t => {
  const harness = controlOf(t, planOf())
  const { control, configFile } = harness
  await control.start()
  writeFileSync(configFile, '{ "routes": ')
  const result = await control.reload()
  assert.match(reasonsOf(result)[0]!, /JSON/)
  assert.deepEqual(await servedVersions(harness), [control.plan.version])
})

test('a new listener whose port is in use refuses the reload', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as { port: number }
  const { control, configure } = controlOf(t, planOf())
  await control.start()
  configure(planOf({ listen: [{ address: '127.0.0.1', port, unix: null, tls: null }] }))
  assert.deepEqual(reasonsOf(await control.reload()), [`127.0.0.1:${port} is in use`])
})

test('a worker that fails to switch after all is replaced on the new plan', async t => {
  const harness = controlOf(t, planOf({ workers: 2 }))
  const { control, configure } = harness
  await control.start()
  const ended = next<Ended>(control, 'ended')
  const back = next<Ready>(control, 'worker', number => number === 2)
  configure(planOf({ workers: 2, routeNames: ['fail-commit-2'] }))
  assert.equal((await control.reload()).ok, true)
  assert.equal((await ended)[2], 'refused')
  await back
  assert.deepEqual(await servedVersions(harness), [control.plan.version, control.plan.version])
})

test('a worker that is just being replaced gets the plan in force when it is up', async t => {
  const harness = controlOf(t, planOf({ workers: 2 }))
  const { control, configure } = harness
  await control.start()
  const ended = next<Ended>(control, 'ended')
  const back = next<Ready>(control, 'worker')
  process.kill(control.workers()[0]!.pid, 'SIGKILL')
  await ended
  configure(planOf({ workers: 2, routeNames: ['newer'] }))
  assert.equal((await control.reload()).ok, true)
  await back
  assert.deepEqual(await servedVersions(harness), [control.plan.version, control.plan.version])
})

test('a storm of wishes is two reloads at most, and all are met', async t => {
  const { control, configure } = controlOf(t, planOf({ workers: 2 }))
  await control.start()
  let reloads = 0
  control.on('reload', () => reloads++)
  configure(planOf({ workers: 2, routeNames: ['after-the-storm'] }))
  const results = await Promise.all(Array.from({ length: 100 }, () => control.reload()))
  assert.ok(results.every(result => result.ok && result.version === control.plan.version))
  assert.ok(reloads >= 1 && reloads <= 2, `${reloads} reloads`)
})

test('more and fewer workers', async t => {
  const harness = controlOf(t, planOf({ workers: 1 }))
  const { control, configure } = harness
  await control.start()
  const first = control.workers()[0]!.pid
  const bothUp = Promise.all([2, 3].map(wanted => next<Ready>(control, 'worker', number => number === wanted)))
  configure(planOf({ workers: 3 }))
  assert.equal((await control.reload()).ok, true)
  await bothUp
  const all = control.workers().map(({ pid }) => pid)
  assert.equal(all.length, 3)
  assert.equal(all[0], first)
  const bothGone = Promise.all(all.slice(1).map(gone => next<Ended>(control, 'ended', (_number, pid) => pid === gone)))
  configure(planOf({ workers: 1 }))
  assert.equal((await control.reload()).ok, true)
  await bothGone
  assert.deepEqual(
    control.workers().map(({ pid }) => pid),
    [first],
  )
  assert.match(control.metrics(), /^polygate_worker_restarts_total\{reason="exit"\} 0$/m)
})

test('another head limit needs other processes: they take over one by one', async t => {
  const limits = planOf().limits
  const { control, configure, folder } = controlOf(t, planOf({ workers: 2 }))
  await control.start()
  const before = control.workers().map(({ pid }) => pid)
  const gone = Promise.all(before.map(old => next<Ended>(control, 'ended', (_number, pid) => pid === old)))
  configure(planOf({ workers: 2, limits: { ...limits, maxHeadBytes: 65536 } }))
  assert.equal((await control.reload()).ok, true)
  await gone
  for (const { pid, state } of control.workers()) {
    assert.equal(state, 'ready')
    assert.ok(!before.includes(pid))
    assert.equal(await ask(folder, pid, '/env'), '65536')
  }
})

test('the last good plan is kept for its owner only, and a start can fall back on it', async t => {
  const first = controlOf(t, planOf())
  await first.control.start()
  const { version } = first.control.plan
  const file = join(first.folder, 'state', 'last-good-plan.json')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(dirname(file)).mode & 0o777, 0o700)
  assert.equal((JSON.parse(readFileSync(file, 'utf8')) as { plan: { version: string } }).plan.version, version)
  await first.control.stop()

  const broken = { load: () => Promise.reject(new Error('polygate.yaml:1:1: broken')), lastGoodFile: file }
  const strict = controlOf(t, planOf(), broken)
  await assert.rejects(strict.control.start(), { message: 'polygate.yaml:1:1: broken' })
  const lenient = controlOf(t, planOf(), { ...broken, lastGood: true })
  await lenient.control.start()
  assert.equal(lenient.control.plan.version, version)
  assert.ok(lenient.logged.some(line => line.includes('polygate.yaml:1:1: broken')))
  assert.deepEqual(reasonsOf(lenient.control.lastReload()!), ['polygate.yaml:1:1: broken'])
})

for (const [what, content] of [
  ['no plan at all', null],
  ['half a file', '{ "polygate": '],
  ['a plan of another version', '{ "polygate": "0.0.0-other", "plan": {} }'],
] as const) {
  test(`without a usable last good plan (${what}) both reasons are given`, async t => {
    const { control, folder } = controlOf(t, planOf(), {
      load: () => Promise.reject(new Error('broken')),
      lastGood: true,
    })
    mkdirSync(join(folder, 'state'))
    if (content !== null) writeFileSync(join(folder, 'state', 'last-good-plan.json'), content)
    await assert.rejects(control.start(), { message: /^broken\nno last good plan either: / })
  })
}

test('a state file that cannot be written is a warning', async t => {
  const { control, logged } = controlOf(t, planOf(), { lastGoodFile: '/dev/null/state/last-good-plan.json' })
  await control.start()
  assert.ok(logged.some(line => line.includes('warn') && line.includes('cannot keep the last good plan')))
  assert.equal((await control.reload()).ok, true)
})

test('--watch: an editor that renames a new file over the old one, and one that writes in place', async t => {
  const harness = controlOf(t, planOf(), { watch: true })
  const { control, configFile, configure } = harness
  await control.start()
  let reloads = 0
  control.on('reload', () => reloads++)
  const [renamed, written] = [planOf({ routeNames: ['renamed'] }), planOf({ routeNames: ['written'] })]

  let reload = next<[ReloadResult]>(control, 'reload')
  writeFileSync(`${configFile}~`, JSON.stringify(renamed))
  renameSync(`${configFile}~`, configFile)
  assert.equal((await reload)[0].version, renamed.version)

  // Touched, and noise beside it: no reload; the count at the end would show one.
  utimesSync(configFile, new Date(), new Date())
  writeFileSync(join(harness.folder, 'unrelated.log'), 'x')
  reload = next<[ReloadResult]>(control, 'reload')
  configure(written)
  assert.equal((await reload)[0].version, written.version)

  reload = next<[ReloadResult]>(control, 'reload')
  rmSync(configFile)
  assert.equal((await reload)[0].ok, false)
  reload = next<[ReloadResult]>(control, 'reload')
  configure(renamed)
  assert.equal((await reload)[0].version, renamed.version)
  assert.equal(reloads, 4)
  assert.deepEqual(await servedVersions(harness), [renamed.version])
})

test('--watch: a certificate that a listener names is watched too', async t => {
  const harness = controlOf(t, planOf(), { watch: true })
  const { control, folder, configure } = harness
  const certificate = join(folder, 'tls', 'server.pem')
  mkdirSync(dirname(certificate))
  writeFileSync(certificate, 'one')
  const tls = {
    certificates: [{ hosts: [], certificate, key: certificate }],
    clientCa: null,
    clientCertificate: 'required' as const,
    clientCrl: null,
    minVersion: '1.2' as const,
    fingerprint: '',
    contents: {},
  }
  configure(planOf({ listen: [{ address: '127.0.0.1', port: 0, unix: null, tls }] }))
  await control.start()
  const reload = next<[ReloadResult]>(control, 'reload')
  writeFileSync(certificate, 'two')
  assert.equal((await reload)[0].ok, true)
})

test('private keys are not kept on disk with the last good plan', async t => {
  const tls = {
    certificates: [{ hosts: [], certificate: '/site.pem', key: '/site.key' }],
    clientCa: null,
    clientCertificate: 'required' as const,
    clientCrl: null,
    minVersion: '1.2' as const,
    fingerprint: '1',
    contents: { '/site.pem': 'public', '/site.key': 'a private key' },
  }
  const { control, folder } = controlOf(t, planOf({ listen: [{ address: '127.0.0.1', port: 0, unix: null, tls }] }))
  await control.start()
  const kept = readFileSync(join(folder, 'state', 'last-good-plan.json'), 'utf8')
  assert.match(kept, /site\.key/)
  assert.doesNotMatch(kept, /a private key/)
})

test('an admin server moves with the plan, and only if all switch', async t => {
  const admin = (port: number) => ({ address: '127.0.0.1', port, token: null })
  const { control, configure } = controlOf(t, planOf())
  await control.start()
  assert.equal(control.adminPort, 0)
  configure(planOf({ admin: admin(0), routeNames: ['refuse'] }))
  assert.equal((await control.reload()).ok, false)
  assert.equal(control.adminPort, 0)
  configure(planOf({ admin: admin(0) }))
  assert.equal((await control.reload()).ok, true)
  const port = control.adminPort
  assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
  configure(planOf({ admin: null }))
  assert.equal((await control.reload()).ok, true)
  await assert.rejects(fetch(`http://127.0.0.1:${port}/readyz`))
})

test('after a stop no process is left', async t => {
  const { control } = controlOf(t, planOf({ workers: 2 }))
  await control.start()
  const pids = control.workers().map(({ pid }) => pid)
  await control.stop()
  assert.ok(pids.every(pid => !isAlive(pid)))
})
