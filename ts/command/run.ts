// `polygate run`: runs the gateway until a signal ends it. Owns the process's signals and its exit code, nothing else.
// Exit codes: 0 after a drain, 1 invalid configuration or failed start, 2 usage, 3 runtime failure.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findConfigFile, formatError, loadConfig } from '../config/load.ts'
import type { Plan } from '../config/plan.ts'
import { Control } from '../control/control.ts'
import { lastGoodFile } from '../control/last-good.ts'
import { listenerUrl } from '../control/ports.ts'
import { createLog, type Log } from '../shared/log.ts'
import { checkRoute } from './check.ts'

export const usage = `usage: polygate run [--config FILE] [--watch] [--last-good]

  --config FILE   configuration; default polygate.yaml, polygate.yml or polygate.json in the current folder
  --watch         reload when the configuration, or a file that it names, changes
  --last-good     start with the last good plan where the configuration cannot be used

signals: SIGHUP reloads; SIGTERM and SIGINT drain and stop, a second one stops at once`

/** Resolves with the exit code when the gateway has ended. Throws ConfigErrors where there is no configuration. */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: 'string', short: 'c' },
      watch: { type: 'boolean', default: false },
      'last-good': { type: 'boolean', default: false },
    },
  })
  const configFile = findConfigFile(values.config)
  const log = createLog('control')
  const control = new Control({
    load: () => loadPlan(configFile, log),
    configFile,
    workerEntry: workerEntry(),
    lastGoodFile: lastGoodFile(configFile, process.env),
    lastGood: values['last-good'],
    watch: values.watch,
    log,
  })
  return runControl(control, log, () => process.stdout.write(`${readyLine(control)}\n`))
}

function loadPlan(configFile: string, log: Log): Plan {
  const { plan, warnings } = loadConfig(configFile, process.env, checkRoute)
  for (const warning of warnings) log.warn('configuration', { reason: formatError(warning) })
  return plan
}

/** Starts it, obeys signals, and resolves with the exit code when it has ended. */
export async function runControl(control: Control, log: Log, onReady: (control: Control) => void): Promise<number> {
  let end: (code: number) => void = () => {}
  const ended = new Promise<number>(resolve => (end = resolve))
  let ending = false

  const finish = async (code: number, way: () => Promise<void>): Promise<void> => {
    try {
      await way()
      end(code)
    } catch (error) {
      log.error('stopping failed', { reason: messageOf(error) })
      end(3)
    }
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    if (ending) {
      log.warn('second signal: stopping at once', { signal })
      return void finish(0, () => control.stop())
    }
    ending = true
    log.info('draining', { signal })
    void finish(0, () => control.drain())
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  process.on('SIGHUP', () => void control.reload())
  process.on('uncaughtException', error => {
    log.error('uncaught error in control', { reason: error.stack ?? error.message })
    ending = true
    void finish(3, () => control.stop())
  })

  control.start().then(
    () => {
      if (!ending) onReady(control)
    },
    (error: unknown) => {
      if (ending) return
      process.stderr.write(`${messageOf(error)}\n`)
      end(1)
    },
  )
  return ended
}

/** `ready http://127.0.0.1:8080 workers=2 plugins=3 front-end="…"`: tools wait for it, and know its words. */
export function readyLine(control: Control): string {
  const { listen, workers, plugins } = control.plan
  const url = listen[0] ? listenerUrl(listen[0]) : 'none'
  return `ready ${url} workers=${workers} plugins=${plugins.length} front-end="${control.frontEnd}"`
}

/** Beside this file's folder, built or in source. */
function workerEntry(): string {
  const built = fileURLToPath(new URL('../gateway/worker.js', import.meta.url))
  return existsSync(built) ? built : fileURLToPath(new URL('../gateway/worker.ts', import.meta.url))
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
