// `polygate plugin build`: runs the command of plugin.yaml that makes the entry. Of an author's tools alone: a gateway loads
// what is there, and runs no command of a plugin.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { manifestIn, PluginError } from '../../config/plugins/folder.ts'
import type { Manifest } from '../../config/plugins/manifest.ts'
import { folderIn } from './arguments.ts'

export function main(args: string[]): Promise<number> {
  const { positionals } = parseArgs({ args, allowPositionals: true, strict: true })
  const folder = folderIn('build', positionals)
  if (folder === null) return Promise.resolve(2)
  build(folder, manifestIn(folder))
  return Promise.resolve(0)
}

/** Throws PluginError. What the command prints goes to standard error. */
export function build(folder: string, { build: command }: Manifest): void {
  if (command === null) return
  const [program = '', ...words] = command
  const { error, status, signal } = spawnSync(program, words, { cwd: folder, stdio: ['ignore', 2, 2] })
  const shown = command.join(' ')
  if (error !== undefined) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such program' : error.message
    throw new PluginError(`${folder}: build: ${shown}: ${reason}`)
  }
  if (status !== 0) throw new PluginError(`${folder}: build: ${shown}: ended with ${signal ?? `status ${status}`}`)
}
