// CPU time and memory of process trees, from /proc (Linux). Called by the suites before and after a run.
// schedstat counts nanoseconds on the core; /proc/PID/stat would count 10 ms ticks.
import { readdirSync, readFileSync } from 'node:fs'

/** Nanoseconds on a core since the process began. */
interface CpuTime {
  /** Summed over its threads. */
  readonly cpuNs: bigint
  /** Of its first thread: in Node, of the loop. */
  readonly loopNs: bigint
}

/** Null when it is gone. */
function cpuTimeOf(pid: number): CpuTime | null {
  try {
    let cpuNs = 0n
    let loopNs = 0n
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const line = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
      const threadNs = BigInt(line.slice(0, line.indexOf(' ')))
      cpuNs += threadNs
      if (thread === String(pid)) loopNs = threadNs
    }
    return { cpuNs, loopNs }
  } catch {
    return null
  }
}

interface Stat {
  readonly pid: number
  readonly parent: number
  readonly name: string
}

function readStat(pid: number): Stat | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name may hold blanks and brackets: it ends at the last bracket.
    const end = line.lastIndexOf(')')
    const parent = Number(line.slice(end + 2).split(' ')[1])
    return { pid, parent, name: line.slice(line.indexOf('(') + 1, end) }
  } catch {
    return null
  }
}

export interface Snapshot {
  readonly atNs: bigint
  readonly processes: ReadonlyMap<number, Stat & CpuTime>
  /** Busy time of all cores in ms, steal included: catches what began and ended between two snapshots. */
  readonly busyMs: number
  /** What children of this process that have ended used, ms: the load generators. */
  readonly reapedMs: number
}

const tickMs = 10

function reapedMs(): number {
  const line = readFileSync('/proc/self/stat', 'latin1')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * tickMs
}

/** CPU time of every process of the machine. */
export function takeSnapshot(): Snapshot {
  const processes = new Map<number, Stat & CpuTime>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!(pid > 0)) continue
    const stat = readStat(pid)
    const time = cpuTimeOf(pid)
    if (stat && time !== null) processes.set(pid, { ...stat, ...time })
  }
  const cpu = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? []
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = cpu
  const busyMs = (user + nice + system + irq + softirq + steal) * tickMs
  return { atNs: process.hrtime.bigint(), processes, busyMs, reapedMs: reapedMs() }
}

/** The process and all its descendants. */
export function treeOf(root: number, snapshot: Snapshot): number[] {
  const tree = new Set([root])
  // Parents may come after their children in the listing when process ids have wrapped: repeat until nothing is added.
  for (let before = 0; before !== tree.size;) {
    before = tree.size
    for (const stat of snapshot.processes.values()) if (tree.has(stat.parent)) tree.add(stat.pid)
  }
  return [...tree].filter(pid => snapshot.processes.has(pid))
}

/** CPU nanoseconds that the given processes used between two snapshots. A process that came later counts from zero. */
export function cpuBetween(
  pids: readonly number[],
  before: Snapshot,
  after: Snapshot,
  of: keyof CpuTime = 'cpuNs',
): bigint {
  let total = 0n
  for (const pid of pids) {
    const end = after.processes.get(pid)?.[of]
    if (end !== undefined) total += end - (before.processes.get(pid)?.[of] ?? 0n)
  }
  return total
}

/** Resident memory in KiB of one process, 0 when it is gone. */
export function residentKiB(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

export interface Noise {
  /** Share of one core that processes outside the measurement used, 0..n. */
  readonly foreignShare: number
  /** The largest of them: `name pid: share of one core`. */
  readonly worst: string
}

/** What else ran on the machine between two snapshots, apart from the trees of `ours` and this process. */
export function noiseBetween(ours: readonly number[], before: Snapshot, after: Snapshot): Noise {
  const known = new Set([process.pid, ...ours.flatMap(root => [...treeOf(root, before), ...treeOf(root, after)])])
  const wallMs = Number(after.atNs - before.atNs) / 1e6
  let foreignMs = 0
  let worstMs = 0
  let worst = ''
  let ownMs = after.reapedMs - before.reapedMs
  for (const [pid, end] of after.processes) {
    const usedMs = Number(end.cpuNs - (before.processes.get(pid)?.cpuNs ?? 0n)) / 1e6
    if (known.has(pid)) {
      ownMs += usedMs
      continue
    }
    foreignMs += usedMs
    if (usedMs > worstMs) {
      worstMs = usedMs
      worst = `${end.name} ${pid}: ${((usedMs / wallMs) * 100).toFixed(0)} % of a core`
    }
  }
  // Short-lived processes are in no snapshot, but in the machine's total. The total is in ticks, hence the allowance.
  const unseenMs = after.busyMs - before.busyMs - ownMs - foreignMs - wallMs * 0.05
  return { foreignShare: (foreignMs + Math.max(0, unseenMs)) / wallMs, worst }
}
