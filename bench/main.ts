// `npm run bench -- SUITE [options]`, `polygate bench SUITE [options]`: argv -> suite. Installs the packages of bench/
// on first use. Exit status as the command line's: 1 a limit was passed, 2 usage, 3 the measurement failed.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { usage } from '../ts/command/bench.ts'
import { parseBench, UsageError, type BenchOptions } from './options.ts'
import { findCommand } from './processes.ts'

try {
  const argv = process.argv.slice(2)
  if (argv.includes('--help') || argv.includes('-h')) console.log(usage)
  else {
    const options = parseBench(argv)
    if (findCommand('taskset') === null) throw new Error('taskset is missing (Debian: apt install util-linux)')
    installPackages()
    await run(options)
  }
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  console.error(error instanceof UsageError ? `polygate bench: ${message}\n\n${usage}` : `polygate bench: ${message}`)
  process.exit(error instanceof UsageError ? 2 : 3)
}
process.exit(process.exitCode ?? 0)

function installPackages(): void {
  if (existsSync(join(import.meta.dirname, 'node_modules', 'autocannon'))) return
  console.error('installing the packages of bench/ (once)')
  const { status } = spawnSync('npm', ['ci'], { cwd: import.meta.dirname, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`its packages could not be installed; try \`npm ci\` in ${import.meta.dirname}`)
}

async function run(options: BenchOptions): Promise<void> {
  // npm runs this in bench/: a file name is meant from where the user stands.
  const json = options.json === null ? null : resolve(process.env['INIT_CWD'] ?? '.', options.json)
  switch (options.suite) {
    case 'proxy':
      return (await import('./suites/proxy.ts')).proxySuite(options.proxy, json)
    case 'signing':
      return (await import('./suites/signing.ts')).signingSuite(options.signing, json)
    case 'guards':
      return (await import('./suites/guards.ts')).guardsSuite(options.guards, json)
    case 'plugins':
      return (await import('./suites/plugins.ts')).pluginsSuite(options.plugins, json)
    case 'memory':
      return (await import('./suites/memory.ts')).memorySuite(json)
    case 'flat':
      return (await import('./suites/flat.ts')).flatSuite(json)
    case 'idle':
      return (await import('./suites/idle.ts')).idleSuite(json)
    case 'reload':
      return (await import('./suites/reload.ts')).reloadSuite(json)
    case 'start':
      return (await import('./suites/start.ts')).startSuite(json)
  }
}
