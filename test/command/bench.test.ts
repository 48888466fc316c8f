// Pins `polygate bench`: what it cannot run is said with the status that the design gives (1 not here, 2 usage), and a
// very short run against no rivals prints its table and writes its JSON where the user stands. How long things take is
// not looked at: a limit that is passed on a busy machine (status 1) is no fault here, an answer that is wrong is.
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
    [[], /found no suite, expected one of proxy, signing, guards, plugins, memory, flat, idle, reload, start\n/],
    [['proxi'], /found "proxi", expected one of proxy,/],
    [['proxy', 'flat'], /found "proxy" "flat", expected one of proxy,/],
    [['constructor'], /found "constructor", expected one of proxy,/],
    [['proxy', '--round', '1'], /Unknown option '--round'/],
    [['proxy', '--rounds', '0'], /--rounds: found "0", expected a whole number from 1\n/],
    [['proxy', '--seconds', '1s'], /--seconds: found "1s", expected a whole number from 1\n/],
    [['proxy', '--connections', '1,,2'], /--connections: found "", expected a whole number from 1\n/],
    [['proxy', '--rivals', 'nginx,apache'], /--rivals: found apache, expected some of nginx, haproxy, haproxy-64k\n/],
    [['guards', '--rivals', 'haproxy-64k'], /--rivals: found haproxy-64k, expected some of nginx, haproxy\n/],
    [['guards', '--connections', '1,32'], /--connections: found "1,32", expected a whole number from 1\n/],
    [['guards', '--bodies', '128'], /--bodies: no option of guards\n/],
    [['plugins', '--rivals', 'nginx'], /--rivals: no option of plugins\n/],
    [['plugins', '--requests', '0'], /--requests: found "0", expected a whole number from 1\n/],
    [['signing', '--rounds', '0'], /--rounds: found "0", expected a whole number from 1\n/],
    [['signing', '--seconds', '1'], /--seconds: no option of signing\n/],
    [['flat', '--rounds', '1'], /--rounds: no option of flat\n/],
    [['guards', '--generator', 'ab'], /--generator: found ab, expected autocannon or wrk\n/],
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

test('a short run of signing', async context => {
  const folder = temporaryFolder(context)
  const args = ['bench', 'signing', '--rounds', '2', '--json', 'out.json']
  const { status, output, errors } = await polygate(args, folder, { INIT_CWD: packageRoot })
  assert.ok(status === 0 || status === 1, errors)
  assert.match(output, /^mashery-sha256, forged, two texts +\d+ /m)
  assert.match(output, /^(ok  |OVER)  a cold window of 601, SHA-256, portable: [\d.]+ ns \(limit 150000 ns\)$/m)
  assert.match(output, /^ok {4}memory of a key, 10000 of them: /m)
  const written = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as {
    tables: number
    cases: { name: string; medianNs: number }[]
  }
  assert.equal(written.tables, 10_000)
  assert.ok(written.cases.length > 25)
  for (const { name, medianNs } of written.cases) assert.ok(medianNs > 0, name)
})

test('a short run of guards against no rivals', async context => {
  const folder = temporaryFolder(context)
  const short = ['--rounds', '1', '--seconds', '1', '--warm-up', '0', '--connections', '4', '--rivals', '']
  const args = ['bench', 'guards', ...short, '--json', 'out.json']
  const { status, output, errors } = await polygate(args, folder, { INIT_CWD: packageRoot })
  assert.ok(status === 0 || status === 1, errors)
  assert.match(output, /^key \+ signature \+ limit +\d+\.\d\d /m)
  assert.match(output, /^ok {4}1000 of a limit of 1000 admitted by two workers/m)
  const written = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as {
    results: { case: string; workerCpuUs: number }[]
    flood: { costUs: Record<string, number>; p99Ms: Record<string, number> }
  }
  assert.equal(written.results.length, 7)
  for (const one of written.results) assert.ok(one.workerCpuUs > 0, one.case)
  assert.equal(Object.values(written.flood.costUs).filter(us => us > 0).length, 4)
  assert.equal(Object.values(written.flood.p99Ms).filter(ms => ms > 0).length, 3)
})

test('a short run of plugins', async context => {
  const folder = temporaryFolder(context)
  const short = ['--rounds', '1', '--seconds', '1', '--warm-up', '0', '--connections', '4', '--requests', '100']
  const environment = { INIT_CWD: packageRoot, CARGO_NET_OFFLINE: 'true' }
  const { status, output, errors } = await polygate(
    ['bench', 'plugins', ...short, '--json', 'out.json'],
    folder,
    environment,
  )
  assert.ok(status === 0 || status === 1, errors)
  assert.match(output, /^js worker +\d+\.\d\d /m)
  assert.match(output, /^(ok  |OVER)  js worker: p50 that a call adds, one in flight: -?\d+ us \(limit 60 us\)$/m)
  const { results } = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as {
    results: { case: string; loopCpuUs: number; addedUs: number | null; limitUs: number | null }[]
  }
  assert.deepEqual(
    results.map(one => one.case),
    ['no plugin', 'js inline', 'js worker', 'rust', 'lua'],
  )
  for (const one of results) {
    assert.ok(one.loopCpuUs > 0, one.case)
    assert.equal(one.addedUs === null, one.limitUs === null, one.case)
  }
})
