// Guard: limits that stand beside one another, counted in the file that all workers share. Places of concurrency limits
// are taken first and given back when the exchange ends; then rates and quotas are decided together. A request that one
// of them refuses counts in none, nor in limits that stood further up; answers say what is left
// (draft-ietf-httpapi-ratelimit-headers). Where nothing can be counted, the configuration says whether that refuses or
// admits.
import type { ConcurrencyGuardPlan, HeaderPair, LimitGuardPlan, OwnLimitsGuardPlan } from '../../config/plan.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { LimitDecision, LimitVerdict, PlaceVerdict } from '../../shared/native-limits.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { Claims } from './claims.ts'
import { limitKey, type LimitKey, type LimitKeyOptions } from './limit-keys.ts'
import { LimitRule, PartialRule, PlaceRule } from './limit-rules.ts'
import type { LimitStore } from './limit-store.ts'
import type { KnownOwnLimits } from './own-limits.ts'

export interface LimitGuardOptions extends LimitKeyOptions {
  readonly store: LimitStore
  readonly own: KnownOwnLimits
  readonly count: CountOutcome
  /** The route has limits elsewhere, too: what is taken here may have to be given back there. */
  readonly others: boolean
}

export interface LimitGuard {
  readonly stage: Stage
  release(): void
}

export type LimitPlan = LimitGuardPlan | ConcurrencyGuardPlan | OwnLimitsGuardPlan

export function limitGuard(plans: readonly LimitPlan[], options: LimitGuardOptions): LimitGuard {
  const { count, store, others } = options
  const claims = new Claims(store)
  const rules: { release(): void }[] = []
  const claim = compileClaims(plans, options, rules)
  const takePlaces = compilePlaces(plans, options, rules)

  function refuse(exchange: Exchange, outcome: GuardOutcome): void {
    count(exchange.routeId, outcome)
    exchange.refusedFor = outcome
    store.leave(exchange.lease)
    exchange.lease = 0
    giveBack(exchange, store)
  }

  function uncounted(exchange: Exchange): Verdict {
    refuse(exchange, GuardOutcome.limitsUnavailable)
    return exchange.refuse('store_unavailable', 'limits cannot be counted', retryAfter(1))
  }

  function overLimit(exchange: Exchange, refusing: number): Verdict {
    const rule = claims.rules[refusing]!
    if (claims.verdict(refusing) === LimitVerdict.fullRefused) {
      store.full(rule.name)
      return uncounted(exchange)
    }
    annotate(exchange, claims)
    const isOverRate = rule.isRate[claims.number(refusing, LimitDecision.window)] === true
    refuse(exchange, isOverRate ? GuardOutcome.rateLimited : GuardOutcome.quotaExceeded)
    const wait = retryAfter(Math.max(1, claims.number(refusing, LimitDecision.retrySeconds)))
    return isOverRate
      ? exchange.refuse('rate_limited', 'too many requests', wait)
      : exchange.refuse('quota_exceeded', 'the quota of this period is used up', wait)
  }

  function admitted(exchange: Exchange): Verdict {
    annotate(exchange, claims)
    for (let at = 0; at < claims.count; at++) {
      const rule = claims.rules[at]!
      if (claims.verdict(at) === LimitVerdict.fullAdmitted) {
        store.full(rule.name)
        count(exchange.routeId, GuardOutcome.limitsSkipped)
      } else {
        count(exchange.routeId, rule.isRateFirst ? GuardOutcome.rateAdmitted : GuardOutcome.quotaAdmitted)
        if (others) remember(exchange, claims, at)
      }
    }
    return Verdict.next
  }

  function stage(exchange: Exchange): Verdict {
    const place = takePlaces(exchange)
    if (place === PlaceVerdict.refused) {
      refuse(exchange, GuardOutcome.concurrencyLimited)
      return exchange.refuse('rate_limited', 'too many requests at once', retryAfter(1))
    }
    if (place === PlaceVerdict.fullRefused) return uncounted(exchange)
    claims.count = 0
    claim(exchange, claims)
    const refusing = claims.decide()
    if (refusing >= 0) return overLimit(exchange, refusing)
    if (refusing === LimitVerdict.noneRefuses) return admitted(exchange)
    if (!claims.isOpen) return uncounted(exchange)
    count(exchange.routeId, GuardOutcome.limitsSkipped)
    return Verdict.next
  }

  const limits = store.current()
  if (limits !== null) for (const rule of rules) if (rule instanceof LimitRule) rule.numberIn(limits)
  return {
    stage,
    release() {
      for (const rule of rules) rule.release()
    },
  }
}

const retryAfter = (seconds: number): readonly HeaderPair[] => [['retry-after', String(seconds)]]

