// Pins: `polygate demo` prints curl lines that work as they are printed, survives taken ports, and ends with exit code
// 0 on Ctrl-C, leaving nothing behind.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { childrenOf } from '../helpers/gateway.ts'
import { within } from '../helpers/scope.ts'

const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js')

interface Demo {
  readonly output: string
  readonly pid: number
  stop(): Promise<unknown[]>
}

async function startDemo(t: TestContext): Promise<Demo> {
  const child = spawn(process.execPath, [main, 'demo'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  const printed = new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.includes('Ctrl-C stops')) resolve()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    void exited.then(() => reject(new Error(`the demo ended: ${output}`)))
  })
  await within(20_000, 'starting the demo', printed)
  return {
    output,
    pid: child.pid as number,
    stop: () => {
      child.kill('SIGINT')
      return within(15_000, 'stopping the demo', exited)
    },
  }
}

/** What each printed line must answer: a status, and a text in it. */
const expected: readonly (readonly [path: string, status: string | null, text: string | RegExp])[] = [
  ['/ping', '200', 'pong'],
  ['/shop/products', '200', 'Garden gate'],
  ['/shop/echo', '200', /"url": "\/echo\?a=1"[^]*"x-team": "demo"[^]*"body": "some text"/],
  ['/old/2', '308', 'Field gate'],
  ['--max-time', '200', /id: 2\n/],
  ['/shop/slow', '200', 'waitedMs'],
  ['/nowhere', '404', '"code":"no_route"'],
  ['-X DELETE', '405', /^allow: .*GET/im],
  ['/metrics', null, 'http_server_request_duration_seconds'],
]

test('every printed line works, and Ctrl-C ends it with 0', async t => {
  if (spawnSync('curl', ['--version']).error) throw new Error('the curl command is needed for this test')
  const demo = await startDemo(t)
  const lines = demo.output.split('\n').filter(line => line.startsWith('  curl '))
  assert.equal(lines.length, expected.length)
  for (const [path, status, text] of expected) {
    const line = lines.find(one => one.includes(path))
    assert.ok(line, `no line with ${path}`)
    const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'ignore'] })
    let answer = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => (answer += part))
    await once(child, 'close')
    if (status !== null) assert.equal(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1], status, `${line}: ${answer}`)
    if (typeof text === 'string') assert.ok(answer.includes(text), `${line}: ${answer}`)
    else assert.match(answer, text, line)
  }
  const [gateway] = childrenOf(demo.pid)
  assert.ok(gateway)
  assert.deepEqual(await demo.stop(), [0, null])
  assert.throws(() => process.kill(gateway, 0), { code: 'ESRCH' })
})

test('with its ports taken it takes others', async t => {
  for (const port of [8080, 9000, 9901]) {
    const taker = createServer().once('error', () => {})
    t.after(() => taker.close())
    // Taken already by something else: just as good.
    await Promise.race([once(taker.listen(port, '127.0.0.1'), 'listening'), once(taker, 'error').catch(() => {})])
  }
  const demo = await startDemo(t)
  const ports = [...demo.output.matchAll(/http:\/\/127\.0\.0\.1:(\d+)/g)].map(found => Number(found[1]))
  for (const port of [8080, 9000, 9901]) assert.ok(!ports.includes(port))
  assert.deepEqual(await demo.stop(), [0, null])
})
