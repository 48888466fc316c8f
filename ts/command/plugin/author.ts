// A plugin and its cases as its author's commands want them: built, read, and each case with the plan of an instance.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfigFile } from '../../config/files.ts'
import { readCases, type Case, type CaseList } from '../../config/plugins/cases.ts'
import { compileConfigCheck } from '../../config/plugins/config-check.ts'
import { codeIn, manifestIn, PluginError, pluginPlan } from '../../config/plugins/folder.ts'
import { settingsOf } from '../../config/plugins/load.ts'
import type { PluginPlan } from '../../config/plan.ts'
import { build } from './build.ts'

export interface AuthorsPlugin {
  readonly list: CaseList
  /** All that a case names. */
  readonly consumers: readonly string[]
  planFor(one: Case): PluginPlan
  /** Throws away what was made for it. */
  release(): void
}

/** Throws PluginError or ConfigErrors. */
export function readAuthorsPlugin(folder: string, casesFile = join(folder, 'cases.yaml')): AuthorsPlugin {
  const inFolder = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw error instanceof PluginError ? new PluginError(`${folder}: ${error.message}`) : error
    }
  }
  const manifest = inFolder(() => manifestIn(folder))
  const check = inFolder(() => compileConfigCheck(manifest))
  const list = readCases(readConfigFile(casesFile), casesFile, check)
  build(folder, manifest)
  const code = inFolder(() => codeIn(folder, manifest))
  const copies = mkdtempSync(join(tmpdir(), 'polygate-plugin-'))
  const settings = settingsOf({ timeoutMs: list.timeoutMs, onFailure: 'closed', hooks: new Map() })
  const named = list.cases.flatMap(({ consumer }) => consumer ?? [])
  return {
    list,
    consumers: [...new Set([...list.consumers, ...named])],
    planFor: ({ config }) => ({
      ...pluginPlan(manifest, code, { name: manifest.name, config, settings, shadow: false }),
      copies,
    }),
    release: () => rmSync(copies, { recursive: true, force: true }),
  }
}
