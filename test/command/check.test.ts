// `polygate check`: all errors in one pass on standard error and status 1; one line and status 0 for a good file; the
// same as JSON for machines.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { polygate, temporaryFolder } from './polygate.ts'

const bad = 'listen: [{ port: 99999 }]\nworkrs: 2\n'
const good = `listen: [{ port: 0 }]
upstreams: { a: { peers: [{ url: "http://127.0.0.1:1" }, { url: "http://127.0.0.1:2" }] } }
routes: [{ name: a, match: {}, upstream: a }, { name: b, match: { path: "\${B_PATH}" }, upstream: a }]
`

test('errors are shown line by line, status 1', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'bad.yaml'), bad)
  const { status, output, errors } = await polygate(['check', '--config', 'bad.yaml'], folder)
  assert.deepEqual([status, output], [1, ''])
  assert.deepEqual(errors.split('\n'), [
    'bad.yaml:1:18 listen[0].port: found number 99999, expected a whole number from 0 to 65535',
    'bad.yaml:2:1 workrs: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes; did you mean workers?',
    '2 errors',
    '',
  ])
})

test('errors as JSON', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'polygate.json'), '{"listen": [{"port": 1}],\n "workers": 0}')
  const { status, output, errors } = await polygate(['check', '--format', 'json'], folder)
  assert.deepEqual([status, errors], [1, ''])
  const error = {
    file: 'polygate.json',
    line: 2,
    column: 13,
    path: 'workers',
    message: 'found number 0, expected a whole number from 1 to 256',
  }
  assert.deepEqual(JSON.parse(output), { ok: false, errors: [error] })
})

test('no configuration, a missing one, a folder', async context => {
  const folder = temporaryFolder(context)
  mkdirSync(join(folder, 'sub'))
  for (const [args, message] of [
    [[], /^polygate\.yaml:1:1: no configuration found, /],
    [['-c', 'none.yaml'], /^none\.yaml:1:1: no such file\n/],
    [['-c', 'sub'], /^sub:1:1: a folder, expected a file\n/],
  ] as const) {
    const { status, errors } = await polygate(['check', ...args], folder)
    assert.equal(status, 1)
    assert.match(errors, message)
  }
})

test('an expression that a client could make costly is refused at its route', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(
    join(folder, 'polygate.yaml'),
    'listen: [{ port: 0 }]\nroutes:\n  - { name: a, match: { path: "~^/(a+)+$" }, respond: {} }\n',
  )
  const { status, errors } = await polygate(['check'], folder)
  assert.equal(status, 1)
  assert.match(errors, /^polygate\.yaml:3:5 routes\[0\]: .*exponential.*\n1 error\n$/)
})

test('a good file: counts, status 0; the environment is seen', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'polygate.yaml'), good)
  const text = await polygate(['check'], folder, { B_PATH: '/b' })
  assert.deepEqual(text, {
    status: 0,
    output: 'ok polygate.yaml: 1 listener, 2 routes, 1 upstream with 2 peers\n',
    errors: '',
  })
  const json = await polygate(['check', '--format=json'], folder, { B_PATH: '/b' })
  const { version, ...rest } = JSON.parse(json.output) as { version: string }
  assert.match(version, /^[0-9a-f]{12}$/)
  assert.deepEqual(rest, { ok: true, file: 'polygate.yaml', listeners: 1, routes: 2, upstreams: 1, peers: 2 })
  const missing = await polygate(['check'], folder)
  assert.equal(missing.status, 1)
  assert.match(missing.errors, /environment variable B_PATH is not set/)
})
