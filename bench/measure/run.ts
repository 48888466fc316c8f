// One measured run: load against one gateway, CPU time of its processes over exactly that load, and what else ran on
// the machine meanwhile. Called by the suites that measure whole requests.
import { cpuBetween, noiseBetween, residentKiB, takeSnapshot, treeOf } from './cpu.ts'
import { noisy } from './report.ts'
import { runLoad, type LoadOptions } from './generator.ts'
import type { Gateway } from '../rivals/gateway.ts'
import type { Processes } from '../processes.ts'

export interface RunResult {
  /** CPU microseconds per request of all processes of the gateway. */
  readonly cpuUs: number
  /** The same of the process that used most: the worker. */
  readonly workerCpuUs: number
  /** Of that process, the thread of its loop alone. */
  readonly loopCpuUs: number
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Resident memory of all processes of the gateway, KiB. */
  readonly residentKiB: number
  /** How much of its core the gateway used, 0..1: at 1 it is the bottleneck, below it waited for the generator. */
  readonly coreShare: number
  readonly noiseShare: number
  readonly noiseWorst: string
  readonly isNoisy: boolean
  /** To be put behind a line of progress; '' without noise. */
  readonly noiseText: string
}

/** Throws when a request failed or was answered with anything but 2xx: such a run measures nothing. */
export async function measureRun(
  processes: Processes,
  gateway: Gateway,
  load: LoadOptions,
  others: readonly number[],
): Promise<RunResult> {
  const before = takeSnapshot()
  const result = await runLoad(processes, load)
  const after = takeSnapshot()
  if (result.failures > 0) {
    throw new Error(`INVALID: ${gateway.name} at ${load.connections} connections: ${result.failureText}`)
  }
  if (result.requests === 0) throw new Error(`INVALID: ${gateway.name} answered no request`)
  const tree = treeOf(gateway.running.pid, after)
  const perProcessNs = tree.map(pid => Number(cpuBetween([pid], before, after)))
  const worker = tree[perProcessNs.indexOf(Math.max(...perProcessNs))]!
  const totalNs = perProcessNs.reduce((sum, ns) => sum + ns, 0)
  const noise = noiseBetween([gateway.running.pid, ...others], before, after)
  const isNoisy = noise.foreignShare > noisy
  return {
    cpuUs: totalNs / 1000 / result.requests,
    workerCpuUs: Math.max(...perProcessNs) / 1000 / result.requests,
    loopCpuUs: Number(cpuBetween([worker], before, after, 'loopNs')) / 1000 / result.requests,
    requests: result.requests,
    requestsPerSecond: result.requestsPerSecond,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    residentKiB: tree.reduce((sum, pid) => sum + residentKiB(pid), 0),
    coreShare: totalNs / Number(after.atNs - before.atNs),
    noiseShare: noise.foreignShare,
    noiseWorst: noise.worst,
    isNoisy,
    noiseText: isNoisy ? `  NOISE ${(noise.foreignShare * 100).toFixed(0)} % (${noise.worst})` : '',
  }
}
