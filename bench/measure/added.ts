// What a case adds to the CPU time of a request: each is measured right after the case that does the same without, round by
// round. Called by the suites that compare whole requests.
import type { Processes } from '../processes.ts'
import type { Gateway } from '../rivals/gateway.ts'
import { runLoad, type LoadOptions, type RequestHeaders } from './generator.ts'
import { measureRun, type RunResult } from './run.ts'

export interface AddedCase {
  readonly name: string
  readonly gateway: Gateway
  /** Made before each run. */
  readonly headers: () => RequestHeaders
  /** The case that does the same without; its own name: this is one. */
  readonly base: string
}

export interface AddedRun {
  readonly run: RunResult
  /** Over the run of the base just before it; null: it is a base. */
  readonly addedUs: number | null
}

/** By the name of the case, in the order of the rounds. */
export type AddedRuns = ReadonlyMap<string, readonly AddedRun[]>

export interface AddedOptions {
  readonly rounds: number
  readonly warmUpSeconds: number
}

/** `cpuUs`: which CPU time of a run is compared. */
export async function measureAdded(
  processes: Processes,
  { rounds, warmUpSeconds }: AddedOptions,
  cases: readonly AddedCase[],
  load: Omit<LoadOptions, 'url'>,
  others: readonly number[],
  cpuUs: (run: RunResult) => number,
): Promise<AddedRuns> {
  const runs = new Map<string, AddedRun[]>(cases.map(({ name }) => [name, []]))
  const measure = async ({ gateway, headers }: AddedCase): Promise<RunResult> => {
    const target = { ...load, url: `http://127.0.0.1:${gateway.port}/128`, headers: [headers()] }
    if (warmUpSeconds > 0) await runLoad(processes, { ...target, seconds: warmUpSeconds })
    return measureRun(processes, gateway, target, others)
  }
  for (let round = 1; round <= rounds; round++) {
    for (const one of cases) {
      const base = one.name === one.base ? null : cases.find(({ name }) => name === one.base)!
      // Just before, because neighbours in time share the machine's state: it drifts by more than a case adds.
      const before = base === null ? null : await measure(base)
      const run = await measure(one)
      runs.get(one.name)!.push({ run, addedUs: before === null ? null : cpuUs(run) - cpuUs(before) })
      const over = before === null ? '' : ` after ${cpuUs(before).toFixed(2)} without`
      const figures = `${cpuUs(run).toFixed(2)} us${over}, ${run.requestsPerSecond.toFixed(0)}/s`
      console.error(`round ${round}/${rounds}  ${one.name}: ${figures}${run.noiseText}`)
    }
  }
  return runs
}
