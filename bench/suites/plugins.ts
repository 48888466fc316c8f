// Suite `plugins`: what one plugin adds to a whole request, in each runtime: CPU of the thread of the worker's loop, in
// alternation with the same gateway without the plugin, with many requests in flight; and time, with one.
import { join } from 'node:path'
import { measureAdded, type AddedRuns } from '../measure/added.ts'
import { loadPlace } from '../measure/cores.ts'
import type { OneByOneOptions, OneByOneResult } from '../measure/one-by-one.ts'
import { verdict, writeJson } from '../measure/report.ts'
import { median, spreadPercent, table } from '../measure/statistics.ts'
import type { PluginsOptions } from '../options.ts'
import { base, sevenHeaders, startPluginCases, type PluginCase } from '../plugins/cases.ts'
import { Processes } from '../processes.ts'
import { startFastUpstream } from '../upstream/fast.ts'

export async function pluginsSuite(options: PluginsOptions, json: string | null): Promise<void> {
  const place = loadPlace(options.generator)
  const processes = new Processes()
  try {
    const upstream = await startFastUpstream(processes, place.load.cores, [128])
    const where = { cores: place.gatewayCore, upstreamPort: upstream.port }
    const cases = await startPluginCases(processes, where)
    const others = [upstream.running.pid, ...cases.map(({ gateway }) => gateway.running.pid)]
    const load = { ...place.load, connections: options.connections, seconds: options.seconds }
    const runs = await measureAdded(processes, options, cases, load, others, run => run.loopCpuUs)
    const added = await measureOneByOne(processes, options, cases, place.load.cores)
    const lines = cases.map(one => summarize(one, runs, added))
    report(options, lines)
    writeJson(json, { suite: 'plugins', options, conditions: { upstream: upstream.kind }, results: lines })
  } finally {
    await processes.stopAll()
  }
}

type AddedP50Us = ReadonlyMap<string, readonly number[]>

/** With one request in flight, each gateway beside that without a plugin. */
async function measureOneByOne(
  processes: Processes,
  { rounds, requests }: PluginsOptions,
  cases: readonly PluginCase[],
  cores: string,
): Promise<AddedP50Us> {
  const portOf = (wanted: string): number => cases.find(({ name }) => name === wanted)!.gateway.port
  const added = new Map<string, number[]>(cases.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const { name } of cases.filter(one => one.name !== base)) {
      const asked: OneByOneOptions = {
        ports: [portOf(base), portOf(name)],
        path: '/128',
        headers: sevenHeaders(),
        requests,
      }
      const client = processes.start({
        name: 'one by one',
        command: process.execPath,
        args: [...process.execArgv, join(import.meta.dirname, '..', 'measure', 'one-by-one.ts'), JSON.stringify(asked)],
        cores,
      })
      if ((await client.exited) !== 0) throw new Error(`the client of one request after another: ${client.errorText()}`)
      const { p50Us, failures } = JSON.parse(client.outputText()) as OneByOneResult
      if (failures > 0) throw new Error(`INVALID: ${name}: ${failures} answers other than 200, one after another`)
      const [without = NaN, with_ = NaN] = p50Us
      added.get(name)!.push(with_ - without)
      console.error(
        `round ${round}/${rounds}  ${name}: ${with_.toFixed(0)} us after ${without.toFixed(0)} without, one in flight`,
      )
    }
  }
  return added
}

interface Line {
  readonly case: string
  readonly loopCpuUs: number
  readonly spreadPercent: number
  /** Medians; null: it is the base. */
  readonly addedUs: number | null
  readonly addedLowUs: number | null
  readonly addedHighUs: number | null
  /** Of all threads of the worker. */
  readonly workerCpuUs: number
  readonly addedP50Us: number | null
  readonly limitUs: number | null
  readonly limitP50Us: number | null
  readonly requestsPerSecond: number
  readonly coreShare: number
  readonly noisyRounds: number
}

function summarize({ name, limitUs, limitP50Us }: PluginCase, all: AddedRuns, addedP50: AddedP50Us): Line {
  const measured = all.get(name) ?? []
  const runs = measured.map(({ run }) => run)
  const added = measured.flatMap(({ addedUs }) => addedUs ?? [])
  const p50 = addedP50.get(name) ?? []
  const orNull = (value: number, values: readonly number[]): number | null => (values.length === 0 ? null : value)
  return {
    case: name,
    loopCpuUs: median(runs.map(run => run.loopCpuUs)),
    spreadPercent: spreadPercent(runs.map(run => run.loopCpuUs)),
    addedUs: orNull(median(added), added),
    addedLowUs: orNull(Math.min(...added), added),
    addedHighUs: orNull(Math.max(...added), added),
    workerCpuUs: median(runs.map(run => run.workerCpuUs)),
    addedP50Us: orNull(median(p50), p50),
    limitUs,
    limitP50Us,
    requestsPerSecond: median(runs.map(run => run.requestsPerSecond)),
    coreShare: median(runs.map(run => run.coreShare)),
    noisyRounds: runs.filter(run => run.isNoisy).length,
  }
}

const heads = [
  'case',
  'loop us',
  'spread',
  'added us',
  'from',
  'to',
  'all threads us',
  'added p50 us',
  'requests/s',
  'core',
]

const cells = (line: Line): string[] => [
  line.case,
  line.loopCpuUs.toFixed(2),
  `±${line.spreadPercent.toFixed(1)} %`,
  ...[line.addedUs, line.addedLowUs, line.addedHighUs].map(us => us?.toFixed(2) ?? ''),
  line.workerCpuUs.toFixed(2),
  line.addedP50Us?.toFixed(0) ?? '',
  line.requestsPerSecond.toFixed(0),
  `${(line.coreShare * 100).toFixed(0)} %`,
]

function report({ rounds, seconds, generator, connections, requests }: PluginsOptions, lines: readonly Line[]): void {
  console.log(table([heads, ...lines.map(cells)]))
  console.log(
    `\nmedians of ${rounds} rounds of ${seconds} s; generator ${generator}, ${connections} connections; p50 of ${requests} requests one after another\n`,
  )
  for (const { case: name, addedUs, addedP50Us, limitUs, limitP50Us } of lines) {
    if (addedUs !== null && limitUs !== null)
      verdict(`${name}: CPU of the loop that a call adds`, addedUs, limitUs, 'us', 2)
    if (addedP50Us !== null && limitP50Us !== null)
      verdict(`${name}: p50 that a call adds, one in flight`, addedP50Us, limitP50Us, 'us', 0)
  }
  const noise = lines.reduce((sum, line) => sum + line.noisyRounds, 0)
  if (noise > 0) console.log(`NOISE: in ${noise} runs other processes ran: repeat on an idle machine`)
}
