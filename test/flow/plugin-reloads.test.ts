// Pins that plugins leave nothing behind: a hundred reloads under load, each with another configuration of every plugin,
// lose no request, and the worker does not grow.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { residentKiB, startGateway } from '../helpers/gateway.ts'
import { buildIn } from '../helpers/native-library.ts'
import type { Scope } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'

const examples = join(import.meta.dirname, '../../plugins/examples')
const reloads = 100
const sampledEach = 5
/** A thread or an isolate that stayed would take several at each reload. */
const mostGrowthKiB = 40 * 1024

/** A copy of an example that is built, and in the isolation that is wanted. */
function exampleIn(t: Scope, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-reloads-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(join(examples, name), folder, { recursive: true })
  buildIn(folder, name)
  return folder
}

test('a hundred reloads under load', { timeout: 400_000 }, async t => {
  const echo = await startEcho(t)
  const folders = {
    inline: exampleIn(t, 'greeting-ts'),
    thread: exampleIn(t, 'greeting-js'),
    native: exampleIn(t, 'greeting-rust'),
  }
  const configuration = (nth: number): string => `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
plugins:
${Object.entries(folders)
  .map(([name, folder]) => `  ${name}: { path: ${folder}, config: { greeting: "${nth}" }, timeoutMs: 10000 }`)
  .join('\n')}
routes:
${Object.keys(folders)
  .map(name => `  - { name: ${name}, match: { path: /${name} }, upstream: echo, plugins: [ ${name} ] }`)
  .join('\n')}
`
  const gateway = await startGateway(t, configuration(0))
  const [worker] = gateway.workers()
  let over = false
  let asked = 0
  const asking = Object.keys(folders).map(async name => {
    while (!over) {
      const response = await fetch(`${gateway.url}/${name}`)
      const { headers } = (await response.json()) as { headers: Record<string, string> }
      assert.deepEqual([response.status, /^\d+$/.test(headers['x-greeting']!)], [200, true])
      asked++
    }
  })
  const sizes: number[] = []
  for (let nth = 1; nth <= reloads; nth++) {
    assert.match(await gateway.reload(configuration(nth)), /reloaded/)
    if (nth % sampledEach === 0) sizes.push(residentKiB(worker!))
  }
  over = true
  await Promise.all(asking)
  assert.ok(asked > reloads)
  assert.deepEqual(gateway.workers(), [worker])
  // The garbage collector comes when it likes: the least of several counts.
  const [early, late] = [Math.min(...sizes.slice(4, 10)), Math.min(...sizes.slice(-6))]
  assert.ok(late - early < mostGrowthKiB, `the worker has grown: ${sizes.join(', ')} KiB`)
})
