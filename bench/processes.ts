// Child processes of a benchmark: started on given cores, their output kept, and all of them ended when this process
// ends, however it ends. Each is the leader of its own process group, so that its children go with it.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createConnection, createServer, type AddressInfo } from 'node:net'

export interface StartOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** List of cores as taskset takes it; '' or left out: no pinning. */
  readonly cores?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Running {
  readonly name: string
  readonly pid: number
  /** The exit code, or 128 for a signal. Never rejects. */
  readonly exited: Promise<number>
  outputText(): string
  errorText(): string
  /** The first line of standard output that matches. Rejects when the process ends before. */
  line(pattern: RegExp): Promise<string>
  signal(name: NodeJS.Signals): void
}

export class Processes {
  readonly #children = new Set<ChildProcess>()

  constructor() {
    process.on('exit', () => this.killAll())
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))
  }

  start(options: StartOptions): Running {
    const pinned = options.cores ? ['-c', options.cores, options.command, ...options.args] : [...options.args]
    // taskset execs the command: the process id is that of the command itself.
    const child = spawn(options.cores ? 'taskset' : options.command, pinned, {
      detached: true,
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.add(child)
    return watch(options.name, child, () => this.#children.delete(child))
  }

  /** The orderly way: each leader ends its own children. What has not ended after two seconds is killed. */
  async stopAll(): Promise<void> {
    const ended = Promise.all([...this.#children].map(child => new Promise(resolve => child.once('close', resolve))))
    for (const child of this.#children) child.kill('SIGTERM')
    await Promise.race([ended, new Promise(resolve => setTimeout(resolve, 2000).unref())])
    this.killAll()
  }

  killAll(): void {
    for (const child of this.#children) signalGroup(child.pid, 'SIGKILL')
    this.#children.clear()
  }
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Already gone.
  }
}

function watch(name: string, child: ChildProcess, onExit: () => void): Running {
  let output = ''
  let errors = ''
  let code: number | null = null
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const check of waiting) check()
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
    wake()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const exited = new Promise<number>(resolve => {
    child.once('error', error => {
      errors += error.message
      resolve(127)
    })
    child.once('close', exitCode => resolve(exitCode ?? 128))
  }).then(ended => {
    code = ended
    // What the leader left behind in its group goes too.
    signalGroup(child.pid, 'SIGKILL')
    onExit()
    wake()
    return ended
  })
  return {
    name,
    pid: child.pid ?? -1,
    exited,
    outputText: () => output,
    errorText: () => errors.trim().slice(-2000),
    line: pattern =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = output.split('\n').find(line => pattern.test(line))
          if (found === undefined && code === null) return
          waiting.delete(check)
          if (found !== undefined) resolve(found)
          else reject(new Error(`${name} ended with ${code}: ${(errors || output).trim().slice(-2000)}`))
        }
        waiting.add(check)
        check()
      }),
    signal: signal => {
      if (child.pid !== undefined && code === null) child.kill(signal)
    },
  }
}

/** A TCP port of 127.0.0.1 that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Resolves when something accepts on the port; rejects when the process ends first. */
export async function accepting(port: number, process_: Running): Promise<void> {
  let ended = false
  void process_.exited.then(() => (ended = true))
  for (;;) {
    if (ended) throw new Error(`${process_.name} did not start: ${process_.errorText() || process_.outputText()}`)
    const connected = await new Promise<boolean>(resolve => {
      const socket = createConnection(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (connected) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** Whether a command is on the PATH (or in sbin, where Debian puts servers). */
export function findCommand(name: string): string | null {
  const found = spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v ${name}`], {
    encoding: 'utf8',
  })
  return found.status === 0 ? found.stdout.trim() : null
}
