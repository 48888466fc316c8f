// Starts the gateway as its users do (dist/main.js in a process of its own) and ends it with the test. Called by the
// flow and fault tests; needs a build.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { within, type Scope } from './scope.ts'

const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js')
const startMs = 20_000

export interface GatewayOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Further arguments of `run`. */
  readonly args?: readonly string[]
  /** Command in front, such as `prlimit --nofile=64`. */
  readonly prefix?: readonly string[]
}

export interface RunningGateway {
  readonly url: string
  readonly port: number
  readonly adminUrl: string
  readonly adminPort: number
  /** Process id of control. */
  readonly pid: number
  readonly configFile: string
  readonly folder: string
  readonly readyLine: string
  /** All that it wrote to standard output and standard error so far. */
  readonly logs: () => string
  /** The first line of the logs from `from` characters on that matches; waits for it. */
  readonly line: (pattern: RegExp, from?: number) => Promise<string>
  /** Writes the configuration (completed like the first one) and sends SIGHUP; does not wait for the outcome. */
  rewrite(yaml: string): void
  /** `rewrite`, then waits until the outcome is logged. Resolves with that line. */
  reload(yaml: string): Promise<string>
  /** Process ids of the workers that live now, in order of their start. */
  workers(): number[]
  signal(name: NodeJS.Signals): void
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>
  /** SIGTERM, then the exit code. */
  stop(): Promise<number | string>
}

/**
 * Starts `run` with the given YAML. What the text leaves out of `listen`, `admin` and `workers` is put before it (one
 * listener on a free port, admin on another, one worker); `%PORT%` and `%ADMIN%` in it become those ports.
 * Rejects with all that was printed when the gateway ends before it is ready.
 */
export async function startGateway(scope: Scope, yaml: string, options: GatewayOptions = {}): Promise<RunningGateway> {
  const port = await freePort()
  const adminPort = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'polygate-test-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  const configFile = join(folder, 'polygate.yaml')
  const write = (text: string): void => writeFileSync(configFile, complete(text, port, adminPort))
  write(yaml)
  const argv = [
    ...(options.prefix ?? []),
    process.execPath,
    main,
    'run',
    '--config',
    configFile,
    ...(options.args ?? []),
  ]
  const child = spawn(argv[0] as string, argv.slice(1), {
    cwd: folder,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = watchOutput(child)
  const stop = async (): Promise<number | string> => {
    child.kill('SIGTERM')
    try {
      return await within(15_000, 'stopping the gateway', output.exited)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
  }
  scope.after(() => (output.ended() ? undefined : stop()))
  const readyLine = await within(startMs, 'starting the gateway', output.line(/^ready /m))
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    adminPort,
    pid: child.pid as number,
    configFile,
    folder,
    readyLine,
    logs: output.text,
    line: output.line,
    rewrite: text => {
      write(text)
      child.kill('SIGHUP')
    },
    reload: text => {
      const from = output.text().length
      write(text)
      child.kill('SIGHUP')
      return within(startMs, 'reloading', output.line(/reload/, from))
    },
    workers: () => childrenOf(child.pid as number),
    signal: name => child.kill(name),
    exited: output.exited,
    stop,
  }
}

function complete(yaml: string, port: number, adminPort: number): string {
  const lacks = (key: string): boolean => !new RegExp(`^${key}:`, 'm').test(yaml)
  const before = [
    lacks('listen') ? 'listen: [ { address: 127.0.0.1, port: %PORT% } ]\n' : '',
    lacks('admin') ? 'admin: { address: 127.0.0.1, port: %ADMIN% }\n' : '',
    lacks('workers') ? 'workers: 1\n' : '',
  ]
  return (before.join('') + yaml).replaceAll('%PORT%', String(port)).replaceAll('%ADMIN%', String(adminPort))
}

function watchOutput(child: ChildProcess): {
  text: () => string
  ended: () => boolean
  line: (pattern: RegExp, from?: number) => Promise<string>
  exited: Promise<number | string>
} {
  let text = ''
  let ended = false
  const checks = new Set<() => void>()
  const wake = (): void => checks.forEach(check => check())
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text += part
      wake()
    })
  }
  const exited = new Promise<number | string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  }).then(outcome => {
    ended = true
    wake()
    return outcome
  })
  const line = (pattern: RegExp, from = 0): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = text
          .slice(from)
          .split('\n')
          .find(one => pattern.test(one))
        if (found === undefined && !ended) return
        checks.delete(check)
        if (found === undefined) reject(new Error(`the gateway ended; it had printed:\n${text}`))
        else resolve(found)
      }
      checks.add(check)
      check()
    })
  return { text: () => text, ended: () => ended, line, exited }
}

/** Process ids of the children of a process. Linux. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Resident memory of a process in KiB. Linux. */
export const residentKiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
