// Pins: a worker that is killed, crashes, throws or loops is replaced while the others serve; a start that cannot
// succeed says why and leaves no process; counters that a dead worker had reported stay.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { ask, controlOf, isAlive, next, servedVersions } from './fixture/harness.ts'
import { planOf } from './fixture/plans.ts'

type Ended = [number: number, pid: number, reason: string]
type Ready = [number: number, pid: number, version: string]

test('a port that is in use ends the start with its name', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as { port: number }
  const { control } = controlOf(t, planOf({ listen: [{ address: '127.0.0.1', port, unix: null, tls: null }] }))
  await assert.rejects(control.start(), { message: `127.0.0.1:${port} is in use` })
  assert.deepEqual(control.workers(), [])
})

test('an admin port that is in use does too, and no worker is left', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as { port: number }
  const { control } = controlOf(t, planOf({ admin: { address: '127.0.0.1', port, token: null } }))
  await assert.rejects(control.start(), { message: `127.0.0.1:${port} is in use` })
  assert.ok(control.workers().every(({ pid }) => !isAlive(pid)))
})

test('an address that the machine does not have is named', async t => {
  const { control } = controlOf(t, planOf({ listen: [{ address: '192.0.2.7', port: 8080, unix: null, tls: null }] }))
  await assert.rejects(control.start(), { message: '192.0.2.7:8080: this machine has no such address' })
})

test('a listener listed twice is refused', async t => {
  const listener = { address: '127.0.0.1', port: 18080, unix: null, tls: null }
  const { control } = controlOf(t, planOf({ listen: [listener, listener] }))
  await assert.rejects(control.start(), { message: '127.0.0.1:18080 is listed twice' })
})

test('a plan that a worker refuses ends the start with its reason, and no worker is left', async t => {
  const { control } = controlOf(t, planOf({ workers: 2, routeNames: ['refuse-2'] }))
  await assert.rejects(control.start(), { message: 'worker 2: plugin of route refuse cannot be loaded' })
  assert.equal(control.workers().length, 2)
  assert.ok(control.workers().every(({ pid }) => !isAlive(pid)))
})

test('a worker that dies while it starts ends the start', async t => {
  const { control } = controlOf(t, planOf({ routeNames: ['die'] }))
  await assert.rejects(control.start(), { message: 'worker 1: ended with SIGKILL' })
})

test('a worker whose gateway cannot be made says why', async t => {
  process.env['POLYGATE_TEST_NO_GATEWAY'] = '1'
  t.after(() => delete process.env['POLYGATE_TEST_NO_GATEWAY'])
  const { control } = controlOf(t, planOf())
  await assert.rejects(control.start(), { message: 'worker 1: the addon is not built' })
})

test('a worker that never answers ends the start at its time limit', async t => {
  const { control } = controlOf(t, planOf({ routeNames: ['hang'] }), { prepareTimeoutMs: 200 })
  await assert.rejects(control.start(), { message: 'worker 1: did not answer within 200 ms' })
})

test('port 0 is one real port for all workers, and stays over a reload', async t => {
  const { control } = controlOf(t, planOf())
  await control.start()
  const port = control.plan.listen[0]!.port
  assert.ok(port > 0)
  assert.equal((await control.reload()).ok, true)
  assert.equal(control.plan.listen[0]!.port, port)
})

for (const signal of ['SIGKILL', 'SIGSEGV', 'SIGABRT'] as const) {
  test(`a worker lost by ${signal} is replaced while the other serves`, async t => {
    const harness = controlOf(t, planOf({ workers: 2 }))
    const { control, folder } = harness
    await control.start()
    const [first, second] = control.workers()
    const ended = next<Ended>(control, 'ended')
    const back = next<Ready>(control, 'worker')
    process.kill(first!.pid, signal)
    const [number, pid, reason] = await ended
    assert.deepEqual([number, pid, reason], [1, first!.pid, 'signal'])
    assert.equal(await ask(folder, second!.pid), control.plan.version)
    const [replaced, newPid] = await back
    assert.equal(replaced, 1)
    assert.notEqual(newPid, first!.pid)
    assert.deepEqual(await servedVersions(harness), [control.plan.version, control.plan.version])
    assert.match(control.metrics(), /^polygate_worker_restarts_total\{reason="signal"\} 1$/m)
  })
}

test('a worker that ends again and again is started again and again', async t => {
  const { control } = controlOf(t, planOf())
  await control.start()
  for (let round = 0; round < 4; round++) {
    const back = next<Ready>(control, 'worker')
    process.kill(control.workers()[0]!.pid, 'SIGKILL')
    await back
  }
  assert.match(control.metrics(), /^polygate_worker_restarts_total\{reason="signal"\} 4$/m)
})

test('a worker in an endless loop is found by its missing beats', async t => {
  const harness = controlOf(t, planOf({ workers: 2 }))
  const { control, folder } = harness
  await control.start()
  const [first] = control.workers()
  const ended = next<Ended>(control, 'ended')
  const back = next<Ready>(control, 'worker')
  await assert.rejects(ask(folder, first!.pid, '/loop'))
  assert.deepEqual(await ended, [1, first!.pid, 'heartbeat'])
  await back
  assert.deepEqual(await servedVersions(harness), [control.plan.version, control.plan.version])
})

test('a stopped worker is found likewise', async t => {
  const { control } = controlOf(t, planOf())
  await control.start()
  const { pid } = control.workers()[0]!
  const ended = next<Ended>(control, 'ended')
  const back = next<Ready>(control, 'worker')
  process.kill(pid, 'SIGSTOP')
  assert.deepEqual(await ended, [1, pid, 'heartbeat'])
  await back
})

test('an error that nobody caught ends the worker, but not what it had counted', async t => {
  const { control, folder } = controlOf(t, planOf())
  await control.start()
  const { pid } = control.workers()[0]!
  for (let request = 0; request < 3; request++) await ask(folder, pid)
  const ended = next<Ended>(control, 'ended')
  const back = next<Ready>(control, 'worker')
  await assert.rejects(ask(folder, pid, '/throw'))
  assert.deepEqual(await ended, [1, pid, 'exception'])
  assert.match(
    control.metrics(),
    /http_server_request_duration_seconds_count\{http_route="hello",http_request_method="GET",http_response_status_code="200"\} 3$/m,
  )
  await back
})

test('signals of the terminal do not end workers: control decides', async t => {
  const { control, folder } = controlOf(t, planOf())
  await control.start()
  const { pid } = control.workers()[0]!
  process.kill(pid, 'SIGINT')
  process.kill(pid, 'SIGHUP')
  assert.equal(await ask(folder, pid), control.plan.version)
  assert.equal(control.workers()[0]!.pid, pid)
})
