// Errors in plugins: of the operator's entry at its place in the configuration, of a manifest at its place in plugin.yaml, of
// the code at the author's line. Nothing of a plugin runs when it is loaded.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ConfigErrors, formatError, readConfig } from '../../ts/config/load.ts'

const root = mkdtempSync(join(tmpdir(), 'polygate-plugins-'))
after(() => rmSync(root, { recursive: true, force: true }))

const manifest = `name: hello
version: 1.0.0
runtime: js
entry: ./plugin.ts
hooks: [request]
config: { type: object, properties: { greeting: { type: string } }, required: [greeting], additionalProperties: false }
`
const code = "export default () => ({ request() {} })\nthrow new Error('this must not run')\n"

function folder(name: string, files: Readonly<Record<string, string | Buffer>>): void {
  mkdirSync(join(root, name), { recursive: true })
  for (const [file, content] of Object.entries(files)) writeFileSync(join(root, name, file), content)
}

/** With `FOLDER` for the folder of the test. */
function errorsOf(plugins: string, routePlugins = '[]'): string[] {
  const text = `listen: [{ port: 8080 }]
plugins:
${plugins}
routes: [ { name: a, match: {}, respond: {}, plugins: ${routePlugins} } ]`
  try {
    readConfig(text, join(root, 'f'), { SECRET: 'top secret' })
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigErrors)
    return error.errors.map(one => formatError(one).replaceAll(`${root}/`, ''))
  }
}

folder('sound', { 'plugin.yaml': manifest, 'plugin.ts': code })

test('a sound plugin, and one that a route names and nobody has', () => {
  assert.deepEqual(errorsOf('  hello: { path: ./sound, config: { greeting: hi } }', '[hello, hello]'), [])
  assert.deepEqual(errorsOf('  hello: { path: ./sound, config: { greeting: hi } }', '[helo]'), [
    'f:4:56 routes[0].plugins[0]: found "helo", expected one of the plugins hello; did you mean hello?',
  ])
})

test('entries that are none', () => {
  assert.deepEqual(
    errorsOf(`  a: { config: {} }
  b: { path: "" }
  c: { path: ./sound, timeoutMs: 0, onFailure: maybe }
  d: { path: ./sound, hooks: { reqest: {} } }
  "e e": { path: ./sound }`),
    [
      'f:3:6 plugins.a: path is missing (Folder that holds plugin.yaml)',
      'f:4:14 plugins.b.path: found "", expected the name of a folder',
      'f:5:34 plugins.c.timeoutMs: found number 0, expected a whole number from 1 to 600000 milliseconds',
      'f:5:48 plugins.c.onFailure: found "maybe", expected one of closed, open',
      'f:6:32 plugins.d.hooks.reqest: found "reqest", expected one of request, authenticate, authorize, forward, response, log',
      'f:7:3 plugins["e e"]: found "e e", expected a name of letters, digits, ".", "_" and "-" that begins with a letter or digit, at most 128 long',
    ],
  )
})

test('folders that are none, and configurations that the manifest does not want', () => {
  folder('empty', {})
  assert.deepEqual(
    errorsOf(`  a: { path: ./nowhere }
  b: { path: ./empty }
  c: { path: ./sound, config: { greetin: hi } }
  d: { path: ./sound, config: { greeting: 7 } }
  e: { path: ./sound, config: { greeting: hi }, hooks: { response: { timeoutMs: 5 } } }
  f: { path: ./sound, config: { greeting: hi, "\${SECRET}": 1 } }`),
    [
      'f:3:14 plugins.a.path: there is no such folder',
      'f:4:14 plugins.b.path: plugin.yaml: no such file',
      "f:5:31 plugins.c.config: must have required property 'greeting'",
      'f:6:43 plugins.d.config.greeting: must be string',
      'f:7:68 plugins.e.hooks.response: the plugin has no hook response, only request',
      'f:8:31 plugins.f.config: must NOT have additional properties',
    ],
  )
})

test('manifests with errors, each once though two plugins have it', () => {
  folder('broken', {
    'plugin.yaml': `name: two words
version: one
runtime: cobol
entry: ../elsewhere.ts
hooks: []
body: { request: everything }
isolation: alone
extra: 1
`,
    'plugin.ts': code,
  })
  assert.deepEqual(
    errorsOf(`  a: { path: ./broken }
  b: { path: ./broken }`).map(line => line.replace(/: found.*/, '')),
    [
      'broken/plugin.yaml:1:7 name',
      'broken/plugin.yaml:2:10 version',
      'broken/plugin.yaml:3:10 runtime',
      'broken/plugin.yaml:4:8 entry',
      'broken/plugin.yaml:5:8 hooks',
      'broken/plugin.yaml:6:18 body.request',
      'broken/plugin.yaml:7:12 isolation',
      'broken/plugin.yaml:8:1 extra: unknown key, expected one of name, version, runtime, isolation, entry, build, hooks, body, config',
    ],
  )
  folder('not-yaml', { 'plugin.yaml': 'name: [', 'plugin.ts': code })
  assert.match(errorsOf('  a: { path: ./not-yaml }')[0]!, /^not-yaml\/plugin\.yaml:\d+:\d+: not readable as YAML/)
  folder('no-schema', { 'plugin.yaml': `${manifest.split('config:')[0]}config: { type: 7 }\n`, 'plugin.ts': code })
  assert.match(errorsOf('  a: { path: ./no-schema }')[0]!, /plugin\.yaml: config is no JSON Schema: /)
})

