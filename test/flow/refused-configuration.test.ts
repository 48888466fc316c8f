// Pins: what `check` refuses, `run` refuses with the same words and status 1, and a reload refuses with the same words
// while the old configuration serves on. Also where only compiling a route finds what is wrong.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'

const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js')

const good = 'routes:\n  - { name: ping, match: { path: /ping }, respond: { body: pong } }\n'
const bad: Readonly<Record<string, string>> = {
  'an expression that a client could make costly':
    'routes:\n  - { name: a, match: { path: "~^/(a+)+$" }, respond: {} }\n  - { name: b, match: { path: "~^/(b+)+$" }, respond: {} }\n',
  'an unknown key': `workrs: 2\n${good}`,
  'a certificate that is not there': `${good}listen:\n  - { port: %PORT%, tls: { certificate: ./none.pem, key: ./none.key } }\n`,
}

for (const [what, yaml] of Object.entries(bad)) {
  test(what, async t => {
    const gateway = await startGateway(t, good)
    gateway.rewrite(yaml)
    const dist = (command: string) =>
      spawnSync(process.execPath, [main, command, '--config', gateway.configFile], { encoding: 'utf8' })
    const checked = dist('check')
    assert.equal(checked.status, 1)
    const said = checked.stderr.trim().split('\n').slice(0, -1)
    assert.ok(said.length > 0 && said.every(line => line.startsWith(`${gateway.configFile}:`)), checked.stderr)

    await gateway.line(/reload refused/)
    const report = (await (await fetch(`${gateway.adminUrl}/reload`)).json()) as { lastReload: { reasons: string[] } }
    assert.deepEqual(report.lastReload.reasons, said)
    const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    for (const line of said) await gateway.line(new RegExp(escaped(JSON.stringify(line))))
    assert.equal(await (await fetch(`${gateway.url}/ping`)).text(), 'pong')

    // The ports are taken by the gateway that serves on: the configuration is refused before any is asked for.
    const run = dist('run')
    assert.deepEqual([run.status, run.stdout], [1, ''])
    assert.deepEqual(run.stderr.trim().split('\n'), said)

    // Mended, it is taken.
    const taken = gateway.line(/reloaded/, gateway.logs().length)
    gateway.rewrite(good.replace('pong', 'again'))
    await taken
    assert.equal(await (await fetch(`${gateway.url}/ping`)).text(), 'again')
  })
}
