// Pins that a loop with an upstream client no longer measures how long it sleeps: that costs a system call more a turn.
// Where Node's loop is laid out in another way than the addon knows, this fails, and each turn pays again.
import assert from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import { test } from 'node:test'
import { native } from '../../ts/shared/native.ts'

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

test('the idle time of the loop stands still once there is an upstream client', async () => {
  await sleep(20)
  const before = performance.eventLoopUtilization().idle
  assert.ok(before > 0, 'Node measures it')
  const addon = native()
  const client = new addon.UpstreamClient({ slabBytes: 1024 * 1024, maxRows: 16, headerPrefix: '' }, () => {})
  const switchedOff = performance.eventLoopUtilization().idle
  await sleep(50)
  assert.equal(performance.eventLoopUtilization().idle, switchedOff)
  client.close()
})
