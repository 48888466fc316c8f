// `polygate plugin bench`: figures for each hook of a plugin in each runtime, that work shows in them, where it is done, and
// what is not measured.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hookNames } from '../../ts/shared/plugin-hooks.ts'
import { probeFor, runtimes } from '../contract/runtimes.ts'
import type { Scope } from '../helpers/scope.ts'
import { polygate, temporaryFolder, type Outcome } from './polygate.ts'

interface Measured {
  readonly plugin: string
  readonly isolation: string
  readonly case: string
  readonly rounds: number
  readonly hooks: readonly {
    readonly hook: string
    readonly medianUs: number
    readonly lowestUs: number
    readonly highestUs: number
    readonly otherThreadsUs: number
    readonly calls: number
  }[]
}

const bench = (folder: string, ...more: readonly string[]): Promise<Outcome> =>
  polygate(['plugin', 'bench', folder, '--rounds', '3', ...more], folder)

const measuredIn = ({ output, errors }: Outcome): Measured => {
  assert.match(output, /^\{/, errors)
  return JSON.parse(output) as Measured
}

for (const runtime of runtimes) {
  test(`each hook of a plugin: ${runtime.name}`, async context => {
    const folder = probeFor(context, runtime)
    const cases = `config: { name: first }
consumers: [alice]
cases:
  - name: edits
    request: { method: POST, headers: { x-probe: edit, x-probe-consumer: alice }, body: text }
    reply: { headers: { content-type: text/plain }, body: text }
    expect: {}
`
    writeFileSync(join(folder, 'cases.yaml'), cases)
    const { plugin, isolation, rounds, hooks, ...rest } = measuredIn(await bench(folder, '--format', 'json'))
    assert.deepEqual([plugin, isolation, rounds, rest.case], ['probe', runtime.isolation, 3, 'edits'])
    assert.deepEqual(
      hooks.map(({ hook }) => hook),
      [...hookNames],
    )
    for (const { hook, medianUs, lowestUs, highestUs, calls } of hooks) {
      assert.ok(calls > 0 && lowestUs <= medianUs && medianUs <= highestUs, hook)
    }
    const text = await bench(folder)
    assert.equal(text.status, 0)
    for (const hook of hookNames) assert.match(text.output, new RegExp(`^${hook} +-?\\d+\\.\\d\\d `, 'm'))
  })
}

/** A plugin that is busy for so many microseconds in each call. */
function busy(context: Scope, isolation: string, code: string): string {
  const folder = temporaryFolder(context)
  writeFileSync(
    join(folder, 'plugin.yaml'),
    `name: busy\nversion: 1.0.0\nruntime: js\nisolation: ${isolation}\nentry: ./plugin.js\nhooks: [request]\n`,
  )
  writeFileSync(join(folder, 'plugin.js'), `export default () => ({ request(request) { ${code} } })\n`)
  writeFileSync(join(folder, 'cases.yaml'), 'cases: [ { name: a, expect: {} } ]\n')
  return folder
}

test('work of the plugin is in the figures of the thread that does it', async context => {
  const work = 'const endMs = performance.now() + 0.2; while (performance.now() < endMs);'
  const [inline, worker] = [busy(context, 'inline', work), busy(context, 'worker', work)]
  const inlined = measuredIn(await bench(inline, '--format', 'json')).hooks[0]!
  // A machine that is busy takes the time away in which the plugin wants to be busy.
  assert.ok(inlined.medianUs > 40, `${inlined.medianUs} us`)
  const threaded = measuredIn(await bench(worker, '--format', 'json')).hooks[0]!
  assert.ok(threaded.otherThreadsUs > 40, `${threaded.otherThreadsUs} us`)
  assert.ok(threaded.medianUs < threaded.otherThreadsUs / 2, `${threaded.medianUs} us on the loop`)
})

test('a call that fails is not measured, nor one that there cannot be', async context => {
  const folder = busy(context, 'inline', "throw new Error('no way')")
  const failing = await bench(folder)
  assert.deepEqual([failing.status, failing.output], [1, ''])
  assert.match(
    failing.errors,
    /^polygate plugin bench: .*cases\.yaml:1:10: a call that fails is not measured: error at request: Error: no way\n/,
  )
  writeFileSync(
    join(folder, 'cases.yaml'),
    'cases: [ { name: a, request: { headers: { content-length: x } }, expect: {} } ]\n',
  )
  const impossible = await bench(folder)
  assert.equal(impossible.status, 1)
  assert.match(impossible.errors, /a gateway takes no such request: the Content-Length is not one number/)
})

test('usage: rounds that are none, no folder', async context => {
  const folder = temporaryFolder(context)
  for (const args of [['a', '--rounds', '0'], ['a', '--rounds', 'x'], ['a', '--rounds', '1001'], []]) {
    assert.equal((await polygate(['plugin', 'bench', ...args], folder)).status, 2, args.join(' '))
  }
})
