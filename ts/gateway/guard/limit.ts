// Guard: rate limits and quotas, counted in the file that all workers share. A request over a limit is refused and counts
// nowhere; answers say what is left (draft-ietf-httpapi-ratelimit-headers). Where nothing can be counted, the
// configuration says whether that refuses or admits.
import type { HeaderPair, LimitGuardPlan } from '../../config/plan.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { LimitDecision, LimitVerdict } from '../../shared/native-limits.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { addressKey } from './address-key.ts'
import { LimitRule, type LimitStore } from './limit-store.ts'

export interface LimitGuardOptions {
  readonly heads: RequestHeads
  readonly store: LimitStore
  /** The address that counts as the client's. */
  readonly clientAddress: (exchange: Exchange) => string
  readonly count: CountOutcome
}

export interface LimitGuard {
  readonly stage: Stage
  release(): void
}

export function limitGuard(plan: LimitGuardPlan, options: LimitGuardOptions): LimitGuard {
  const { count, store } = options
  const rule = new LimitRule(plan, store)
  rule.prepare()
  const keyOf = limitKey(plan, options)
  const names = plan.windows.map((_, at) => (plan.windows.length === 1 ? `"${plan.rule}"` : `"${plan.rule}-${at + 1}"`))
  const isRate = plan.windows.map(({ kind }) => kind === 'rate')
  const admitted = isRate[0] === true ? GuardOutcome.rateAdmitted : GuardOutcome.quotaAdmitted

  function uncounted(exchange: Exchange): Verdict {
    if (plan.onFailure === 'open') {
      count(exchange.routeId, GuardOutcome.limitsSkipped)
      return Verdict.next
    }
    count(exchange.routeId, GuardOutcome.limitsUnavailable)
    exchange.refusedFor = GuardOutcome.limitsUnavailable
    return exchange.refuse('store_unavailable', 'limits cannot be counted', retryAfter(1))
  }

  function annotate(exchange: Exchange): number {
    const { decision } = rule
    const window = decision[LimitDecision.window]!
    const left = `r=${decision[LimitDecision.remaining]!};t=${decision[LimitDecision.resetSeconds]!}`
    exchange.extraHeaders += `\r\nratelimit-policy: ${rule.policy}\r\nratelimit: ${names[window]};${left}`
    return window
  }

  function refuse(exchange: Exchange): Verdict {
    const isOverRate = isRate[annotate(exchange)] === true
    const outcome = isOverRate ? GuardOutcome.rateLimited : GuardOutcome.quotaExceeded
    count(exchange.routeId, outcome)
    exchange.refusedFor = outcome
    const wait = retryAfter(Math.max(1, rule.decision[LimitDecision.retrySeconds]!))
    return isOverRate
      ? exchange.refuse('rate_limited', 'too many requests', wait)
      : exchange.refuse('quota_exceeded', 'the quota of this period is used up', wait)
  }

  function stage(exchange: Exchange): Verdict {
    const verdict = rule.decide(keyOf(exchange))
    if (verdict === LimitVerdict.refused) return refuse(exchange)
    if (verdict === null || verdict === LimitVerdict.fullRefused || verdict === LimitVerdict.fullAdmitted) {
      return uncounted(exchange)
    }
    annotate(exchange)
    count(exchange.routeId, admitted)
    return Verdict.next
  }

  return { stage, release: () => rule.release() }
}

const retryAfter = (seconds: number): readonly HeaderPair[] => [['retry-after', String(seconds)]]

function limitKey(
  { by, header }: LimitGuardPlan,
  { heads, clientAddress }: LimitGuardOptions,
): (exchange: Exchange) => string {
  switch (by) {
    case 'address':
      return exchange => addressKey(clientAddress(exchange))
    case 'consumer':
      return exchange => exchange.consumer?.plan.name ?? ''
    case 'route':
      return () => ''
    case 'header':
      // Those without it have one limit together.
      return exchange => heads.header(exchange.slot, header) ?? ''
  }
}
