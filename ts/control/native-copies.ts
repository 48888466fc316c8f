// Where workers keep copies of plugins in native code: beside the last good plan, so in the state folder. A library is
// opened under a name of its content, or a changed file would be taken for the one that is open.
import { dirname, join } from 'node:path'
import type { Plan } from '../config/plan.ts'

export function withCopies(plan: Plan, lastGoodFile: string): Plan {
  if (!plan.plugins.some(({ runtime }) => runtime === 'rust')) return plan
  const copies = join(dirname(lastGoodFile), 'libraries')
  return { ...plan, plugins: plan.plugins.map(one => (one.runtime === 'rust' ? { ...one, copies } : one)) }
}
