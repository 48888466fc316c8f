// The folder of a plugin -> what is in it: its manifest and its code, and a plan of both with what it is told. Called by
// load.ts for the operator's configuration, and by the commands for authors. Runs nothing of a plugin.
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { native } from '../../shared/native.ts'
import { hookNames } from '../../shared/plugin-hooks.ts'
import { readFailure } from '../files.ts'
import type { PluginPlan, PluginScript } from '../plan.ts'
import { bundle, BundleError, type Bundle } from './bundle.ts'
import { bodyBytes, readManifest, type Manifest } from './manifest.ts'

const maxManifestBytes = 1024 * 1024

/** What is wrong with the folder, in words for its author. */
export class PluginError extends Error {}

/** Throws PluginError, or ConfigErrors with the errors of the manifest. */
export function manifestIn(folder: string): Manifest {
  const file = join(folder, 'plugin.yaml')
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new PluginError('there is no such folder')
  const content = read(file, 'plugin.yaml')
  if (content.length > maxManifestBytes) throw new PluginError('plugin.yaml: larger than 1 MiB')
  return readManifest(content.toString('utf8'), file)
}

export interface PluginCode {
  readonly isolation: PluginPlan['isolation']
  /** Absolute. */
  readonly entry: string
  readonly script: PluginScript | null
  /** What it was read from, absolute. */
  readonly files: readonly string[]
  /** Hash over what is loaded. */
  readonly fingerprint: string
}

/** Throws PluginError. */
export function codeIn(folder: string, manifest: Manifest): PluginCode {
  const isolation = isolationOf(manifest)
  const entry = resolve(folder, manifest.entry)
  const content = read(entry, `entry ${manifest.entry}`)
  const bundled = manifest.runtime === 'js' ? bundleOf(entry) : null
  const script = manifest.runtime === 'lua' ? luauScript(basename(entry), content) : (bundled?.script ?? null)
  return {
    isolation,
    entry,
    script,
    files: [join(folder, 'plugin.yaml'), ...(bundled?.files ?? [entry])],
    fingerprint: createHash('sha256')
      .update(script?.code ?? content)
      .digest('hex')
      .slice(0, 16),
  }
}

export function pluginPlan(
  { name, version, runtime, hooks, body }: Manifest,
  code: PluginCode,
  told: Pick<PluginPlan, 'name' | 'config' | 'settings' | 'shadow'>,
): PluginPlan {
  return {
    name: told.name,
    plugin: name,
    version,
    runtime,
    isolation: code.isolation,
    entry: code.entry,
    hooks: hookNames.filter(hook => hooks.includes(hook)),
    requestBodyBytes: bodyBytes(body.request),
    responseBodyBytes: bodyBytes(body.response),
    config: told.config,
    settings: told.settings,
    shadow: told.shadow,
    script: code.script,
    copies: null,
    files: code.files,
    fingerprint: code.fingerprint,
  }
}

function read(file: string, what: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new PluginError(`${what}: ${readFailure(error)}`)
  }
}

function isolationOf({ runtime, isolation }: Manifest): PluginPlan['isolation'] {
  if (runtime === 'js') return isolation ?? 'worker'
  if (isolation === 'worker') throw new PluginError(`plugin.yaml: a plugin of runtime ${runtime} is always inline`)
  return 'inline'
}

function bundleOf(entry: string): Bundle {
  try {
    return bundle(entry)
  } catch (error) {
    if (error instanceof BundleError) throw new PluginError(`its code does not compile: ${error.message}`)
    throw error
  }
}

/** As its author wrote it. */
function luauScript(file: string, content: Buffer): PluginScript {
  if (!isUtf8(content)) throw new PluginError(`its code is not UTF-8: ${file}`)
  const code = content.toString('utf8')
  const problem = native().luauProblem(file, code)
  if (problem !== null) throw new PluginError(`its code does not compile: ${problem}`)
  return { code, map: '' }
}
