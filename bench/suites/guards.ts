// Suite `guards`: what guards add to a whole request, in CPU of the worker, in alternation with the same gateway without
// any; rivals with the same work; a flood of forged signatures; and one limit that two workers count.
import { countAdmitted, exactLimit } from '../guards/exact.ts'
import { startCases, startRivals, type GuardCase } from '../guards/cases.ts'
import { measureFlood, startFlooded, type FloodResult } from '../guards/flood.ts'
import { consumerCount } from '../guards/consumers.ts'
import { measureAdded, type AddedRuns } from '../measure/added.ts'
import { loadPlace } from '../measure/cores.ts'
import { verdict, writeJson } from '../measure/report.ts'
import type { RunResult } from '../measure/run.ts'
import { median, spreadPercent, table } from '../measure/statistics.ts'
import type { GuardsOptions } from '../options.ts'
import { Processes } from '../processes.ts'
import { startFastUpstream } from '../upstream/fast.ts'

/** Of the CPU that a valid request costs. */
const forgedCostLimit = 1.1
/** Of the p99 beside as many valid requests: a flood may take capacity, and nothing more. */
const forgedLatencyLimit = 1.5

export async function guardsSuite(options: GuardsOptions, json: string | null): Promise<void> {
  const place = loadPlace(options.generator)
  const processes = new Processes()
  try {
    const upstream = await startFastUpstream(processes, place.load.cores, [128])
    const where = { cores: place.gatewayCore, upstreamPort: upstream.port }
    const admitted = await countAdmitted(processes, upstream.port)
    const own = await startCases(processes, where)
    const rivals = await startRivals(processes, where, options.rivals)
    const flooded = await startFlooded(processes, where)
    for (const name of rivals.missing) console.error(`${name}: not installed, not measured`)
    const cases = [...own, ...rivals.cases]
    const others = [upstream.running.pid, flooded.running.pid, ...cases.map(({ gateway }) => gateway.running.pid)]
    const load = { ...place.load, connections: options.connections, seconds: options.seconds }
    const runs = await measureAdded(processes, options, cases, load, others, run => run.workerCpuUs)
    const { rounds, warmUpSeconds } = options
    const flood = await measureFlood(processes, flooded, { load, rounds, warmUpSeconds, others })
    const lines = cases.map(one => summarize(one, runs))
    report(options, lines, flood, rivals.missing, admitted)
    const conditions = { upstream: upstream.kind, missing: rivals.missing }
    writeJson(json, { suite: 'guards', options, conditions, results: lines, flood, admitted, exactLimit })
  } finally {
    await processes.stopAll()
  }
}

interface Line {
  readonly case: string
  readonly workerCpuUs: number
  readonly spreadPercent: number
  /** The median; null: it is a case without guards. */
  readonly addedUs: number | null
  readonly limitUs: number | null
  readonly requestsPerSecond: number
  readonly p99Ms: number
  readonly coreShare: number
  readonly noisyRounds: number
}

function summarize({ name, limitUs }: GuardCase, all: AddedRuns): Line {
  const measured = all.get(name) ?? []
  const runs = measured.map(({ run }) => run)
  const over = (pick: (run: RunResult) => number): number => median(runs.map(pick))
  const added = measured.map(({ addedUs }) => addedUs).filter(us => us !== null)
  return {
    case: name,
    workerCpuUs: over(run => run.workerCpuUs),
    spreadPercent: spreadPercent(runs.map(run => run.workerCpuUs)),
    addedUs: added.length === 0 ? null : median(added),
    limitUs,
    requestsPerSecond: over(run => run.requestsPerSecond),
    p99Ms: over(run => run.p99Ms),
    coreShare: over(run => run.coreShare),
    noisyRounds: runs.filter(run => run.isNoisy).length,
  }
}

const heads = ['case', 'worker us', 'spread', 'added us', 'requests/s', 'p99 ms', 'core']

const cells = (line: Line): string[] => [
  line.case,
  line.workerCpuUs.toFixed(2),
  `±${line.spreadPercent.toFixed(1)} %`,
  line.addedUs === null ? '' : line.addedUs.toFixed(2),
  line.requestsPerSecond.toFixed(0),
  line.p99Ms.toFixed(2),
  `${(line.coreShare * 100).toFixed(0)} %`,
]

function report(
  { rounds, seconds, generator, connections }: GuardsOptions,
  lines: readonly Line[],
  { costUs, p50Ms, p99Ms, noisyRuns }: FloodResult,
  missing: readonly string[],
  admitted: number,
): void {
  console.log(table([heads, ...lines.map(cells)]))
  console.log(`\nmedians of ${rounds} rounds of ${seconds} s; generator ${generator}, ${connections} connections`)
  for (const name of missing) console.log(`${name}: not installed, not measured`)
  const costs = Object.entries(costUs).map(([name, us]) => [name, us.toFixed(2)])
  console.log(`\n${table([[`flood of ${consumerCount} keys`, 'worker us'], ...costs])}`)
  const seen = Object.entries(p99Ms).map(([name, ms]) => [
    name,
    p50Ms[name as keyof typeof p50Ms].toFixed(2),
    ms.toFixed(2),
  ])
  console.log(`\n${table([['an honest client, 500 requests/s', 'p50 ms', 'p99 ms'], ...seen])}\n`)
  for (const { case: name, addedUs, limitUs } of lines) {
    if (addedUs !== null && limitUs !== null)
      verdict(`${name}, over polygate without guards`, addedUs, limitUs, 'us', 2)
  }
  const proxied = costUs['forged, proxied'] / costUs['signed, proxied']
  const here = costUs['forged, answered here'] / costUs['signed, answered here']
  verdict('CPU of a forged request, as part of a valid one that is proxied', proxied, 1, 'x', 2)
  verdict('CPU of a forged request, as part of a valid one that is answered here', here, forgedCostLimit, 'x', 2)
  const latency = p99Ms['beside forged requests'] / p99Ms['beside signed requests']
  verdict('p99 of an honest client beside forged, as part of beside signed', latency, forgedLatencyLimit, 'x', 2)
  verdict(
    `${admitted} of a limit of ${exactLimit} admitted by two workers: off by`,
    Math.abs(admitted - exactLimit),
    0,
    'requests',
  )
  const noise = lines.reduce((sum, line) => sum + line.noisyRounds, noisyRuns)
  if (noise > 0) console.log(`NOISE: in ${noise} runs other processes ran: repeat on an idle machine`)
}
