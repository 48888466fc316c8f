// JavaScript and TypeScript of a plugin -> one script with its source map: types go, and what the plugin imports comes in,
// its packages included. So a changed helper file is a changed plugin, a thread needs no loader, and an old version can be
// given back to the garbage collector, which no ES module can. Called by load.ts; esbuild is loaded by the first plugin
// that needs it.
import { createRequire } from 'node:module'
import { dirname, relative, resolve } from 'node:path'
import type * as Esbuild from 'esbuild'
import type { PluginScript } from '../plan.ts'

const require = createRequire(import.meta.url)

// Read when esbuild is loaded: else it keeps a thread and a process of its own for the next bundle, which is a reload away.
process.env['ESBUILD_WORKER_THREADS'] = '0'

/** Says where a bundle failed, in the author's file. */
export class BundleError extends Error {}

export interface Bundle {
  readonly script: PluginScript
  /** All that went into it, absolute. */
  readonly files: readonly string[]
}

export function bundle(entry: string): Bundle {
  const esbuild = require('esbuild') as typeof Esbuild
  const folder = dirname(entry)
  try {
    const { outputFiles, metafile } = esbuild.buildSync({
      entryPoints: [entry],
      outfile: 'plugin.js',
      absWorkingDir: folder,
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      sourcemap: 'external',
      sourcesContent: false,
      legalComments: 'none',
      logLevel: 'silent',
      // The types of the contract; there is no code behind them.
      external: ['@polygate/plugin', '*.node'],
    })
    const text = (suffix: string): string => outputFiles.find(({ path }) => path.endsWith(suffix))?.text ?? ''
    const files = Object.keys(metafile.inputs).map(file => resolve(folder, file))
    return { script: { code: text('plugin.js'), map: text('.map') }, files }
  } catch (error) {
    throw new BundleError(reasonOf(error, folder))
  }
}

function reasonOf(error: unknown, folder: string): string {
  const [first] = (error as Partial<Esbuild.BuildFailure>).errors ?? []
  if (first === undefined) return error instanceof Error ? error.message : String(error)
  const { location } = first
  if (location === null) return first.text
  const file = relative(folder, `${folder}/${location.file}`)
  return `${file}:${location.line}:${location.column + 1}: ${first.text}`
}
