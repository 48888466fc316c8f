// Finds the worker processes of a running Polygate. Called by the suites that watch a worker's memory.
import type { Polygate } from '../rivals/polygate.ts'
import { residentKiB, takeSnapshot, treeOf } from './cpu.ts'

/** Process ids below control's own: its workers. */
export function workersOf(polygate: Polygate): number[] {
  return treeOf(polygate.running.pid, takeSnapshot()).filter(pid => pid !== polygate.running.pid)
}

export function onlyWorkerOf(polygate: Polygate): number {
  const workers = workersOf(polygate)
  const [worker] = workers
  if (worker === undefined || workers.length > 1) throw new Error(`expected one worker, found ${workers.length}`)
  return worker
}

/** Reads the worker's memory every 20 ms and keeps the largest, in KiB. */
export function watchPeak(pid: number): { stop(): number } {
  let peakKiB = residentKiB(pid)
  const timer = setInterval(() => (peakKiB = Math.max(peakKiB, residentKiB(pid))), 20)
  return {
    stop: () => {
      clearInterval(timer)
      return Math.max(peakKiB, residentKiB(pid))
    },
  }
}
