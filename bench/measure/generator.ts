// The load generators: autocannon (a dependency of bench/) and wrk (where it is installed), each as a child process
// on cores of its own. Both are closed loops: a connection sends its next request when the response has come.
import { join } from 'node:path'
import type { Processes } from '../processes.ts'

export type GeneratorName = 'autocannon' | 'wrk'

export interface LoadOptions {
  readonly generator: GeneratorName
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** List of cores as taskset takes it, or '' for no pinning. */
  readonly cores: string
  /** Threads of the generator; 1 where it has one core. */
  readonly threads: number
}

export interface LoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  /** autocannon counts in whole milliseconds, wrk in microseconds. */
  readonly p99Ms: number
  /** Socket errors, timeouts and responses other than 2xx. Anything but 0 makes the run worthless. */
  readonly failures: number
  readonly failureText: string
  readonly pid: number
}

const autocannonFile = join(import.meta.dirname, '..', 'node_modules', 'autocannon', 'autocannon.js')

export async function runLoad(processes: Processes, options: LoadOptions): Promise<LoadResult> {
  const { command, args } = options.generator === 'wrk' ? wrkCommand(options) : autocannonCommand(options)
  const child = processes.start({ name: options.generator, command, args, cores: options.cores })
  const code = await child.exited
  if (code !== 0) throw new Error(`${options.generator} ended with ${code}: ${child.errorText()}`)
  return { ...(options.generator === 'wrk' ? readWrk : readAutocannon)(child.outputText()), pid: child.pid }
}

function autocannonCommand(options: LoadOptions): { command: string; args: string[] } {
  const args = [autocannonFile, '--json', '-c', String(options.connections), '-d', String(options.seconds)]
  if (options.threads > 1) args.push('-w', String(Math.min(options.threads, options.connections)))
  return { command: process.execPath, args: [...args, options.url] }
}

interface AutocannonOutput {
  readonly requests: { readonly total: number; readonly average: number }
  readonly latency: { readonly p50: number; readonly p99: number }
  readonly errors: number
  readonly timeouts: number
  readonly non2xx: number
}

function readAutocannon(text: string): Omit<LoadResult, 'pid'> {
  const line = text.split('\n').find(l => l.startsWith('{'))
  if (line === undefined) throw new Error(`autocannon printed no result: ${text.slice(0, 200)}`)
  const result = JSON.parse(line) as AutocannonOutput
  const failures = result.errors + result.non2xx
  return {
    requests: result.requests.total,
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failures,
    failureText: failures ? `${result.errors} errors (${result.timeouts} timeouts), ${result.non2xx} not 2xx` : '',
  }
}

function wrkCommand(options: LoadOptions): { command: string; args: string[] } {
  const threads = Math.min(options.threads, options.connections)
  const args = [
    '-t',
    String(threads),
    '-c',
    String(options.connections),
    '-d',
    `${options.seconds}s`,
    '--latency',
    options.url,
  ]
  return { command: 'wrk', args }
}

const wrkUnitsMs: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

function readWrk(text: string): Omit<LoadResult, 'pid'> {
  const durationMs = (pattern: RegExp): number => {
    const found = pattern.exec(text)
    return found ? Number(found[1]) * (wrkUnitsMs[found[2] ?? ''] ?? NaN) : NaN
  }
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  const errors = socketErrors ? socketErrors.slice(1).reduce((sum, n) => sum + Number(n), 0) : 0
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0)
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? NaN)
  if (Number.isNaN(requests)) throw new Error(`wrk printed no result: ${text.slice(0, 200)}`)
  return {
    requests,
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? NaN),
    p50Ms: durationMs(/50%\s+([\d.]+)(us|ms|s|m)/),
    p99Ms: durationMs(/99%\s+([\d.]+)(us|ms|s|m)/),
    failures: errors + refused,
    failureText: errors + refused ? `${errors} socket errors, ${refused} not 2xx or 3xx` : '',
  }
}

/** Exactly `amount` requests by autocannon. Throws when one of them failed. */
export async function runAmount(
  processes: Processes,
  options: { readonly url: string; readonly connections: number; readonly amount: number },
): Promise<void> {
  const args = [autocannonFile, '--json', '-c', String(options.connections), '-a', String(options.amount), options.url]
  const child = processes.start({ name: 'autocannon', command: process.execPath, args })
  const code = await child.exited
  if (code !== 0) throw new Error(`autocannon ended with ${code}: ${child.errorText()}`)
  const result = readAutocannon(child.outputText())
  if (result.failures > 0) throw new Error(`INVALID: ${result.failureText}`)
}
