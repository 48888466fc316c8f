// What the suite `plugins` measures whole requests through: the same plugin in each runtime, as `polygate plugin new` gives
// it to an author, in a gateway of its own.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AddedCase } from '../measure/added.ts'
import type { RequestHeaders } from '../measure/generator.ts'
import type { Processes } from '../processes.ts'
import type { GatewayOptions } from '../rivals/gateway.ts'
import { polygateMain, startPolygate } from '../rivals/polygate.ts'
import { scratchFolder } from '../rivals/template.ts'

interface RuntimeCase {
  readonly name: string
  /** Of `polygate plugin new`. */
  readonly runtime: string
  /** Null: it has one only. */
  readonly isolation: 'inline' | 'worker' | null
  /** Microseconds on the thread of the loop that a call may add. */
  readonly limitUs: number
  /** By how much the median of one request after another may be longer; null: only told. */
  readonly limitP50Us: number | null
}

/** A further runtime is one line here. */
const runtimes: readonly RuntimeCase[] = [
  { name: 'js inline', runtime: 'js', isolation: 'inline', limitUs: 0.5, limitP50Us: null },
  { name: 'js worker', runtime: 'js', isolation: 'worker', limitUs: 2.5, limitP50Us: 60 },
  { name: 'rust', runtime: 'rust', isolation: null, limitUs: 1.0, limitP50Us: null },
  { name: 'lua', runtime: 'lua', isolation: null, limitUs: 2.0, limitP50Us: null },
]

export interface PluginCase extends AddedCase {
  /** Null: it is the base. */
  readonly limitUs: number | null
  readonly limitP50Us: number | null
}

/** Seven with `Host`: the plugin reads one that is not there, sets another, and removes `x-internal`. */
export const sevenHeaders = (): RequestHeaders => ({
  'User-Agent': 'polygate-bench/1.0',
  Accept: 'application/json',
  'Accept-Encoding': 'gzip, br',
  'Accept-Language': 'en',
  Cookie: 'session=0123456789abcdef',
  'X-Internal': 'secret',
})

export const base = 'no plugin'

export async function startPluginCases(processes: Processes, where: GatewayOptions): Promise<PluginCase[]> {
  const common = { base, headers: sevenHeaders }
  const bare = await startPolygate(processes, { ...where, name: base })
  const cases: PluginCase[] = [{ ...common, name: base, gateway: bare, limitUs: null, limitP50Us: null }]
  for (const { name, limitUs, limitP50Us, ...runtime } of runtimes) {
    const folder = await makePlugin(processes, name, runtime)
    const gateway = await startPolygate(processes, {
      ...where,
      name,
      // A busy machine must not let a call be late; Luau may have no more than a quarter of a second.
      more: `plugins: { bench: { path: ${folder}, config: { greeting: hello }, timeoutMs: ${name === 'lua' ? 250 : 5000} } }`,
      routes: '  - { name: bench, match: { path: "/*" }, upstream: bench, plugins: [ bench ] }\n',
      // Where code may be loaded from: not so from a folder in memory everywhere.
      env: { POLYGATE_STATE_DIR: join(folder, 'state') },
    })
    cases.push({ ...common, name, gateway, limitUs, limitP50Us })
  }
  return cases
}

/** An author's first plugin, with its hook `request` alone. */
async function makePlugin(
  processes: Processes,
  name: string,
  { runtime, isolation }: Pick<RuntimeCase, 'runtime' | 'isolation'>,
): Promise<string> {
  const folder = join(scratchFolder('plugin', { forCode: true }), 'bench')
  await polygate(processes, name, ['plugin', 'new', folder, '--runtime', runtime])
  const file = join(folder, 'plugin.yaml')
  const manifest = readFileSync(file, 'utf8').replace(/^hooks: .*$/m, 'hooks: [request]')
  writeFileSync(file, isolation === null ? manifest : manifest.replace(/^isolation: .*$/m, `isolation: ${isolation}`))
  await polygate(processes, name, ['plugin', 'build', folder])
  return folder
}

async function polygate(processes: Processes, name: string, args: readonly string[]): Promise<void> {
  const running = processes.start({ name, command: process.execPath, args: [polygateMain, ...args] })
  if ((await running.exited) !== 0) throw new Error(`polygate ${args.join(' ')}: ${running.errorText()}`)
}
