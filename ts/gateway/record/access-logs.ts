// Opens the access log of each plan, says when one cannot be written, and counts the lines lost over all plans: a
// reload must not take back what was counted. One in a worker, used by its wiring.
import type { AccessLogPlan } from '../../config/plan.ts'
import type { Log } from '../../shared/log.ts'
import { AccessLog } from './access-log.ts'

export class AccessLogs {
  readonly #log: Log
  linesLost = 0

  constructor(log: Log) {
    this.#log = log
  }

  open(plan: AccessLogPlan): AccessLog {
    const { target } = plan
    return new AccessLog(
      plan,
      {},
      {
        lost: lines => void (this.linesLost += lines),
        failing: reason => this.#log.error('access log cannot be written', { target, reason }),
        recovered: lines => this.#log.info('access log is written again', { target, lost: lines }),
      },
    )
  }
}
