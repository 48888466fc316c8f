// `polygate plugin`: for authors of plugins. Each of its commands is a file of plugin/, loaded when it is called.
import { didYouMean } from '../config/nearest.ts'
import { PluginError } from '../config/plugins/folder.ts'
import { runtimeNames } from './plugin/scaffolds.ts'

export const usage = `usage: polygate plugin new FOLDER [--runtime ${runtimeNames.join('|')}]
       polygate plugin build FOLDER
       polygate plugin test FOLDER [--cases FILE] [--format text|json]
       polygate plugin bench FOLDER [--cases FILE] [--rounds N] [--format text|json]

  new    writes a first plugin, with cases that it passes; the last part of FOLDER is its name
  build  runs the \`build\` of plugin.yaml, where it has one; so do test and bench
  test   runs the plugin on each case of cases.yaml, in the host that it has in a gateway; no gateway is needed
  bench  measures what a call of each hook costs, on the first case

      --runtime NAME   of new: ${runtimeNames.join(', ')} (default: js)
      --cases FILE     default: cases.yaml in FOLDER
      --rounds N       of bench: default 9
      --format FORMAT  text (default) or json

Exit status: 0 ok, 1 a case fails, or there is something wrong with the plugin, 2 usage, 3 it cannot be run here.`

type Action = (args: string[]) => Promise<number>

const actions: Readonly<Record<string, () => Promise<{ readonly main: Action }>>> = {
  new: () => import('./plugin/new.ts'),
  build: () => import('./plugin/build.ts'),
  test: () => import('./plugin/test.ts'),
  bench: () => import('./plugin/bench.ts'),
}

export async function main([name = '', ...args]: string[]): Promise<number> {
  const load = Object.hasOwn(actions, name) ? actions[name] : undefined
  if (load === undefined) {
    const known = Object.keys(actions)
    const found = name === '' ? 'nothing' : JSON.stringify(name)
    const message = `found ${found}, expected one of ${known.join(', ')}${didYouMean(name, known)}`
    process.stderr.write(`polygate plugin: ${message}\n\n${usage}\n`)
    return 2
  }
  try {
    return await (await load()).main(args)
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
    process.stderr.write(`polygate plugin ${name}: ${error.message}\n`)
    return 1
  }
}
