// The load generators: autocannon (a dependency of bench/) and wrk (where it is installed), each as a child process
// on cores of its own. Both are closed loops: a connection sends its next request when the response has come.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Processes } from '../processes.ts'
import { scratchFolder } from '../rivals/template.ts'

export type GeneratorName = 'autocannon' | 'wrk'

export type RequestHeaders = Readonly<Record<string, string>>

export interface LoadOptions {
  readonly generator: GeneratorName
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** List of cores as taskset takes it, or '' for no pinning. */
  readonly cores: string
  /** Threads of the generator; 1 where it has one core. */
  readonly threads: number
  /** Headers to add; of several sets, requests have one after another. */
  readonly headers?: readonly RequestHeaders[]
  /** Every answer is to be a refusal (4xx): those with 2xx are the failures. */
  readonly refused?: boolean
}

export interface LoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  /** autocannon counts in whole milliseconds, wrk in microseconds. */
  readonly p99Ms: number
  /** Socket errors, timeouts and responses other than expected (2xx). Anything but 0 makes the run worthless. */
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
  const counted = (options.generator === 'wrk' ? readWrk : readAutocannon)(child.outputText())
  return { ...judged(counted, options.refused === true), pid: child.pid }
}

type Counted = Omit<LoadResult, 'pid' | 'failures' | 'failureText'> & {
  /** Of sockets, and time-outs. */
  readonly errors: number
  readonly refused: number
}

function judged({ errors, refused, ...rest }: Counted, wantsRefused: boolean): Omit<LoadResult, 'pid'> {
  const wrong = wantsRefused ? rest.requests - refused : refused
  const failures = errors + wrong
  const failureText = `${errors} errors, ${wrong} answers ${wantsRefused ? 'that are no refusal' : 'other than 2xx'}`
  return { ...rest, failures, failureText: failures ? failureText : '' }
}

function autocannonCommand(options: LoadOptions): { command: string; args: string[] } {
  const { headers = [], url } = options
  const several = headers.length > 1
  // The command line of autocannon knows one request only.
  const args = several
    ? [
        ...process.execArgv,
        join(import.meta.dirname, 'several-requests.ts'),
        headersFile('json', JSON.stringify(headers)),
      ]
    : [autocannonFile, '--json', ...headerArguments(headers)]
  args.push('-c', String(options.connections), '-d', String(options.seconds))
  if (options.threads > 1) args.push('-w', String(Math.min(options.threads, options.connections)))
  return { command: process.execPath, args: [...args, url] }
}

const headerArguments = ([one = {}]: readonly RequestHeaders[]): string[] =>
  Object.entries(one).flatMap(([name, value]) => ['-H', `${name}: ${value}`])

function headersFile(ending: string, text: string): string {
  const file = join(scratchFolder('requests'), `requests.${ending}`)
  writeFileSync(file, text)
  return file
}

interface AutocannonOutput {
  readonly requests: { readonly total: number; readonly average: number }
  readonly latency: { readonly p50: number; readonly p99: number }
  readonly errors: number
  readonly non2xx: number
}

function readAutocannon(text: string): Counted {
  const line = text.split('\n').find(l => l.startsWith('{'))
  if (line === undefined) throw new Error(`autocannon printed no result: ${text.slice(0, 200)}`)
  const result = JSON.parse(line) as AutocannonOutput
  return {
    requests: result.requests.total,
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    // Time-outs are among them.
    errors: result.errors,
    refused: result.non2xx,
  }
}

function wrkCommand(options: LoadOptions): { command: string; args: string[] } {
  const threads = Math.min(options.threads, options.connections)
  const args = ['-t', String(threads), '-c', String(options.connections), '-d', `${options.seconds}s`, '--latency']
  const { headers = [] } = options
  if (headers.length > 1) args.push('-s', headersFile('lua', wrkScript(headers)))
  else args.push(...headerArguments(headers))
  return { command: 'wrk', args: [...args, options.url] }
}

/** Requests are made once, before the load; each thread of wrk has them all. */
function wrkScript(headers: readonly RequestHeaders[]): string {
  const fields = (one: RequestHeaders): string =>
    Object.entries(one)
      .map(([name, value]) => `[${JSON.stringify(name)}]=${JSON.stringify(value)}`)
      .join(',')
  return `local sets = {${headers.map(one => `{${fields(one)}}`).join(',\n')}}
local requests, at = {}, 0
function init()
  for index, headers in ipairs(sets) do requests[index] = wrk.format(nil, nil, headers) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
`
}

const wrkUnitsMs: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

function readWrk(text: string): Counted {
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
    errors,
    refused,
  }
}

export interface AmountOptions {
  readonly url: string
  readonly connections: number
  readonly amount: number
  readonly headers?: RequestHeaders
}

/** Exactly `amount` requests by autocannon. Throws when one of them failed. */
export async function runAmount(processes: Processes, options: AmountOptions): Promise<void> {
  const { failures, failureText } = judged(await countAmount(processes, options), false)
  if (failures > 0) throw new Error(`INVALID: ${failureText}`)
}

/** The same, where refusals are to be counted. */
export async function countAmount(processes: Processes, options: AmountOptions): Promise<Counted> {
  const { url, connections, amount, headers = {} } = options
  const args = [autocannonFile, '--json', ...headerArguments([headers])]
  args.push('-c', String(connections), '-a', String(amount), url)
  const child = processes.start({ name: 'autocannon', command: process.execPath, args })
  const code = await child.exited
  if (code !== 0) throw new Error(`autocannon ended with ${code}: ${child.errorText()}`)
  return readAutocannon(child.outputText())
}
