// `polygate plugin new`: a first plugin in each language that passes its own cases at once, in a folder that stands by
// itself; what it refuses, and that it overwrites nothing.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runtimeNames } from '../../ts/command/plugin/scaffolds.ts'
import { startGateway } from '../helpers/gateway.ts'
import { startEcho } from '../helpers/upstream.ts'
import { polygate, temporaryFolder } from './polygate.ts'

/** What cargo has is enough: no test fetches anything. */
const offline = { CARGO_NET_OFFLINE: 'true' }

for (const runtime of runtimeNames) {
  test(`a first plugin in ${runtime} passes its cases at once, and runs in a gateway`, async context => {
    const folder = temporaryFolder(context)
    const made = await polygate(['plugin', 'new', 'plugins/first', '--runtime', runtime], folder)
    assert.deepEqual([made.status, made.errors], [0, ''])
    assert.match(
      made.output,
      /^wrote plugins\/first: plugin\.yaml, .*cases\.yaml.*\nnext: polygate plugin test plugins\/first\n$/,
    )
    // A place that others build to must make no difference.
    const environment = { ...offline, CARGO_TARGET_DIR: join(folder, 'elsewhere') }
    const tried = await polygate(['plugin', 'test', 'plugins/first'], folder, environment)
    assert.deepEqual([tried.status, tried.errors], [0, ''])
    assert.match(tried.output, /^(ok {4}.*\n){3}3 passed, 0 failed\n$/)

    const echo = await startEcho(context)
    const gateway = await startGateway(
      context,
      `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
plugins: { first: { path: ${join(folder, 'plugins', 'first')}, config: { greeting: hi } } }
routes: [ { name: all, match: {}, upstream: echo, plugins: [ first ] } ]
`,
    )
    const answer = await fetch(gateway.url)
    const { headers } = (await answer.json()) as { headers: Record<string, string> }
    assert.deepEqual([headers['x-greeting'], answer.headers.get('x-greeted')], ['hi', 'yes'])
  })
}

test('js where no runtime is named; the manifest says how to go on', async context => {
  const folder = temporaryFolder(context)
  assert.equal((await polygate(['plugin', 'new', 'first'], folder)).status, 0)
  const manifest = readFileSync(join(folder, 'first', 'plugin.yaml'), 'utf8')
  assert.match(manifest, /^# polygate plugin test \. /)
  assert.match(manifest, /^name: first\n.*^runtime: js$/ms)
  assert.ok(!manifest.includes('greeting plugin'))
})

test('nothing is overwritten: a folder with anything in it is refused, an empty one is not', async context => {
  const folder = temporaryFolder(context)
  mkdirSync(join(folder, 'taken'))
  writeFileSync(join(folder, 'taken', 'mine'), 'mine')
  const { status, output, errors } = await polygate(['plugin', 'new', 'taken'], folder)
  assert.deepEqual([status, output], [1, ''])
  assert.equal(errors, 'polygate plugin new: taken exists, and is not empty\n')
  assert.deepEqual(readdirSync(join(folder, 'taken')), ['mine'])
  mkdirSync(join(folder, 'empty'))
  assert.equal((await polygate(['plugin', 'new', 'empty'], folder)).status, 0)
  writeFileSync(join(folder, 'file'), '')
  for (const name of ['file', 'file/inside']) {
    const refused = await polygate(['plugin', 'new', name], folder)
    assert.equal(refused.status, 1, name)
    assert.match(refused.errors, new RegExp(`^polygate plugin new: ${name}: `))
  }
})

test('a name that is none, an unknown runtime with the nearest, no folder, two folders', async context => {
  const folder = temporaryFolder(context)
  for (const name of ['Hello', '1st', 'a_b', '-a', 'é', 'a'.repeat(65)]) {
    const { status, errors } = await polygate(['plugin', 'new', '--runtime', 'js', '--', name], folder)
    assert.equal(status, 2, name)
    assert.match(errors, new RegExp(`^polygate plugin new: found "${name}", expected a name of small letters`))
  }
  const unknown = await polygate(['plugin', 'new', 'first', '--runtime', 'rusty'], folder)
  assert.equal(unknown.status, 2)
  assert.match(
    unknown.errors,
    /^polygate plugin new: found --runtime "rusty", expected one of js, .*; did you mean rust\?\n$/,
  )
  for (const args of [['new'], ['new', 'a', 'b'], ['new', 'a', '--runtime'], ['new', 'a', '--force']]) {
    assert.equal((await polygate(['plugin', ...args], folder)).status, 2, args.join(' '))
  }
  assert.deepEqual(readdirSync(folder), [])
  assert.ok(!existsSync(join(folder, 'first')))
})

test('an unknown command of plugin, and none', async context => {
  const folder = temporaryFolder(context)
  const unknown = await polygate(['plugin', 'tset'], folder)
  assert.equal(unknown.status, 2)
  assert.match(
    unknown.errors,
    /^polygate plugin: found "tset", expected one of new, .*; did you mean test\?\n\nusage: /,
  )
  assert.equal((await polygate(['plugin'], folder)).status, 2)
  assert.equal((await polygate(['plugin', 'constructor'], folder)).status, 2)
  const help = await polygate(['plugin', '--help'], folder)
  assert.equal(help.status, 0)
  for (const runtime of runtimeNames) assert.match(help.output, new RegExp(`--runtime.*\\b${runtime}\\b`))
})
