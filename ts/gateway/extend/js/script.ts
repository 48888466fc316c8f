// A plugin's script: run in this isolate, and its errors told in the lines of the author's files. The script is compiled
// as a function, not imported as a module: what nobody holds any more can be collected.
import { createRequire, SourceMap, type SourceMapPayload } from 'node:module'
import { dirname } from 'node:path'
import { compileFunction } from 'node:vm'
import type { PluginPlan, PluginScript } from '../../../config/plan.ts'

/** What the factory of a plugin gives. */
export type AuthorHooks = Readonly<Record<string, unknown>>

export interface RunningScript {
  readonly hooks: AuthorHooks
  /** An error's stack in the author's words. */
  readonly stackOf: (error: unknown) => string
}

/** The parts of a plan that a thread needs too. */
export type ScriptPlan = Pick<PluginPlan, 'name' | 'entry' | 'config' | 'hooks' | 'fingerprint'> & {
  readonly script: PluginScript
}

/** Calls the factory. Throws an Error that says, in the author's lines, what went wrong. */
export async function runScript(plan: ScriptPlan, host: object): Promise<RunningScript> {
  const { script, entry, config, hooks } = plan
  const file = `${entry}?${plan.fingerprint}`
  const stackOf = stackReader(script, file, dirname(entry))
  let made: unknown
  try {
    const module = { exports: {} as Record<string, unknown> }
    const run = compileFunction(script.code, ['exports', 'require', 'module', '__filename', '__dirname'], {
      filename: file,
    })
    run.call(undefined, module.exports, createRequire(entry), module, entry, dirname(entry))
    const { exports } = module
    const factory = (exports as { default?: unknown }).default ?? exports
    if (typeof factory !== 'function') throw new TypeError('the default export is no function: expected a factory')
    made = await (factory as (config: unknown, host: unknown) => unknown)(structuredClone(config), host)
  } catch (error) {
    throw new Error(stackOf(error))
  }
  if (typeof made !== 'object' || made === null) throw new Error('the factory gave no object with hooks')
  for (const hook of hooks) {
    if (typeof (made as AuthorHooks)[hook] !== 'function') {
      throw new Error(`plugin.yaml names the hook ${hook}, and the factory gave no such function`)
    }
  }
  return { hooks: made as AuthorHooks, stackOf }
}

function stackReader(script: PluginScript, file: string, folder: string): (error: unknown) => string {
  let map: SourceMap | null = null
  return error => {
    if (!(error instanceof Error)) return `threw ${describe(error)}`
    map ??= new SourceMap(JSON.parse(script.map) as SourceMapPayload)
    const mapped = map
    const lines = (error.stack ?? error.message).split('\n')
    // Below the plugin's own frames are those of the gateway, which say nothing to its author.
    const last = lines.findLastIndex(line => line.includes(file))
    const own = last < 0 ? lines.slice(0, 1) : lines.slice(0, last + 1)
    return own.map(line => inAuthorsLines(line, file, folder, mapped)).join('\n')
  }
}

function inAuthorsLines(line: string, file: string, folder: string, map: SourceMap): string {
  const at = line.indexOf(file)
  if (at < 0) return line
  const place = /^:(\d+):(\d+)/.exec(line.slice(at + file.length))
  if (place === null) return line
  const found = map.findEntry(Number(place[1]) - 1, Number(place[2]) - 1)
  if (!('originalSource' in found)) return line
  const { originalSource, originalLine, originalColumn } = found
  const rest = line.slice(at + file.length + place[0].length)
  return `${line.slice(0, at)}${folder}/${originalSource}:${originalLine + 1}:${originalColumn + 1}${rest}`
}

function describe(value: unknown): string {
  try {
    return typeof value === 'string' ? JSON.stringify(value) : String(value)
  } catch {
    return 'a value that cannot be shown'
  }
}
