// `npm run bench -- SUITE [options]`: argv -> suite. Installs the packages of bench/ on first use.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const usage = `usage: npm run bench -- SUITE [options]
  proxy    CPU per request, rate, latency, memory; beside nginx and haproxy
  memory   2 GiB bodies through a slow reader, both ways: how far a worker grows
  flat     1,000,000 requests: memory after the first 100,000 and at the end
  idle     10,000 idle keep-alive connections: memory of each
  reload   ten reloads under load: failed requests
  start    from the command to the first answer
options of proxy:
  --rounds N (3)  --seconds N (5)  --warm-up N (2)  --connections A,B (1,32,256)  --bodies A,B (128,65536)
  --rivals A,B (nginx,haproxy)  --generator autocannon|wrk (autocannon)
options of all: --json FILE`

const { values, positionals } = parseOptions()
const suite = positionals[0] ?? ''
if (!existsSync(join(import.meta.dirname, 'node_modules', 'autocannon'))) {
  console.error('installing the packages of bench/ (once)')
  const installed = spawnSync('npm', ['ci'], { cwd: import.meta.dirname, stdio: ['ignore', 2, 2] })
  if (installed.status !== 0) process.exit(3)
}
try {
  await run()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(3)
}
process.exit(process.exitCode ?? 0)

function parseOptions() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        'warm-up': { type: 'string', default: '2' },
        connections: { type: 'string', default: '1,32,256' },
        bodies: { type: 'string', default: '128,65536' },
        rivals: { type: 'string', default: 'nginx,haproxy' },
        generator: { type: 'string', default: 'autocannon' },
        json: { type: 'string' },
      },
    })
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    process.exit(2)
  }
}

async function run(): Promise<void> {
  const numbers = (text: string): number[] => text.split(',').filter(Boolean).map(Number)
  // npm runs this in bench/: a file name is meant from where the user stands.
  const json = values.json === undefined ? null : resolve(process.env['INIT_CWD'] ?? '.', values.json)
  switch (suite) {
    case 'proxy': {
      const { proxySuite } = await import('./suites/proxy.ts')
      const generator = values.generator === 'wrk' ? 'wrk' : 'autocannon'
      return proxySuite({
        rounds: Number(values.rounds),
        seconds: Number(values.seconds),
        warmUpSeconds: Number(values['warm-up']),
        connections: numbers(values.connections),
        bodies: numbers(values.bodies),
        rivals: values.rivals.split(',').filter(Boolean),
        generator,
        json,
      })
    }
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
    default:
      console.error(usage)
      process.exit(2)
  }
}