test('a plugin in native code is always inline, and its library is there', () => {
  const native = manifest.replace('runtime: js', 'runtime: rust').replace('plugin.ts', 'plugin.so')
  folder('threaded', { 'plugin.yaml': `${native}isolation: worker\n`, 'plugin.so': 'library' })
  folder('unbuilt', { 'plugin.yaml': native })
  const config = 'config: { greeting: hi }'
  assert.deepEqual(errorsOf(`  a: { path: ./threaded, ${config} }\n  b: { path: ./unbuilt, ${config} }`), [
    'f:3:14 plugins.a.path: plugin.yaml: a plugin of runtime rust is always inline',
    'f:4:14 plugins.b.path: entry ./plugin.so: no such file',
  ])
})

test('a plugin in Luau is always inline, and holds its worker for a short time only', () => {
  const luau = manifest.replace('runtime: js', 'runtime: lua').replace('plugin.ts', 'plugin.lua')
  folder('luau', { 'plugin.yaml': luau, 'plugin.lua': "error('this must not run')\n" })
  folder('luau-threaded', { 'plugin.yaml': `${luau}isolation: worker\n`, 'plugin.lua': '' })
  const config = 'config: { greeting: hi }'
  assert.deepEqual(errorsOf(`  a: { path: ./luau, ${config}, timeoutMs: 250 }`), [])
  const tooLong = 'a plugin of runtime lua holds its worker while it runs: 250 ms at most'
  assert.deepEqual(
    errorsOf(`  a: { path: ./luau-threaded, ${config} }
  b: { path: ./luau, ${config}, timeoutMs: 251 }
  c: { path: ./luau, ${config}, hooks: { request: { timeoutMs: 300 } } }`),
    [
      'f:3:14 plugins.a.path: plugin.yaml: a plugin of runtime lua is always inline',
      `f:4:59 plugins.b.timeoutMs: ${tooLong}`,
      `f:5:79 plugins.c.hooks.request.timeoutMs: ${tooLong}`,
    ],
  )
})

test('code that does not compile is told at its line', () => {
  folder('wrong', { 'plugin.yaml': manifest, 'plugin.ts': 'export default () => ({\n  request( {\n})\n' })
  folder('lost', { 'plugin.yaml': manifest, 'plugin.ts': "import './not-here.ts'\nexport default () => ({})\n" })
  const config = 'config: { greeting: hi }'
  assert.match(
    errorsOf(`  a: { path: ./wrong, ${config} }`)[0]!,
    /^f:3:14 plugins\.a\.path: its code does not compile: plugin\.ts:[34]:\d+: /,
  )
  assert.match(errorsOf(`  a: { path: ./lost, ${config} }`)[0]!, /plugin\.ts:1:8: Could not resolve "\.\/not-here\.ts"/)
  const luau = manifest.replace('runtime: js', 'runtime: lua').replace('plugin.ts', 'plugin.lua')
  folder('wrong-luau', { 'plugin.yaml': luau, 'plugin.lua': 'return function()\n  return {\n' })
  folder('latin', { 'plugin.yaml': luau, 'plugin.lua': Buffer.from("return '\xe9'", 'latin1') })
  assert.deepEqual(errorsOf(`  a: { path: ./wrong-luau, ${config} }\n  b: { path: ./latin, ${config} }`), [
    'f:3:14 plugins.a.path: its code does not compile: plugin.lua:3: Expected identifier when parsing expression, got <eof>',
    'f:4:14 plugins.b.path: its code is not UTF-8: plugin.lua',
  ])
})

test('a changed helper file is a changed plan, and an unchanged plugin none', () => {
  const versionOf = (): string =>
    readConfig(
      'listen: [{ port: 8080 }]\nplugins: { a: { path: ./helped, config: { greeting: hi } } }',
      join(root, 'f'),
      {},
    ).plan.version
  const helped = "import { word } from './helper.ts'\nexport default () => ({ request() { return word } })\n"
  folder('helped', { 'plugin.yaml': manifest, 'plugin.ts': helped, 'helper.ts': "export const word = 'a'\n" })
  const first = versionOf()
  assert.equal(versionOf(), first)
  folder('helped', { 'helper.ts': "export const word = 'b'\n" })
  assert.notEqual(versionOf(), first)
})
