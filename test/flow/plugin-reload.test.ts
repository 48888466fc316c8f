// Pins how plugins come and go: a changed file is noticed by --watch and serves from then on, a plugin that cannot be made
// refuses the start or the reload and the old one goes on, reloads under load lose no request, and an unchanged plugin
// keeps what it remembers.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { within, type Scope } from '../helpers/scope.ts'

const waitMs = 20_000

function pluginIn(t: Scope, isolation: string, code: string, helper = "export const word = 'one'\n"): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-reload-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'p'))
  const manifest = `name: p\nversion: 1.0.0\nruntime: js\nisolation: ${isolation}\nentry: ./plugin.ts\nhooks: [request]\n`
  writeFileSync(join(folder, 'p', 'plugin.yaml'), manifest)
  writeFileSync(join(folder, 'p', 'plugin.ts'), code)
  writeFileSync(join(folder, 'p', 'helper.ts'), helper)
  return join(folder, 'p')
}

const answers = `import { word } from './helper.ts'
let calls = 0
export default (config: { more?: string }) => ({
  request: (request: any) => request.respond(200, {}, word + (config.more ?? '') + (request.query === 'calls' ? ++calls : '')),
})
`
const configuration = (folder: string, more: string, rest = ''): string => `workers: 2
plugins: { p: { path: ${folder}, config: { more: "${more}" }, timeoutMs: 5000 } }
routes: [ { name: a, match: { path: "/*" }, respond: { status: 204 }, plugins: [ p ] }${rest} ]
`
const textOf = async (gateway: RunningGateway, path = '/'): Promise<string> => (await fetch(gateway.url + path)).text()

async function untilText(gateway: RunningGateway, text: string): Promise<void> {
  // Both workers must have it: each connection may be another's.
  for (let same = 0; same < 20;) same = (await textOf(gateway)) === text ? same + 1 : 0
}

for (const isolation of ['inline', 'worker']) {
  test(`a changed helper file is noticed, ${isolation}`, async t => {
    const folder = pluginIn(t, isolation, answers)
    const gateway = await startGateway(t, configuration(folder, ''), { args: ['--watch'] })
    assert.equal(await textOf(gateway), 'one')
    writeFileSync(join(folder, 'helper.ts'), "export const word = 'two'\n")
    await within(waitMs, 'the new version', untilText(gateway, 'two'))
    // A slip is told, and changes nothing.
    const from = gateway.logs().length
    writeFileSync(join(folder, 'plugin.ts'), 'export default (\n')
    await within(waitMs, 'the refusal', gateway.line(/its code does not compile: plugin\.ts:\d+:\d+/, from))
    assert.equal(await textOf(gateway), 'two')
  })

  test(`reloads under load lose no request, and an unchanged plugin is not made anew, ${isolation}`, async t => {
    const folder = pluginIn(t, isolation, answers)
    const gateway = await startGateway(t, configuration(folder, '').replace('workers: 2', 'workers: 1'))
    assert.equal(await textOf(gateway, '/?calls'), 'one1')
    let over = false
    let asked = 0
    const asking = Array.from({ length: 4 }, async () => {
      while (!over) {
        const response = await fetch(gateway.url)
        assert.equal(response.status, 200)
        assert.match(await response.text(), /^one\d*$/)
        asked++
      }
    })
    for (let nth = 0; nth < 10; nth++) {
      const line = await gateway.reload(
        configuration(folder, nth % 2 === 0 ? String(nth) : '').replace('workers: 2', 'workers: 1'),
      )
      assert.match(line, /reloaded/)
    }
    const rest = ', { name: b, match: { path: /b }, respond: {} }'
    assert.match(await gateway.reload(configuration(folder, '', rest).replace('workers: 2', 'workers: 1')), /reloaded/)
    assert.equal(await textOf(gateway, '/?calls'), 'one1', 'another plugin was in between')
    assert.match(await gateway.reload(configuration(folder, '').replace('workers: 2', 'workers: 1')), /reloaded/)
    assert.equal(await textOf(gateway, '/?calls'), 'one2', 'the same is the same')
    over = true
    await Promise.all(asking)
    assert.ok(asked > 0)
  })

  test(`a plugin that cannot be made refuses the start and the reload, ${isolation}`, async t => {
    const broken = pluginIn(t, isolation, "export default () => {\n  throw new Error('no way')\n}\n")
    await assert.rejects(
      startGateway(t, configuration(broken, '')),
      (error: Error) =>
        /plugin p: .*no way/.test(error.message) &&
        error.message.includes(`${broken}/plugin.ts:2:9`) &&
        !/ready/.test(error.message),
    )
    const sound = pluginIn(t, isolation, answers)
    const gateway = await startGateway(t, configuration(sound, ''))
    assert.match(await gateway.reload(configuration(broken, '')), /no way|refused/)
    assert.equal(await textOf(gateway), 'one')
    const hookless = pluginIn(t, isolation, 'export default () => ({ respond() {} })\n')
    const from = gateway.logs().length
    await gateway.reload(configuration(hookless, ''))
    await within(waitMs, 'the reason', gateway.line(/plugin\.yaml names the hook request/, from))
    assert.equal(await textOf(gateway), 'one')
  })
}
