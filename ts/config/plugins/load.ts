// Plugins that a configuration names -> their plans: the folder is there, its manifest is sound, its code can be read, and
// the operator's configuration is what the manifest asks for. Called by config/load.ts; runs nothing of a plugin.
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import type * as AjvModule from 'ajv'
import { hookNames, type HookName } from '../../shared/plugin-hooks.ts'
import { readFailure } from '../files.ts'
import { child, entriesOf, secretsIn, type Node } from '../nodes.ts'
import type { PluginPlan, PluginSettings } from '../plan.ts'
import { ConfigErrors, formatError, trailOf, type ConfigError, type Problems } from '../problems.ts'
import type { PluginConfig } from '../schema.ts'
import { bundle, BundleError, type Bundle } from './bundle.ts'
import { bodyBytes, readManifest, type Manifest } from './manifest.ts'

const require = createRequire(import.meta.url)
const maxManifestBytes = 1024 * 1024

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
    const manifest = this.#manifest(folder)
    this.#checkHooks(manifest)
    this.#checkConfig(manifest)
    const isolation = this.#isolation(manifest)
    const entry = resolve(folder, manifest.entry)
    const content = this.#read(entry, `entry ${manifest.entry}`)
    const bundled = manifest.runtime === 'js' ? this.#bundle(entry) : null
    const script = bundled?.script ?? null
    const { name, version, runtime, hooks, body } = manifest
    return {
      name: this.#name,
      plugin: name,
      version,
      runtime,
      isolation,
      entry,
      hooks: hookNames.filter(hook => hooks.includes(hook)),
      requestBodyBytes: bodyBytes(body.request),
      responseBodyBytes: bodyBytes(body.response),
      config: this.#config.config,
      settings: settingsOf(this.#config),
      shadow: this.#config.shadow,
      script,
      copies: null,
      files: [join(folder, 'plugin.yaml'), ...(bundled?.files ?? [entry])],
      fingerprint: createHash('sha256')
        .update(script?.code ?? content)
        .digest('hex')
        .slice(0, 16),
    }
  }

  #refuse(message: string, ...keys: readonly (string | number)[]): never {
    const at = keys.reduce<Node>((node, key) => child(node, String(key)) ?? node, this.#node)
    this.#problems.add(at.offset, trailOf('plugins', this.#name, ...keys), message)
    throw new Refused()
  }

  #manifest(folder: string): Manifest {
    const file = join(folder, 'plugin.yaml')
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) this.#refuse('there is no such folder', 'path')
    const content = this.#read(file, 'plugin.yaml')
    if (content.length > maxManifestBytes) this.#refuse('plugin.yaml: larger than 1 MiB', 'path')
    return readManifest(content.toString('utf8'), file)
  }

  #read(file: string, what: string): Buffer {
    try {
      return readFileSync(file)
    } catch (error) {
      return this.#refuse(`${what}: ${readFailure(error)}`, 'path')
    }
  }

  #isolation({ runtime, isolation }: Manifest): PluginPlan['isolation'] {
    if (runtime === 'js') return isolation ?? 'worker'
    if (isolation === 'worker') this.#refuse(`plugin.yaml: a plugin of runtime ${runtime} is always inline`, 'path')
    return 'inline'
  }

  #checkHooks({ hooks }: Manifest): void {
    for (const hook of this.#config.hooks.keys()) {
      if (!hooks.includes(hook as HookName)) {
        this.#refuse(`the plugin has no hook ${hook}, only ${hooks.join(', ')}`, 'hooks', hook)
      }
    }
  }

  #checkConfig({ config: schema }: Manifest): void {
    if (schema === null) return
    const { Ajv } = require('ajv') as typeof AjvModule
    const ajv = new Ajv({ allErrors: false, strict: false, validateFormats: false })
    let isSound: AjvModule.ValidateFunction
    try {
      isSound = ajv.compile(schema as AjvModule.AnySchema)
    } catch (error) {
      return this.#refuse(`plugin.yaml: config is no JSON Schema: ${(error as Error).message}`, 'path')
    }
    if (isSound(this.#config.config)) return
    const [first] = isSound.errors ?? []
    const at =
      first?.instancePath
        .slice(1)
        .split('/')
        .filter(key => key !== '') ?? []
    const from = secretsIn(this.#node)
    const wrong = first?.message ?? 'is not what the plugin wants'
    this.#refuse(from === null ? wrong : `${wrong} (with values from ${from})`, 'config', ...at)
  }

  #bundle(entry: string): Bundle {
    try {
      return bundle(entry)
    } catch (error) {
      if (error instanceof BundleError) return this.#refuse(`its code does not compile: ${error.message}`, 'path')
      throw error
    }
  }
}

function settingsOf({ timeoutMs, onFailure, hooks }: PluginConfig): Readonly<Record<HookName, PluginSettings>> {
  const settings = hookNames.map((hook): [HookName, PluginSettings] => {
    const own = hooks.get(hook)
    return [hook, { timeoutMs: own?.timeoutMs ?? timeoutMs, onFailure: own?.onFailure ?? onFailure }]
  })
  return Object.fromEntries(settings) as Record<HookName, PluginSettings>
}
