// The limits that consumers have of their own: counted over all routes together, under the consumer's name. Made once a
// plan; consumers with the same limit share its rule. Used by limit.ts, which says where they are decided.
import type { OwnLimitPlan } from '../../config/plan.ts'
import type { Consumer } from '../exchange.ts'
import type { Consumers } from './consumers.ts'
import { LimitRule } from './limit-rules.ts'
import type { LimitStore } from './limit-store.ts'

export interface OwnLimits {
  readonly rate: LimitRule | null
  readonly quota: LimitRule | null
}

export interface KnownOwnLimits {
  of(consumer: Consumer | null): OwnLimits | null
  release(): void
}

/** No route's rule has one of these names: behind the colon they have what it is by. */
const rateName = 'consumer:rate'
const quotaName = 'consumer:quota'

export function knowOwnLimits({ list }: Consumers, store: LimitStore): KnownOwnLimits {
  const rules = new Map<string, LimitRule>()
  const known = new Map<Consumer, OwnLimits>()
  const ruleOf = (name: string, limit: OwnLimitPlan | undefined): LimitRule | null => {
    if (limit === undefined) return null
    const like = JSON.stringify([name, limit])
    let rule = rules.get(like)
    if (rule === undefined) {
      rule = new LimitRule({ rule: name, windows: [limit.window], onFailure: limit.onFailure })
      rules.set(like, rule)
    }
    return rule
  }
  for (const consumer of list) {
    const { limits } = consumer.plan
    if (limits.length === 0) continue
    known.set(consumer, {
      rate: ruleOf(
        rateName,
        limits.find(({ window }) => window.kind === 'rate'),
      ),
      quota: ruleOf(
        quotaName,
        limits.find(({ window }) => window.kind !== 'rate'),
      ),
    })
  }
  const limits = store.current()
  if (limits !== null) for (const rule of rules.values()) rule.numberIn(limits)
  return {
    of: known.size === 0 ? () => null : consumer => (consumer === null ? null : (known.get(consumer) ?? null)),
    release() {
      for (const rule of rules.values()) rule.release()
    },
  }
}
