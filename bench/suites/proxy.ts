// Suite `proxy`: CPU time per proxied request of Polygate, beside nginx and haproxy in alternating rounds, all in one
// run on one machine. The gateway has core 0; generator and upstream have the others.
import { loadPlace } from '../measure/cores.ts'
import { median, spreadPercent, table } from '../measure/statistics.ts'
import { noisy, writeJson } from '../measure/report.ts'
import { measureRun, type RunResult } from '../measure/run.ts'
import { runLoad } from '../measure/generator.ts'
import type { ProxyOptions, RivalName } from '../options.ts'
import { Processes } from '../processes.ts'
import type { Gateway, StartGateway } from '../rivals/gateway.ts'
import { startHaproxy, startHaproxy64k } from '../rivals/haproxy.ts'
import { startNginx } from '../rivals/nginx.ts'
import { manyRoutes, startPolygate } from '../rivals/polygate.ts'
import { startFastUpstream } from '../upstream/fast.ts'

interface Case {
  readonly name: string
  readonly path: string
  readonly connections: number
  readonly gateways: readonly Gateway[]
  /** Names of the gateways that ratios are taken to. */
  readonly bases: readonly string[]
}

const rivalStarts: Readonly<Record<RivalName, StartGateway>> = {
  nginx: startNginx,
  haproxy: startHaproxy,
  'haproxy-64k': startHaproxy64k,
}

const smallBody = 128
const largeBodyConnections = 32
const routesCount = 1000

export async function proxySuite(options: ProxyOptions, json: string | null): Promise<void> {
  const { gatewayCore, load } = loadPlace(options.generator)
  const processes = new Processes()
  try {
    const upstream = await startFastUpstream(processes, load.cores, options.bodies)
    const where = { cores: gatewayCore, upstreamPort: upstream.port }
    const polygate = await startPolygate(processes, where)
    const many = await startPolygate(processes, {
      ...where,
      name: `polygate ${routesCount} routes`,
      routes: manyRoutes(routesCount),
    })
    const rivals: Gateway[] = []
    const missing: string[] = []
    for (const name of options.rivals) {
      const gateway = await rivalStarts[name](processes, where)
      if (gateway) rivals.push(gateway)
      else missing.push(name)
    }
    for (const name of missing) console.error(`${name}: not installed, not measured`)
    const cases = makeCases(options, polygate, many, rivals)
    const results = new Map<string, RunResult[]>()
    for (let round = 1; round <= options.rounds; round++) {
      for (const one of cases) {
        for (const gateway of one.gateways) {
          const target = { ...load, url: `http://127.0.0.1:${gateway.port}${one.path}`, connections: one.connections }
          if (options.warmUpSeconds > 0) await runLoad(processes, { ...target, seconds: options.warmUpSeconds })
          const others = [upstream.running.pid, ...[polygate, many, ...rivals].map(g => g.running.pid)]
          const run = await measureRun(processes, gateway, { ...target, seconds: options.seconds }, others)
          const key = `${one.name}|${gateway.name}`
          results.set(key, [...(results.get(key) ?? []), run])
          console.error(progress(round, options.rounds, one.name, gateway.name, run))
        }
      }
    }
    const conditions = { upstream: upstream.kind, missing }
    writeJson(json, { suite: 'proxy', options, conditions, results: report(options, cases, results, conditions) })
  } finally {
    await processes.stopAll()
  }
}

function makeCases(options: ProxyOptions, polygate: Gateway, many: Gateway, rivals: readonly Gateway[]): Case[] {
  const cases: Case[] = []
  const bases = rivals.map(rival => rival.name)
  for (const body of options.bodies) {
    const large = body > 16_384
    for (const connections of large ? [largeBodyConnections] : options.connections) {
      const name = `${body} B, ${connections} connections`
      cases.push({ name, path: `/${body}`, connections, gateways: [polygate, ...rivals], bases })
    }
  }
  if (options.bodies.includes(smallBody)) {
    const name = `${routesCount} routes, 3 header rules`
    cases.push({ name, path: `/${smallBody}`, connections: 32, gateways: [polygate, many], bases: [polygate.name] })
  }
  return cases
}

