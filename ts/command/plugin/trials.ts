// Runs trials in a process beside this one, which is begun anew when a plugin ends it or never comes back.
import { fork, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { TrialFailure, TrialMessage, TrialTask } from './trial-process.ts'

/** What a plugin may take to be made. */
const makeMs = 15_000
/** Beyond the deadlines of all calls, which count in the trial's process itself. */
const graceMs = 3000

export type TrialOutcome = Extract<TrialMessage, { kind: 'done' | 'impossible' }> | LostTrial

/** The process has ended: in a gateway it would have been a worker. */
export interface LostTrial {
  readonly kind: 'lost'
  readonly failure: TrialFailure
}

export class Trials {
  #child: ChildProcess | null = null

  /** Resolves with what came of it; a plugin can do nothing that rejects. */
  run(task: TrialTask): Promise<TrialOutcome> {
    const child = (this.#child ??= start())
    return new Promise(resolve => {
      const callsMs = task.plugin.hooks.reduce((sum, hook) => sum + task.plugin.settings[hook].timeoutMs, graceMs)
      let lost = 'the process has ended'
      const stop = (reason: string): void => {
        lost = reason
        child.kill('SIGKILL')
      }
      let timer = setTimeout(() => stop(`the plugin was not made within ${makeMs / 1000} s`), makeMs)
      const finish = (outcome: TrialOutcome): void => {
        clearTimeout(timer)
        child.off('message', onMessage).off('exit', onExit)
        resolve(outcome)
      }
      const onMessage = (message: TrialMessage): void => {
        if (message.kind !== 'made') return finish(message)
        clearTimeout(timer)
        timer = setTimeout(() => stop('a hook has not returned, and holds its thread for ever'), callsMs)
      }
      const onExit = (status: number | null, signal: NodeJS.Signals | null): void => {
        this.#child = null
        const how = signal === 'SIGKILL' ? '' : ` (${signal ?? `status ${status}`})`
        const reason = `${lost}${how}: in a gateway that costs a worker, with what it has in flight`
        finish({ kind: 'lost', failure: { hook: null, cause: 'lost', reason } })
      }
      child.on('message', onMessage).on('exit', onExit)
      child.send(task)
    })
  }

  close(): void {
    this.#child?.kill()
    this.#child = null
  }
}

/** What plugins print goes to standard error. */
function start(): ChildProcess {
  const built = fileURLToPath(new URL('trial-process.js', import.meta.url))
  const file = existsSync(built) ? built : fileURLToPath(new URL('trial-process.ts', import.meta.url))
  return fork(file, { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'] })
}
