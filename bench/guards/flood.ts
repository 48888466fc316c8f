// The part of the suite `guards` about floods: forged signatures of a thousand known keys, at full speed. What one costs
// beside a valid one, and what an honest client with a steady rate sees of it.
import { join } from 'node:path'
import { runLoad, type LoadOptions, type LoadResult } from '../measure/generator.ts'
import { measureRun } from '../measure/run.ts'
import { median } from '../measure/statistics.ts'
import type { SteadyOptions, SteadyResult } from '../measure/steady-client.ts'
import type { Processes } from '../processes.ts'
import type { Gateway, GatewayOptions } from '../rivals/gateway.ts'
import { startPolygate } from '../rivals/polygate.ts'
import { consumersYaml, everyone, guardYaml, signedHeaders } from './consumers.ts'

const perSecond = 500
const steadyConnections = 8

export interface FloodOptions {
  readonly load: Omit<LoadOptions, 'url' | 'headers'>
  readonly rounds: number
  readonly warmUpSeconds: number
  /** Process ids that are no noise. */
  readonly others: readonly number[]
}

const costNames = ['signed, proxied', 'forged, proxied', 'signed, answered here', 'forged, answered here'] as const
const floodNames = ['alone', 'beside signed requests', 'beside forged requests'] as const

export interface FloodResult {
  /** CPU microseconds of the worker a request, medians. */
  readonly costUs: Readonly<Record<(typeof costNames)[number], number>>
  /** Of an honest client, medians. */
  readonly p99Ms: Readonly<Record<(typeof floodNames)[number], number>>
  readonly p50Ms: Readonly<Record<(typeof floodNames)[number], number>>
  readonly noisyRuns: number
}

/** The route `/own` answers by itself, so that valid and forged requests differ in their guards alone. */
export function startFlooded(processes: Processes, where: GatewayOptions): Promise<Gateway> {
  const guards = `guards: [ ${[guardYaml.key, guardYaml.signature, guardYaml.limit].join(', ')} ]`
  const routes = `  - { name: own, match: { path: /own }, respond: { status: 200, body: "${'x'.repeat(128)}" }, ${guards} }
  - { name: bench, match: { path: "/*" }, upstream: bench, ${guards} }\n`
  return startPolygate(processes, { ...where, name: 'flooded', more: consumersYaml(), routes })
}

const collected = <Name extends string>(names: readonly Name[]): Record<Name, number[]> =>
  Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<Name, number[]>

const medians = <Name extends string>(all: Readonly<Record<Name, number[]>>): Record<Name, number> =>
  Object.fromEntries(Object.entries<number[]>(all).map(([name, values]) => [name, median(values)])) as Record<
    Name,
    number
  >

export async function measureFlood(
  processes: Processes,
  gateway: Gateway,
  { load, rounds, warmUpSeconds, others }: FloodOptions,
): Promise<FloodResult> {
  const costUs = collected(costNames)
  const [p50Ms, p99Ms] = [collected(floodNames), collected(floodNames)]
  let noisyRuns = 0
  const targetOf = (path: string, of: 'signed' | 'forged'): LoadOptions => ({
    ...load,
    url: `http://127.0.0.1:${gateway.port}${path}`,
    headers: everyone(of),
    refused: of === 'forged',
  })
  for (let round = 1; round <= rounds; round++) {
    for (const name of costNames) {
      const path = name.endsWith('here') ? '/own' : '/128'
      const of = name.startsWith('forged') ? 'forged' : 'signed'
      if (warmUpSeconds > 0) await runLoad(processes, { ...targetOf(path, of), seconds: warmUpSeconds })
      const run = await measureRun(processes, gateway, targetOf(path, of), others)
      costUs[name].push(run.workerCpuUs)
      if (run.isNoisy) noisyRuns++
      console.error(`round ${round}/${rounds}  flood: ${name} ${run.workerCpuUs.toFixed(2)} us${run.noiseText}`)
    }
    for (const name of floodNames) {
      const of = name === 'beside forged requests' ? 'forged' : 'signed'
      const flood = name === 'alone' ? null : { ...targetOf('/128', of), seconds: load.seconds + 3 }
      const seen = await besideFlood(processes, gateway, flood, load)
      p50Ms[name].push(seen.p50Ms)
      p99Ms[name].push(seen.p99Ms)
      console.error(`round ${round}/${rounds}  honest client ${name}: p99 ${seen.p99Ms.toFixed(2)} ms`)
    }
  }
  return { costUs: medians(costUs), p50Ms: medians(p50Ms), p99Ms: medians(p99Ms), noisyRuns }
}

async function besideFlood(
  processes: Processes,
  gateway: Gateway,
  flood: LoadOptions | null,
  { seconds, cores }: FloodOptions['load'],
): Promise<SteadyResult> {
  const flooding = flood === null ? null : runLoad(processes, flood)
  let flooded: LoadResult | null = null
  void flooding?.then(
    result => (flooded = result),
    () => undefined,
  )
  // The flood is there before the client comes, and longer than it.
  if (flooding !== null) await new Promise(resolve => setTimeout(resolve, 500))
  const headers = signedHeaders()
  const asked: SteadyOptions = {
    port: gateway.port,
    path: '/128',
    headers,
    perSecond,
    seconds,
    connections: steadyConnections,
  }
  const client = processes.start({
    name: 'honest client',
    command: process.execPath,
    args: [...process.execArgv, join(import.meta.dirname, '..', 'measure', 'steady-client.ts'), JSON.stringify(asked)],
    cores,
  })
  const code = await client.exited
  if (code !== 0) throw new Error(`INVALID: the honest client ended with ${code}: ${client.errorText()}`)
  if (flooded !== null) throw new Error('INVALID: the flood ended before the honest client')
  const failureText = (await flooding)?.failureText ?? ''
  if (failureText !== '') throw new Error(`INVALID: flood: ${failureText}`)
  const seen = JSON.parse(client.outputText()) as SteadyResult
  if (seen.failures > 0) throw new Error(`INVALID: ${seen.failures} requests of the honest client were refused`)
  return seen
}