const progress = (round: number, rounds: number, name: string, gateway: string, run: RunResult): string =>
  `round ${round}/${rounds}  ${name}: ${gateway} ${run.cpuUs.toFixed(2)} us, ${run.requestsPerSecond.toFixed(0)}/s${run.noiseText}`

interface Conditions {
  readonly upstream: string
  readonly missing: readonly string[]
}

interface Line {
  readonly case: string
  readonly gateway: string
  readonly cpuUs: number
  readonly cpuSpreadPercent: number
  readonly workerCpuUs: number
  /** CPU per request divided by that of the named gateway. */
  readonly ratios: Readonly<Record<string, number>>
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly residentMiB: number
  readonly coreShare: number
  readonly noisyRounds: number
  readonly runs: readonly RunResult[]
}

function summarize(one: Case, gateway: string, results: ReadonlyMap<string, readonly RunResult[]>): Line {
  const runs = results.get(`${one.name}|${gateway}`) ?? []
  const over = (pick: (run: RunResult) => number): number => median(runs.map(pick))
  const ratios: Record<string, number> = {}
  for (const base of one.bases) {
    const baseRuns = results.get(`${one.name}|${base}`) ?? []
    // Round by round, because neighbours in time share the machine's state; then the median.
    ratios[base] = median(runs.map((run, i) => run.cpuUs / (baseRuns[i]?.cpuUs ?? NaN)))
  }
  return {
    case: one.name,
    gateway,
    cpuUs: over(r => r.cpuUs),
    cpuSpreadPercent: spreadPercent(runs.map(r => r.cpuUs)),
    workerCpuUs: over(r => r.workerCpuUs),
    ratios,
    requestsPerSecond: over(r => r.requestsPerSecond),
    p50Ms: over(r => r.p50Ms),
    p99Ms: over(r => r.p99Ms),
    residentMiB: over(r => r.residentKiB) / 1024,
    coreShare: over(r => r.coreShare),
    noisyRounds: runs.filter(r => r.isNoisy).length,
    runs,
  }
}

function cells(line: Line): string[] {
  const ratios = Object.entries(line.ratios).filter(([base]) => base !== line.gateway)
  return [
    line.case,
    line.gateway,
    line.cpuUs.toFixed(2),
    `±${line.cpuSpreadPercent.toFixed(1)} %`,
    line.workerCpuUs.toFixed(2),
    ratios.map(([base, ratio]) => `${ratio.toFixed(3)} x ${base}`).join(', '),
    line.requestsPerSecond.toFixed(0),
    line.p50Ms.toFixed(2),
    line.p99Ms.toFixed(2),
    line.residentMiB.toFixed(0),
    `${(line.coreShare * 100).toFixed(0)} %`,
  ]
}

const heads = [
  'case',
  'gateway',
  'CPU us/request',
  'spread',
  'worker us',
  'ratios',
  'requests/s',
  'p50 ms',
  'p99 ms',
  'RSS MiB',
  'core',
]

function report(
  options: ProxyOptions,
  cases: readonly Case[],
  results: ReadonlyMap<string, readonly RunResult[]>,
  conditions: Conditions,
): readonly Line[] {
  const lines = cases.flatMap(one => one.gateways.map(gateway => summarize(one, gateway.name, results)))
  console.log(table([heads, ...lines.map(cells)]))
  console.log(
    `\nmedians of ${options.rounds} rounds of ${options.seconds} s; generator ${options.generator}; upstream ${conditions.upstream}`,
  )
  for (const name of conditions.missing) console.log(`${name}: not installed, not measured`)
  const noisyRuns = lines.reduce((sum, line) => sum + line.noisyRounds, 0)
  if (noisyRuns > 0) {
    console.log(
      `NOISE: in ${noisyRuns} runs other processes used more than ${noisy * 100} % of a core: repeat on an idle machine`,
    )
  }
  return lines
}
