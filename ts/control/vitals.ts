// What the kernel says of a process: memory, processor time, and whether it wants to run. Read from /proc on demand,
// by metrics and by the check for workers that loop. Where there is no /proc the answer is null.
import { readFileSync } from 'node:fs'

export interface Vitals {
  /** R: runs or wants to; S, D: waits; T: stopped; Z: dead. */
  readonly state: string
  readonly cpuSeconds: number
  readonly rssBytes: number
}

/** USER_HZ is 100 on every Linux that Node runs on; page size likewise 4096, except some arm64 (then RSS is too low). */
const ticksPerSecond = 100
const pageBytes = 4096

export function vitalsOf(pid: number): Vitals | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command's name in brackets and may hold blanks and brackets itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      state: fields[0] ?? '?',
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      rssBytes: Number(fields[21]) * pageBytes,
    }
  } catch {
    return null
  }
}
