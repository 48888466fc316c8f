// Plugins that a configuration names -> their plans: the folder is there, its manifest is sound, its code can be read, and
// the operator's configuration is what the manifest asks for. Called by config/load.ts; runs nothing of a plugin.
import { resolve } from 'node:path'
import { hookNames, type HookName } from '../../shared/plugin-hooks.ts'
import { child, entriesOf, secretsIn, type Node } from '../nodes.ts'
import type { PluginPlan, PluginSettings } from '../plan.ts'
import { ConfigErrors, formatError, trailOf, type ConfigError, type Problems } from '../problems.ts'
import type { PluginConfig } from '../schema.ts'
import { compileConfigCheck } from './config-check.ts'
import { codeIn, manifestIn, PluginError, pluginPlan } from './folder.ts'
import type { Manifest } from './manifest.ts'

/** Luau holds its worker until it returns or is stopped, and control gives up a worker that is silent for half a second. */
const longestLuauMs = 250

/** Throws ConfigErrors with the errors of all plugins and their manifests. */
export function loadPlugins(
  plugins: ReadonlyMap<string, PluginConfig>,
  root: Node,
  folder: string,
  problems: Problems,
): readonly PluginPlan[] {
  const plans: PluginPlan[] = []
  const errors: ConfigError[] = []
  const collect = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      if (error instanceof ConfigErrors) errors.push(...error.errors)
      else if (!(error instanceof Refused)) throw error
    }
  }
  for (const [name, { node }] of entriesOf(child(root, 'plugins'))) {
    const config = plugins.get(name)!
    collect(() => plans.push(new PluginLoader(name, config, node, problems).load(resolve(folder, config.path))))
  }
  collect(() => problems.throwIfAny())
  // A folder that stands under several names has its errors once.
  const distinct = new Map(errors.map(error => [formatError(error), error]))
  if (distinct.size > 0) throw new ConfigErrors([...distinct.values()])
  return plans
}

/** What is wrong has been said. */
class Refused extends Error {}

class PluginLoader {
  readonly #name: string
  readonly #config: PluginConfig
  readonly #node: Node
  readonly #problems: Problems

  constructor(name: string, config: PluginConfig, node: Node, problems: Problems) {
    this.#name = name
    this.#config = config
    this.#node = node
    this.#problems = problems
  }

  load(folder: string): PluginPlan {
    const manifest = this.#placed(() => manifestIn(folder))
    this.#checkHooks(manifest)
    this.#checkTimes(manifest)
    this.#checkConfig(manifest)
    const code = this.#placed(() => codeIn(folder, manifest))
    const { config, shadow } = this.#config
    return pluginPlan(manifest, code, { name: this.#name, config, settings: settingsOf(this.#config), shadow })
  }

  /** What is wrong with the folder is wrong at the place that names it. */
  #placed<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (error instanceof PluginError) return this.#refuse(error.message, 'path')
      throw error
    }
  }

  #refuse(message: string, ...keys: readonly (string | number)[]): never {
    const at = keys.reduce<Node>((node, key) => child(node, String(key)) ?? node, this.#node)
    this.#problems.add(at.offset, trailOf('plugins', this.#name, ...keys), message)
    throw new Refused()
  }

  #checkHooks({ hooks }: Manifest): void {
    for (const hook of this.#config.hooks.keys()) {
      if (!hooks.includes(hook as HookName)) {
        this.#refuse(`the plugin has no hook ${hook}, only ${hooks.join(', ')}`, 'hooks', hook)
      }
    }
  }

  #checkTimes({ runtime }: Manifest): void {
    if (runtime !== 'lua') return
    const { timeoutMs, hooks } = this.#config
    const tooLong = `a plugin of runtime lua holds its worker while it runs: ${longestLuauMs} ms at most`
    if (timeoutMs > longestLuauMs) this.#refuse(tooLong, 'timeoutMs')
    for (const [hook, settings] of hooks) {
      if ((settings.timeoutMs ?? 0) > longestLuauMs) this.#refuse(tooLong, 'hooks', hook, 'timeoutMs')
    }
  }

  #checkConfig(manifest: Manifest): void {
    const wrong = this.#placed(() => compileConfigCheck(manifest))(this.#config.config)
    if (wrong === null) return
    const from = secretsIn(this.#node)
    const message = from === null ? wrong.message : `${wrong.message} (with values from ${from})`
    this.#refuse(message, 'config', ...wrong.keys)
  }
}

export function settingsOf({
  timeoutMs,
  onFailure,
  hooks,
}: Pick<PluginConfig, 'timeoutMs' | 'onFailure' | 'hooks'>): Readonly<Record<HookName, PluginSettings>> {
  const settings = hookNames.map((hook): [HookName, PluginSettings] => {
    const own = hooks.get(hook)
    return [hook, { timeoutMs: own?.timeoutMs ?? timeoutMs, onFailure: own?.onFailure ?? onFailure }]
  })
  return Object.fromEntries(settings) as Record<HookName, PluginSettings>
}
