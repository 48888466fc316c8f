// Pins plugins/README.md: its first plugins are made by its own lines, and do what it says; its tables of hooks and folders
// are those that there are; the schema in plugins/contract is the one that the code gives.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { casesSchemaText, manifestSchemaText } from '../ts/command/schema.ts'
import { hookNames } from '../ts/shared/plugin-hooks.ts'
import { startGateway } from './helpers/gateway.ts'
import { buildIn } from './helpers/native-library.ts'
import { startEcho } from './helpers/upstream.ts'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'plugins/README.md'), 'utf8')

/** The first block of a language in the section of that heading. */
function block(language: string, heading: string): string {
  const [, section = ''] = readme.split(new RegExp(`^## ${heading}$`, 'm'))
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(section)?.[1] ?? ''
}

/** Runs the lines of those sections; `plugin`: the folder that their configuration names in the end. */
async function runFirst(t: TestContext, headings: readonly string[], plugin: string): Promise<void> {
  const lines = headings.map(heading => block('sh', heading)).join('')
  const folder = mkdtempSync(join(tmpdir(), 'polygate-first-plugin-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(join(root, 'dist'), join(folder, 'dist'))
  const made = spawnSync('bash', ['-euc', lines], { cwd: folder, encoding: 'utf8' })
  assert.equal(made.status, 0, made.stderr)
  assert.match(made.stdout, /^ok polygate\.yaml: 1 listener, 1 route, 1 upstream/m)

  const echo = await startEcho(t)
  const gateway = await startGateway(
    t,
    readFileSync(join(folder, 'polygate.yaml'), 'utf8')
      .replace('127.0.0.1, port: 8085', '127.0.0.1, port: %PORT%')
      .replace('http://127.0.0.1:9005', echo.url)
      .replace(`./${plugin},`, `${join(folder, plugin)},`),
  )
  assert.match(gateway.readyLine, / plugins=1 /)
  const answer = await fetch(gateway.url)
  const seen = (await answer.json()) as { headers: Record<string, string> }
  assert.deepEqual([seen.headers['x-greeting'], answer.headers.get('x-greeted')], ['hi', 'yes'])
  const blocked = await fetch(gateway.url, { headers: { 'x-block': '1' } })
  assert.deepEqual([blocked.status, await blocked.text()], [403, 'blocked\n'])
}

test('the first plugin, as its lines make it', t => runFirst(t, ['A first plugin'], 'hello'))
test('the same in Luau', t => runFirst(t, ['A first plugin', 'In Luau'], 'hello-lua'))

test('its cases, tested and measured as its lines say', t => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-tested-plugin-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(join(root, 'dist'), join(folder, 'dist'))
  const shell = (lines: string): ReturnType<typeof spawnSync> =>
    spawnSync('bash', ['-euc', lines], { cwd: folder, encoding: 'utf8' })
  const made = shell(block('sh', 'Test'))
  assert.equal(made.status, 0, String(made.stderr))
  for (const file of block('sh', 'Test')
    .match(/(?<=writes ).*/)![0]
    .split(', '))
    assert.ok(existsSync(join(folder, file)), file)
  assert.match(String(made.stdout), /^3 passed, 0 failed$/m)
  writeFileSync(join(folder, 'hi/cases.yaml'), block('yaml', 'Test'))
  const tried = shell('node dist/main.js plugin test hi')
  assert.match(String(tried.stdout), /^ok {4}greets the upstream\nok {4}blocks who asks for it\n2 passed, 0 failed\n$/)
  const measured = shell(`${block('sh', 'Bench').trim()} --rounds 1`)
  assert.match(String(measured.stdout), /^hi 1\.0\.0, js inline: greets the upstream$/m, String(measured.stderr))
})

const greetings = readdirSync(join(root, 'plugins/examples')).filter(name => name.startsWith('greeting-'))

for (const example of greetings) {
  test(`the example ${example}`, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'polygate-example-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    cpSync(join(root, 'plugins/examples', example), folder, { recursive: true })
    buildIn(folder, example)
    const cases = join(root, 'plugins/examples/cases.yaml')
    const main = join(root, 'dist/main.js')
    const tried = spawnSync(process.execPath, [main, 'plugin', 'test', folder, '--cases', cases], { encoding: 'utf8' })
    assert.match(tried.stdout, /^(ok .*\n)+3 passed, 0 failed\n$/, tried.stderr)

    const echo = await startEcho(t)
    const gateway = await startGateway(
      t,
      `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
plugins: { greeting: { path: ${folder}, config: { greeting: hello } } }
routes: [ { name: all, match: { path: "/*" }, upstream: echo, plugins: [ greeting ] } ]
`,
    )
    const answer = await fetch(gateway.url, { headers: { 'x-internal': 'secret' } })
    const { headers } = (await answer.json()) as { headers: Record<string, string> }
    assert.deepEqual([headers['x-greeting'], headers['x-internal']], ['hello', undefined])
    assert.equal(answer.headers.get('x-greeted'), 'yes')
    const blocked = await fetch(gateway.url, { headers: { 'x-block': '1' } })
    assert.deepEqual([blocked.status, await blocked.text()], [403, 'blocked'])
  })
}

test('its tables are what there is', () => {
  const rows = [...readme.matchAll(/^\| `([a-z/-]+)` \|/gm)].map(([, name]) => name!)
  assert.deepEqual(
    rows.filter(name => (hookNames as readonly string[]).includes(name)),
    [...hookNames],
  )
  for (const folder of rows.filter(name => name.endsWith('/'))) readdirSync(join(root, 'plugins', folder))
})

test('the schemas of the manifest and of cases are those that the code gives', () => {
  const contract = (file: string): string => readFileSync(join(root, 'plugins/contract', file), 'utf8')
  assert.equal(contract('plugin.schema.json'), manifestSchemaText())
  assert.equal(contract('cases.schema.json'), casesSchemaText())
})
