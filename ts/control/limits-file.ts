// Where limits are counted: one file per gateway beside its last good plan, so in the state folder. Control names it in
// the plan; workers open it, and survive without it.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Plan } from '../config/plan.ts'
import type { Log } from '../shared/log.ts'

export function withLimitsFile(plan: Plan, lastGoodFile: string, log: Log): Plan {
  if (!plan.routes.some(({ guards }) => guards.some(({ kind }) => kind === 'limit'))) return plan
  const folder = dirname(lastGoodFile)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    // Workers say again that they cannot count, and answer as the configuration wants it.
    log.error('cannot make the folder of the limits file', { folder, reason: (error as Error).message })
  }
  return { ...plan, limitsFile: join(folder, 'limits') }
}
