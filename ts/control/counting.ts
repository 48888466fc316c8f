// Where limits are counted: in the file that the configuration names, else in one beside the last good plan, so in the
// state folder. Control names it in the plan; workers open it, and survive without it.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { usesCounting } from '../config/checks.ts'
import type { CountingPlan, Plan } from '../config/plan.ts'
import type { Log } from '../shared/log.ts'

export function withCountingFile(plan: Plan, lastGoodFile: string, log: Log): Plan {
  const { counting } = plan
  if (!usesCounting(plan)) return counting.file === null ? plan : { ...plan, counting: { ...counting, file: null } }
  const file = counting.file ?? join(dirname(lastGoodFile), 'limits')
  const folder = dirname(file)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    // Workers say again that they cannot count, and answer as the configuration wants it.
    log.error('cannot make the folder of the limits file', { folder, reason: (error as Error).message })
  }
  return { ...plan, counting: { ...counting, file } }
}

/** Throws where the file that workers have open would have to be laid out anew: what it has counted would be lost. */
export function refuseOtherSizes(before: CountingPlan, after: CountingPlan): void {
  if (before.file === null || before.file !== after.file) return
  for (const size of ['keys', 'replays'] as const) {
    if (before[size] !== after[size]) {
      throw new Error(
        `counting.${size}: found ${after[size]}, expected ${before[size]} while the gateway runs: another size needs a restart, or another counting.file`,
      )
    }
  }
}
