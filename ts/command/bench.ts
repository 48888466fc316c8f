// `polygate bench`: runs the benchmarks of bench/ beside this checkout, exactly as `npm run bench` does. Measures nothing
// itself; the gateway loads no word of bench/, which has a package.json of its own.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../shared/native.ts'

export const usage = `usage: polygate bench SUITE [OPTIONS]

  proxy    CPU per request, rate, latency, memory; beside nginx and haproxy where they are installed
  signing  nanoseconds of a signature, a token, a key, a limit's decision, from JavaScript through the addon
  guards   CPU that guards add to a whole request; a flood of forged signatures; one limit counted by two workers
  plugins  CPU, and time, that one plugin adds to a whole request, in each runtime
  memory   2 GiB bodies through a slow reader, both ways: how far a worker grows
  flat     1,000,000 requests: memory after the first 100,000 and at the end
  idle     10,000 idle keep-alive connections: memory of each
  reload   ten reloads under load: failed requests
  start    from the command to the first answer

options of proxy, guards and plugins:
  --rounds N (3)  --seconds N (5)  --warm-up N (2)  --generator autocannon|wrk (autocannon)
options of proxy and guards:
  --rivals A,B (nginx,haproxy)
options of proxy:
  --connections A,B (1,32,256)  --bodies A,B (128,65536)
options of guards and plugins:
  --connections N (32)
options of plugins:
  --requests N (5000)
options of signing:
  --rounds N (300)
options of all:
  --json FILE

Linux only, from a checkout. The packages of bench/ are installed on first use.
Exit status: 0 ok, 1 a limit was passed or it cannot run here, 2 usage, 3 the measurement failed.`

/** Resolves with the exit status of the benchmark. */
export function main(args: string[]): Promise<number> {
  const missing = missingFor(packageRoot)
  if (missing !== null) {
    process.stderr.write(`polygate bench: ${missing}\n`)
    return Promise.resolve(1)
  }
  const loader = pathToFileURL(createRequire(join(packageRoot, 'package.json')).resolve('tsx')).href
  const child = spawn(process.execPath, ['--import', loader, benchMain(packageRoot), ...args], {
    stdio: 'inherit',
    // npm's word for where the user stands: an npm script further out may have set it to another folder.
    env: { ...process.env, INIT_CWD: process.cwd() },
  })
  // Ctrl-C reaches the benchmark by itself, which ends what it has started.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (signal !== 'SIGINT') child.kill(signal)
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => resolve(code ?? 3))
  })
}

const benchMain = (root: string): string => join(root, 'bench', 'main.ts')

/** What keeps the benchmarks of a checkout from running, or null. */
export function missingFor(root: string): string | null {
  if (process.platform !== 'linux') return `found ${process.platform}, expected linux: it measures by /proc and taskset`
  if (!existsSync(benchMain(root))) return `${benchMain(root)} is missing: benchmarks run from a checkout of Polygate`
  try {
    createRequire(join(root, 'package.json')).resolve('tsx')
    return null
  } catch {
    return 'the package tsx is missing: run `npm ci` (without --omit=dev) in the checkout'
  }
}
