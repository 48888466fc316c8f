// Pins `polygate bench`: what it cannot run is said with the status that the design gives (1 not here, 2 usage), and a
// very short run against no rivals prints its table and writes its JSON where the user stands.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { missingFor } from '../../ts/command/bench.ts'
import { packageRoot } from '../../ts/shared/native.ts'
import { polygate, temporaryFolder } from './polygate.ts'

test('what is asked for wrongly: status 2, what was expected, and the usage', async context => {
  const folder = temporaryFolder(context)
  for (const [args, said] of [
    [[], /found no suite, expected one of proxy, memory, flat, idle, reload, start\n/],
    [['proxi'], /found "proxi", expected one of proxy,/],
    [['proxy', 'flat'], /found "proxy" "flat", expected one of proxy,/],
    [['constructor'], /found "constructor", expected one of proxy,/],
    [['proxy', '--round', '1'], /Unknown option '--round'/],
    [['proxy', '--rounds', '0'], /--rounds: found "0", expected a whole number from 1\n/],
    [['proxy', '--seconds', '1s'], /--seconds: found "1s", expected a whole number from 1\n/],
    [['proxy', '--connections', '1,,2'], /--connections: found "", expected a whole number from 1\n/],
    [['proxy', '--rivals', 'nginx,apache'], /--rivals: found apache, expected some of nginx, haproxy, haproxy-64k\n/],
    [['proxy', '--generator', 'ab'], /--generator: found ab, expected autocannon or wrk\n/],
  ] as const) {
    const { status, output, errors } = await polygate(['bench', ...args], folder)
    assert.deepEqual([status, output], [2, ''], `${args.join(' ')}: ${errors}`)
    assert.match(errors, /^polygate bench: /)
    assert.match(errors, said)
    assert.match(errors, /\nusage: polygate bench SUITE/)
  }
})

test('where bench/ or its loader is missing, it says what is missing', context => {
  const root = temporaryFolder(context)
  assert.match(missingFor(root) ?? '', /bench\/main\.ts is missing: benchmarks run from a checkout/)
  mkdirSync(join(root, 'bench'))
  writeFileSync(join(root, 'bench', 'main.ts'), '')
  assert.match(missingFor(root) ?? '', /^the package tsx is missing: run `npm ci`/)
  assert.equal(missingFor(packageRoot), null)
})

test('a short run against no rivals', async context => {
  const folder = temporaryFolder(context)
  const short = ['--rounds', '1', '--seconds', '1', '--warm-up', '0', '--connections', '2', '--bodies', '128']
  const args = ['bench', 'proxy', ...short, '--rivals', '', '--json', 'out.json']
  const { status, output, errors } = await polygate(args, folder, { INIT_CWD: packageRoot })
  assert.equal(status, 0, errors)
  assert.match(output, /^case .* CPU us\/request /m)
  assert.match(output, /^128 B, 2 connections +polygate +\d+\.\d\d /m)
  const written = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as {
    suite: string
    results: { gateway: string; cpuUs: number; requestsPerSecond: number }[]
  }
  assert.equal(written.suite, 'proxy')
  assert.ok(written.results.length >= 2)
  for (const { gateway, cpuUs, requestsPerSecond } of written.results) {
    assert.ok(cpuUs > 0 && requestsPerSecond > 0, gateway)
  }
})
