// JavaScript and TypeScript of a plugin -> one script with its source map: types go, and what the plugin imports comes in,
// its packages included. So a changed helper file is a changed plugin, a thread needs no loader, and an old version can be
// given back to the garbage collector, which no ES module can. Called by load.ts; esbuild runs as a process that ends with
// its work.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import type { PluginScript } from '../plan.ts'

const longestMs = 30_000

export interface Bundle {
  readonly script: PluginScript
  /** All that went into it, absolute. */
  readonly files: readonly string[]
}

/** Says where a bundle failed, in the author's file. */
export class BundleError extends Error {}

export function bundle(entry: string): Bundle {
  const folder = dirname(entry)
  const out = mkdtempSync(join(tmpdir(), 'polygate-bundle-'))
  try {
    run(entry, folder, out)
    const text = (name: string): string => readFileSync(join(out, name), 'utf8')
    const { inputs } = JSON.parse(text('meta.json')) as { inputs: Readonly<Record<string, unknown>> }
    return {
      script: { code: text('plugin.js'), map: inFolder(text('plugin.js.map'), out, folder) },
      files: Object.keys(inputs).map(file => resolve(folder, file)),
    }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

/** A source map names files from where it was written; authors, and a plan that must not change, know them from the plugin. */
function inFolder(map: string, out: string, folder: string): string {
  const parsed = JSON.parse(map) as { sources: readonly string[] }
  return JSON.stringify({ ...parsed, sources: parsed.sources.map(file => relative(folder, resolve(out, file))) })
}

function run(entry: string, folder: string, out: string): void {
  const esbuild = join(dirname(createRequire(import.meta.url).resolve('esbuild/package.json')), 'bin', 'esbuild')
  const done = spawnSync(
    esbuild,
    [
      entry,
      '--bundle',
      '--platform=node',
      '--format=cjs',
      '--target=node20',
      '--sourcemap=external',
      '--sources-content=false',
      '--legal-comments=none',
      // The types of the contract; there is no code behind them.
      '--external:@polygate/plugin',
      '--external:*.node',
      `--outfile=${join(out, 'plugin.js')}`,
      `--metafile=${join(out, 'meta.json')}`,
      '--log-level=error',
      '--log-limit=1',
      '--color=false',
    ],
    { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], timeout: longestMs },
  )
  if (done.error) throw new BundleError(`esbuild did not run: ${done.error.message}`)
  if (done.status !== 0) throw new BundleError(reasonOf(done.stderr))
}

/** What esbuild prints: `X [ERROR] what`, an empty line, and `    file:line:column:`. Columns are from 0 there. */
function reasonOf(printed: string): string {
  const [, what = printed.trim().split('\n', 1)[0] ?? ''] = /\[ERROR\] (.*)/.exec(printed) ?? []
  const place = /^ {4}(\S.*):(\d+):(\d+):$/m.exec(printed)
  return place === null ? what : `${place[1]}:${place[2]}:${Number(place[3]) + 1}: ${what}`
}
