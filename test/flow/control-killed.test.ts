// Pins that nothing outlives a control process that is killed: not a worker that waits, not one that loops for ever, is
// stopped, or drains; and that a worker that can still ends its requests first.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { evaluateIn, inspectable } from '../helpers/inspect.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

/** More than the three seconds that a worker has to show that it runs. */
const goneWithinMs = 8000
const waitMs = 5000
const workers = 2

interface Started {
  readonly gateway: RunningGateway
  /** The request is at the upstream; the answer goes out when this is called. */
  readonly asked: Promise<() => void>
}

async function start(t: TestContext, timeouts = ''): Promise<Started> {
  let ask: (answer: () => void) => void = () => {}
  const asked = new Promise<() => void>(resolve => (ask = resolve))
  const upstream = await startRawUpstream(t, async (socket, received) => {
    await received('\r\n\r\n')
    ask(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  const yaml = `
workers: ${workers}
${timeouts}
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: upstream } ]
`
  // Where a worker is left over after all, it must not stay behind the test: before what startGateway does at the end.
  const pids: number[] = []
  t.after(() => pids.forEach(endIfWorker))
  const gateway = await startGateway(t, yaml, { env: inspectable })
  assert.equal(gateway.workers().length, workers)
  pids.push(...gateway.workers())
  return { gateway, asked }
}

function endIfWorker(pid: number): void {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker.js')) process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone, as it should be.
  }
}

/** `exited` resolves when nobody holds the output any more that control gave its workers. */
const allGone = (gateway: RunningGateway): Promise<number | string> =>
  within(goneWithinMs, 'the end of all processes', gateway.exited)

const ways: Record<string, (gateway: RunningGateway, pids: number[]) => unknown> = {
  'all wait': () => {},
  'one loops for ever': (gateway, [pid]) => evaluateIn(gateway, pid!, 'for (;;);'),
  'one is stopped': (_gateway, [pid]) => process.kill(pid!, 'SIGSTOP'),
  'one is stopped in a loop': async (gateway, [pid]) => {
    await evaluateIn(gateway, pid!, 'for (;;);')
    process.kill(pid!, 'SIGSTOP')
  },
}

// Side by side: they wait most of the time.
describe('control is killed', { concurrency: true }, () => {
  for (const [name, prepare] of Object.entries(ways)) {
    test(`while ${name}: nothing is left`, async t => {
      const { gateway } = await start(t)
      const pids = gateway.workers()
      await prepare(gateway, pids)
      gateway.signal('SIGKILL')
      assert.equal(await allGone(gateway), 'SIGKILL')
    })
  }

  test('while a request waits for its answer: it gets it, then nothing is left', async t => {
    const { gateway, asked } = await start(t)
    const client = await RawClient.connect(t, gateway.port)
    await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const answer = await within(waitMs, 'the request', asked)
    const gone = gateway.line(/worker \d: control is gone/)
    gateway.signal('SIGKILL')
    await within(waitMs, 'that a worker notices', gone)
    // Beyond the time in which a worker has to show that it runs.
    await new Promise(resolve => setTimeout(resolve, 3500))
    answer()
    const { finals } = await within(waitMs, 'the answer', client.finals(1))
    assert.equal(finals[0]?.body.toString(), 'ok')
    assert.equal(await allGone(gateway), 'SIGKILL')
  })

  test('while it drains: a request that never ends is cut at the deadline', async t => {
    const { gateway, asked } = await start(t, 'timeouts: { drainMs: 1000 }')
    const client = await RawClient.connect(t, gateway.port)
    await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await within(waitMs, 'the request', asked)
    const draining = gateway.line(/draining/)
    gateway.signal('SIGTERM')
    await within(waitMs, 'the drain', draining)
    gateway.signal('SIGKILL')
    assert.equal(await allGone(gateway), 'SIGKILL')
    assert.equal(client.answers().finals.length, 0)
  })
})
