// `polygate plugin new`: writes a first plugin. Overwrites nothing.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readFailure } from '../../config/files.ts'
import { didYouMean } from '../../config/nearest.ts'
import { PluginError } from '../../config/plugins/folder.ts'
import { folderIn } from './arguments.ts'
import { filesOf, runtimeNames, scaffoldOf } from './scaffolds.ts'

/** Also the name of a crate, hence narrower than the manifest's. */
const nameForm = /^[a-z][a-z0-9-]{0,63}$/

export function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { runtime: { type: 'string', default: 'js' } },
    allowPositionals: true,
    strict: true,
  })
  const folder = folderIn('new', positionals)
  if (folder === null) return Promise.resolve(2)
  const name = basename(resolve(folder))
  if (!nameForm.test(name)) {
    const expected = 'a name of small letters, digits and "-" that begins with a letter, at most 64 long'
    process.stderr.write(`polygate plugin new: found ${JSON.stringify(name)}, expected ${expected}\n`)
    return Promise.resolve(2)
  }
  const { runtime } = values
  const scaffold = scaffoldOf(runtime)
  if (scaffold === undefined) {
    const expected = `one of ${runtimeNames.join(', ')}${didYouMean(runtime, runtimeNames)}`
    process.stderr.write(`polygate plugin new: found --runtime ${JSON.stringify(runtime)}, expected ${expected}\n`)
    return Promise.resolve(2)
  }
  const files = filesOf(scaffold, name)
  write(folder, files)
  process.stdout.write(`wrote ${folder}: ${[...files.keys()].join(', ')}\nnext: polygate plugin test ${folder}\n`)
  return Promise.resolve(0)
}

function write(folder: string, files: ReadonlyMap<string, string>): void {
  try {
    if (existsSync(folder) && readdirSync(folder).length > 0)
      throw new PluginError(`${folder} exists, and is not empty`)
    for (const [name, content] of files) {
      const file = join(folder, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content, { flag: 'wx' })
    }
  } catch (error) {
    if (error instanceof PluginError) throw error
    throw new PluginError(`${folder}: ${readFailure(error).replace('readable', 'writable')}`)
  }
}