function annotate(exchange: Exchange, claims: Claims): void {
  let policies = ''
  let lefts = ''
  for (let at = 0; at < claims.count; at++) {
    // What could not be counted has no numbers.
    if (claims.verdict(at) > LimitVerdict.refused) continue
    const rule = claims.rules[at]!
    const name = rule.windowNames[claims.number(at, LimitDecision.window)]!
    const left = `${name};r=${claims.number(at, LimitDecision.remaining)};t=${claims.number(at, LimitDecision.resetSeconds)}`
    policies = policies === '' ? rule.policy : `${policies}, ${rule.policy}`
    lefts = lefts === '' ? left : `${lefts}, ${left}`
  }
  if (policies !== '') exchange.extraHeaders += `\r\nratelimit-policy: ${policies}\r\nratelimit: ${lefts}`
}

function remember(exchange: Exchange, claims: Claims, at: number): void {
  const limits = claims.limits!
  const counted = { limits, rule: claims.rules[at]!.numberIn(limits), key: claims.keys[at]! }
  ;(exchange.counted ??= []).push(counted)
}

/** What limits further up have counted. */
function giveBack(exchange: Exchange, store: LimitStore): void {
  const { counted } = exchange
  if (counted === null) return
  for (const { limits, rule, key } of counted) if (limits === store.open) limits.giveBack(rule, key)
  exchange.counted = null
}

type Claim = (exchange: Exchange, claims: Claims) => void

function compileClaims(plans: readonly LimitPlan[], options: LimitGuardOptions, rules: { release(): void }[]): Claim {
  const list = plans.flatMap((plan): Claim[] => {
    if (plan.kind === 'concurrency') return []
    if (plan.kind === 'own-limits') return [ownClaim(options.own)]
    const rule = new LimitRule(plan)
    rules.push(rule)
    const keyOf = limitKey(plan.by, plan.header, options)
    return [
      plan.by === 'consumer'
        ? consumerClaim(plan, rule, keyOf, options.own, rules)
        : (exchange, claims) => claims.add(rule, keyOf(exchange)),
    ]
  })
  if (list.length === 1) return list[0]!
  return (exchange, claims) => {
    for (let at = 0; at < list.length; at++) list[at]!(exchange, claims)
  }
}

const ownClaim =
  (own: KnownOwnLimits): Claim =>
  ({ consumer }, claims) => {
    const limits = own.of(consumer)
    if (limits === null) return
    const { name } = consumer!.plan
    if (limits.rate !== null) claims.add(limits.rate, name)
    if (limits.quota !== null) claims.add(limits.quota, name)
  }

/** The consumer's own limits stand in the place of the route's of the same kind. */
function consumerClaim(
  plan: LimitGuardPlan,
  rule: LimitRule,
  keyOf: LimitKey,
  own: KnownOwnLimits,
  rules: { release(): void }[],
): Claim {
  const isRate = rule.isRate.includes(true)
  const isQuota = rule.isRate.includes(false)
  const [withoutRates, withoutQuotas] = (['rates', 'quotas'] as const).map(kind => {
    if (!isRate || !isQuota) return (kind === 'rates') === isRate ? null : rule
    const partial = new PartialRule(plan, rule, kind)
    rules.push(partial)
    return partial
  })
  const claimOwn = ownClaim(own)
  return (exchange, claims) => {
    const limits = own.of(exchange.consumer)
    if (limits === null) return claims.add(rule, keyOf(exchange))
    let rest: LimitRule | null = rule
    if (limits.rate !== null) rest = limits.quota === null ? withoutRates! : null
    else if (limits.quota !== null) rest = withoutQuotas!
    claimOwn(exchange, claims)
    if (rest !== null) claims.add(rest, keyOf(exchange))
  }
}

/** A PlaceVerdict, or 0 where the request has its places. */
type TakePlaces = (exchange: Exchange) => number

function compilePlaces(
  plans: readonly LimitPlan[],
  options: LimitGuardOptions,
  rules: { release(): void }[],
): TakePlaces {
  const { count, store } = options
  const list = plans.flatMap((plan): TakePlaces[] => {
    if (plan.kind !== 'concurrency') return []
    const rule = new PlaceRule(plan.rule, plan.limit, plan.onFailure)
    rules.push(rule)
    const keyOf = limitKey(plan.by, plan.header, options)
    const skipped = (exchange: Exchange): number => {
      if (!rule.isOpen) return PlaceVerdict.fullRefused
      count(exchange.routeId, GuardOutcome.limitsSkipped)
      return 0
    }
    return [
      exchange => {
        const verdict = store.place(exchange.lease, rule, keyOf(exchange))
        if (verdict > 0) {
          exchange.lease = verdict
          count(exchange.routeId, GuardOutcome.concurrencyAdmitted)
          return 0
        }
        if (verdict === PlaceVerdict.refused) return verdict
        if (verdict !== PlaceVerdict.closed) store.full(rule.name)
        return skipped(exchange)
      },
    ]
  })
  if (list.length === 0) return () => 0
  store.keepPlaces()
  return exchange => {
    for (let at = 0; at < list.length; at++) {
      const verdict = list[at]!(exchange)
      if (verdict !== 0) return verdict
    }
    return 0
  }
}
