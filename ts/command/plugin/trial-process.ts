// A process of its own for trials (trials.ts forks it): what a plugin does to its process it does to this one. Takes one
// case after another, each with an instance of the plugin of its own.
import { openTrial, type TrialResult } from '../../gateway/trial/trial.ts'
import type { TrialReply, TrialRequest } from '../../gateway/trial/client.ts'
import type { PluginPlan } from '../../config/plan.ts'
import type { FailureCause, HookName } from '../../shared/plugin-hooks.ts'
import type { Log, LogFields, LogLevel } from '../../shared/log.ts'

export interface TrialTask {
  readonly plugin: PluginPlan
  readonly upstreams: readonly string[]
  readonly consumers: readonly string[]
  readonly asked: Readonly<Record<string, TrialReply>>
  readonly request: TrialRequest
  readonly reply: TrialReply
}

export interface TrialFailure {
  /** Null: it is not known in which. */
  readonly hook: HookName | null
  readonly cause: FailureCause
  readonly reason: string
}

export interface TrialLine {
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
}

export type TrialMessage =
  /** The plugin has been made, and gets its request. */
  | { readonly kind: 'made' }
  /** It cannot be made, or there can be no such request. */
  | { readonly kind: 'impossible'; readonly reason: string }
  | {
      readonly kind: 'done'
      readonly result: TrialResult
      readonly failures: readonly TrialFailure[]
      readonly lines: readonly TrialLine[]
    }

const send = (message: TrialMessage): boolean => process.send!(message)

process.on('message', (task: TrialTask) => {
  void run(task).then(send, (error: unknown) =>
    send({ kind: 'impossible', reason: error instanceof Error ? error.message : String(error) }),
  )
})

async function run({ request, reply, ...options }: TrialTask): Promise<TrialMessage> {
  const failures: TrialFailure[] = []
  const lines: TrialLine[] = []
  const trial = await openTrial({ ...options, log: listener(failures, lines) })
  send({ kind: 'made' })
  try {
    return { kind: 'done', result: await trial.run(request, reply), failures, lines }
  } finally {
    trial.close()
  }
}

/** Hears what a worker's log would, and tells failures of calls (extend/plugin-log.ts) from the plugin's own lines. */
function listener(failures: TrialFailure[], lines: TrialLine[]): Log {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      const { plugin: _plugin, version: _version, hook, route: _route, requestId: _id, ...own } = fields
      const { cause, reason } = own
      if (message === 'plugin failed' && typeof cause === 'string') {
        failures.push({ hook: hook as HookName, cause: cause as FailureCause, reason: String(reason) })
      } else lines.push({ level, message, fields: own })
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
