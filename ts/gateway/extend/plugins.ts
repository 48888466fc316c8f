// The plugins that are ready in this worker. Plans share them: a plugin that a new plan has unchanged stays as it is, with
// what it remembers; a changed one is made beside the old one, which is closed when the last plan that has it has ended.
import type { PluginPlan } from '../../config/plan.ts'
import type { Log } from '../../shared/log.ts'
import { makeInline } from './js/inline.ts'
import { makeThreaded } from './js/worker.ts'
import { makeLua } from './lua.ts'
import { PluginLog } from './plugin-log.ts'
import type { MakeReady, ReadyPlugin, RuntimeParts } from './runtime.ts'
import { makeRust } from './rust.ts'

export interface HeldPlugin {
  readonly plan: PluginPlan
  readonly log: PluginLog
  readonly ready: ReadyPlugin
}

export interface HeldPlugins {
  /** By index in the plan. */
  readonly list: readonly HeldPlugin[]
  release(): void
}

interface Shared {
  readonly log: PluginLog
  readonly ready: Promise<ReadyPlugin>
  holders: number
}

export class Plugins {
  readonly #parts: Omit<RuntimeParts, 'log'>
  readonly #log: Log
  readonly #shared = new Map<string, Shared>()

  constructor(parts: Omit<RuntimeParts, 'log'>, log: Log) {
    this.#parts = parts
    this.#log = log
  }

  /** Rejects with an Error that names the plugin and says why it cannot be used; then nothing is held. */
  async hold(plans: readonly PluginPlan[]): Promise<HeldPlugins> {
    const held: HeldPlugin[] = []
    const release = (): void => {
      for (const { plan } of held.splice(0)) this.#release(plan)
    }
    try {
      for (const plan of plans) held.push(await this.#hold(plan))
    } catch (error) {
      release()
      throw error
    }
    return { list: [...held], release }
  }

  async #hold(plan: PluginPlan): Promise<HeldPlugin> {
    const key = identity(plan)
    let shared = this.#shared.get(key)
    if (shared === undefined) {
      const log = new PluginLog(this.#log, plan)
      shared = { log, ready: runtimeOf(plan)(plan, { ...this.#parts, log }), holders: 0 }
      this.#shared.set(key, shared)
    }
    shared.holders++
    try {
      return { plan, log: shared.log, ready: await shared.ready }
    } catch (error) {
      this.#release(plan)
      throw new Error(`plugin ${plan.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #release(plan: PluginPlan): void {
    const key = identity(plan)
    const shared = this.#shared.get(key)
    if (shared === undefined || --shared.holders > 0) return
    this.#shared.delete(key)
    shared.ready.then(
      ready => ready.close(),
      () => {}, // It was never ready.
    )
  }
}

/** What makes it another plugin; how long it is waited for does not. */
const identity = ({
  settings: _settings,
  shadow: _shadow,
  script: _script,
  files: _files,
  ...plan
}: PluginPlan): string => JSON.stringify(plan)

function runtimeOf({ runtime, isolation }: PluginPlan): MakeReady {
  switch (runtime) {
    case 'js':
      return isolation === 'inline' ? makeInline : makeThreaded
    case 'rust':
      return makeRust
    case 'lua':
      return makeLua
  }
}
