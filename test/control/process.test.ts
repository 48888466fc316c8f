// Pins how the process as a whole starts and ends: the ready line, exit codes, drain, its deadline, a second signal,
// SIGHUP, and that workers do not outlive a control that was killed.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Plan } from '../../ts/config/plan.ts'
import { ask, isAlive, next, testFolder } from './fixture/harness.ts'
import { planOf } from './fixture/plans.ts'

interface Line {
  kind?: string
  pid?: number
  ok?: boolean
  version?: string
}

interface Started {
  readonly child: ChildProcess
  readonly folder: string
  readonly lines: EventEmitter
  readonly ready: string
  readonly workers: number[]
  /** Exit code, once the process and everything that holds its output has ended. */
  readonly closed: Promise<[code: number | null, signal: string | null]>
  readonly errors: () => string
}

function launch(
  t: TestContext,
  plan: Plan | string,
  args: string[] = [],
): Omit<Started, 'ready'> & { readyLine: Promise<string> } {
  const folder = testFolder(t)
  writeFileSync(join(folder, 'plan.json'), typeof plan === 'string' ? plan : JSON.stringify(plan))
  const script = fileURLToPath(new URL('./fixture/control.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    env: { ...process.env, POLYGATE_TEST_DIR: folder, POLYGATE_TEST_SAY: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  const lines = new EventEmitter()
  const workers: number[] = []
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk))
  const readyLine = new Promise<string>(resolve => {
    createInterface(child.stdout).on('line', text => {
      if (text.startsWith('ready')) return resolve(text)
      const line = JSON.parse(text) as Line
      if (line.kind === 'worker') workers.push(line.pid!)
      lines.emit(line.kind!, line)
    })
  })
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  return { child, folder, lines, workers, closed, readyLine, errors: () => errors }
}

async function started(t: TestContext, plan: Plan, args: string[] = []): Promise<Started> {
  const launched = launch(t, plan, args)
  const ready = await Promise.race([
    launched.readyLine,
    launched.closed.then(() => assert.fail(`ended before it was ready: ${launched.errors()}`)),
  ])
  return { ...launched, ready }
}

/** A request whose answer has begun and goes on until `/release`. */
function slowRequest(folder: string, pid: number): Promise<{ response: IncomingMessage; body: Promise<string> }> {
  return new Promise((resolve, reject) => {
    request({ socketPath: join(folder, `${pid}.sock`), path: '/slow', agent: false }, response => {
      let text = ''
      const body = new Promise<string>((done, failed) => {
        response.on('end', () => done(text))
        response.on('error', failed)
      })
      body.catch(() => {})
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        resolve({ response, body })
      })
    })
      .on('error', reject)
      .end()
  })
}

test('the ready line, and a clean end by SIGTERM', async t => {
  const { ready, child, closed } = await started(t, planOf({ workers: 2 }))
  assert.match(ready, /^ready http:\/\/127\.0\.0\.1:\d+ workers=2 plugins=0 front-end="test front end"$/)
  child.kill('SIGTERM')
  assert.deepEqual(await closed, [0, null])
})

test('an invalid configuration is exit code 1, with the reason on standard error', async t => {
  const { closed, errors } = launch(t, '{')
  assert.deepEqual(await closed, [1, null])
  assert.match(errors(), /JSON/)
})

test('a failed start is exit code 1, and no process is left', async t => {
  const { closed, errors } = launch(t, planOf({ workers: 2, routeNames: ['refuse-1'] }))
  assert.deepEqual(await closed, [1, null])
  assert.match(errors(), /^worker 1: plugin of route refuse cannot be loaded$/m)
})

test('SIGTERM lets a slow request end', async t => {
  const { child, folder, workers, closed, errors } = await started(t, planOf())
  const [pid] = workers
  const { body } = await slowRequest(folder, pid!)
  const other = request({ socketPath: join(folder, `${pid!}.sock`), path: '/release', agent: false })
  // Connected before the drain: a draining worker takes no new connections.
  other.on('socket', socket => socket.on('connect', () => child.kill('SIGTERM')))
  other.flushHeaders()
  other.on('error', () => {})
  const draining = next<[string]>(child.stderr!, 'data', chunk => chunk.includes('draining'))
  await draining
  other.end()
  assert.equal(await body, 'begun\nreleased\n')
  assert.deepEqual(await closed, [0, null], errors())
})

test('a request that never ends is cut at the deadline; the exit code is 0 all the same', async t => {
  const timeouts = { drainMs: 300, idleMs: 1000 }
  const { child, folder, workers, closed } = await started(t, planOf({ timeouts }))
  const { body } = await slowRequest(folder, workers[0]!)
  child.kill('SIGTERM')
  await assert.rejects(body)
  assert.deepEqual(await closed, [0, null])
})

test('a second signal stops at once', async t => {
  const timeouts = { drainMs: 600_000, idleMs: 1000 }
  const { child, folder, workers, closed } = await started(t, planOf({ timeouts }))
  const { body } = await slowRequest(folder, workers[0]!)
  const draining = next<[string]>(child.stderr!, 'data', chunk => chunk.includes('draining'))
  child.kill('SIGINT')
  await draining
  child.kill('SIGTERM')
  await assert.rejects(body)
  assert.deepEqual(await closed, [0, null])
})

test('a signal during the start ends it, with nothing left', async t => {
  const { child, lines, closed, errors } = launch(t, planOf({ workers: 2, routeNames: ['hang-2'] }))
  await next<[Line]>(lines, 'hanging')
  child.kill('SIGTERM')
  // `closed` waits for the workers too: they hold the output.
  assert.deepEqual(await closed, [0, null], errors())
})

test('SIGHUPs reload; a storm of them ends on the last plan', async t => {
  const { child, folder, lines, workers, closed } = await started(t, planOf({ workers: 2 }))
  const last = planOf({ workers: 2, routeNames: ['last'] })
  writeFileSync(join(folder, 'plan.json'), JSON.stringify(last))
  const reloaded = next<[Line]>(lines, 'reload', line => line.version === last.version)
  for (let i = 0; i < 30; i++) child.kill('SIGHUP')
  assert.equal((await reloaded)[0].ok, true)
  for (const pid of workers) assert.equal(await ask(folder, pid), last.version)
  child.kill('SIGTERM')
  assert.deepEqual(await closed, [0, null])
})

test('workers end when control is killed', async t => {
  const { child, folder, workers, closed } = await started(t, planOf({ workers: 2 }))
  assert.equal(await ask(folder, workers[0]!), await ask(folder, workers[1]!))
  child.kill('SIGKILL')
  // `close` comes when nobody holds the output any more: the workers inherited it.
  assert.deepEqual(await closed, [null, 'SIGKILL'])
})

test('an orphan lets its requests end first', async t => {
  const { child, folder, workers, closed } = await started(t, planOf())
  const { body } = await slowRequest(folder, workers[0]!)
  const other = request({ socketPath: join(folder, `${workers[0]!}.sock`), path: '/release', agent: false })
  other.on('error', () => {})
  other.flushHeaders()
  await once(other, 'socket').then(([socket]) => once(socket as EventEmitter, 'connect'))
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  assert.ok(isAlive(workers[0]!))
  other.end()
  assert.equal(await body, 'begun\nreleased\n')
  await closed
})
