// Pins that a disk without room for the access log harms no request: lines are lost, counted to the last one and said
// once; the log goes on when there is room, and a reload neither forgets nor counts twice.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { metricsOf, untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { statusOf } from '../helpers/wire.ts'

const waitMs = 20_000
/** A limit of the size of files stands for the size of a disk: what goes past it fails, what is below does not. */
const diskKiB = 16
const pauseMs = 50
const dropped = 'polygate_access_log_dropped_total'
const yaml = `
accessLog: { target: ./access.log }
routes: [ { name: ping, match: { path: "/*" }, respond: { body: pong } } ]
`

test('requests go on, losses are counted and said once, and the log goes on when there is room', async t => {
  const gateway = await startGateway(t, yaml, { prefix: ['bash', '-c', `ulimit -f ${diskKiB} && exec "$@"`, 'bash'] })
  const file = join(gateway.folder, 'access.log')
  let asked = 0
  /** Some requests, on a connection of their own. */
  const ask = async (batch: number): Promise<void> => {
    const client = await RawClient.connect(t, gateway.port)
    for (let i = 0; i < batch; i++) void client.send(`GET /${++asked} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const { finals } = await within(waitMs, 'the answers', client.finals(batch))
    assert.deepEqual(finals.map(statusOf), Array(batch).fill(200))
    client.destroy()
  }
  const askUntil = async (batch: number, holds: () => boolean | Promise<boolean>): Promise<void> => {
    for (const until = performance.now() + waitMs; !(await holds()); await ask(batch)) {
      assert.ok(performance.now() < until, `it takes too long; the log:\n${gateway.logs()}`)
      await new Promise(resolve => setTimeout(resolve, pauseMs))
    }
  }
  const lines = (): string[] => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [])
  /** What a write that broke off has left is no line. */
  const whole = (line: string): boolean => line.startsWith('{') && line.endsWith('}')
  const said = (what: RegExp): number =>
    gateway
      .logs()
      .split('\n')
      .filter(line => what.test(line)).length
  const lost = async (): Promise<number> => (await metricsOf(gateway)).get(dropped) ?? 0

  await askUntil(20, async () => (await lost()) > 0)
  const early = await lost()
  await askUntil(20, async () => (await lost()) > early)
  assert.equal(said(/access log/), 1, gateway.logs())
  assert.match(gateway.logs(), /error worker 1: access log cannot be written .*access\.log.* reason=EFBIG/)
  // The plan is another one, and so is the log's writer.
  assert.match(await gateway.reload(yaml.replace('pong', 'again')), /reloaded/)
  await askUntil(20, () => said(/access log cannot be written/) === 2)

  let earlier = 0
  const allAccounted = (): Promise<unknown> =>
    untilMetrics(gateway, `all of ${asked} requests to be logged or counted as lost`, samples => {
      return earlier + lines().filter(whole).length + (samples.get(dropped) ?? 0) === asked
    })
  await allAccounted()
  earlier = lines().filter(whole).length
  truncateSync(file, 0)
  // Few, or the disk would be full again.
  await askUntil(1, () => said(/access log is written again/) > 0)
  assert.equal(said(/access log cannot be written/), 2, 'once a writer')
  await allAccounted()
  for (const line of lines().filter(line => line !== '')) assert.equal(typeof JSON.parse(line), 'object')
})
