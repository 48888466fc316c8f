// What the guards of a route say of one request, as far as its head tells. Called by `explain`, which has read the head into
// slot 0. It is the worker's own code that decides, so outcomes have the words of log and metrics; but nothing is
// counted, remembered or fetched here: limits and the memory of signatures are left out, keys of a URL are not had.
import { isLimit } from '../config/checks.ts'
import type { CheckPlan, GuardPlan, Plan, RoutePlan } from '../config/plan.ts'
import { Exchange, Verdict, type Listener } from '../gateway/exchange.ts'
import type { ExchangeCallbacks } from '../gateway/exchanges.ts'
import { guardStage } from '../gateway/guard/guard.ts'
import { compileGuards, type GuardOptions } from '../gateway/guard/guards.ts'
import { KeySets } from '../gateway/guard/key-sets.ts'
import { LimitStores } from '../gateway/guard/limit-store.ts'
import { Passwords } from '../gateway/guard/passwords.ts'
import type { ErrorCode } from '../shared/errors.ts'
import { GuardOutcome, outcomeText } from '../shared/guard-outcomes.ts'
import { createLog } from '../shared/log.ts'
import { native } from '../shared/native.ts'
import { HeadInfo, type RequestHeads } from '../shared/native-heads.ts'

export interface Decision {
  /** In their order, as `key unknown`; those of alternatives that were tried in vain too. */
  readonly outcomes: readonly string[]
  /** Name of the consumer that the client would be; null: nobody. */
  readonly consumer: string | null
  readonly refused: { readonly status: number; readonly code: ErrorCode } | null
  /** What only a running gateway could say. */
  readonly open: readonly string[]
}

export interface AskedHead {
  readonly heads: RequestHeads
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  readonly scheme: Listener['scheme']
  /** The client's address. */
  readonly from: string
}

/** Null where the route has no guard that could say something. */
export async function decide(plan: Plan, route: RoutePlan, head: AskedHead): Promise<Decision | null> {
  const open: string[] = []
  const guards = route.guards.flatMap(guard => withoutMemory(guard, open))
  if (route.plugins.length > 0) open.push('plugins')
  if (guards.length === 0) return null
  const told: GuardOutcome[] = []
  const verdicts = new Turns()
  const exchanges = new (native().Exchanges)(head.heads.id)
  const settle: GuardOptions['settle'] = (_exchange, _tag, conclude) => verdicts.push(conclude)
  const log = createLog('explain')
  const compiled = compileGuards({
    plan: { ...plan, counting: { ...plan.counting, file: null }, routes: [{ ...route, guards }] },
    heads: head.heads,
    exchanges,
    limits: new LimitStores(log),
    passwords: new Passwords(head.heads, settle),
    keySets: new KeySets(exchanges, () => {}, log),
    clientAddress: () => head.from,
    trusts: () => false,
    authenticate: () => [[]],
    metrics: { guard: (_route, outcome) => void told.push(outcome) },
    settle,
  })
  if (compiled === null) return null
  const exchange = exchangeOf(route, head)
  const stage = guardStage(null, compiled)
  try {
    let verdict = stage.check(exchange)
    while (verdict === Verdict.later && !exchange.signedBodyDue) {
      verdict = stage.settle!(exchange, (await verdicts.next())(exchange))
    }
    if (verdict === Verdict.later) open.push('the signature, which needs the body')
    const isLimited = (exchange.consumer?.plan.limits.length ?? 0) > 0
    if (isLimited && !open.includes('limits')) open.push('limits')
    const keysAreAway = exchange.refusedFor === GuardOutcome.jwtNoKeys
    if (keysAreAway) open.push('the token: its keys are fetched by a running gateway')
    const { code, answer } = exchange
    return {
      outcomes: told.map(outcomeText),
      consumer: exchange.consumer?.plan.name ?? null,
      refused:
        verdict !== Verdict.answer || code === null || answer === null || keysAreAway
          ? null
          : { status: answer.status, code },
      open,
    }
  } finally {
    compiled.release()
    exchanges.end(exchange.slot)
  }
}

/** The guard without what it would count or remember: `explain` must leave no trace. `open` hears what is left out. */
function withoutMemory(guard: GuardPlan, open: string[]): GuardPlan[] {
  const note = (what: string): void => void (open.includes(what) || open.push(what))
  const forgetful = (check: CheckPlan): CheckPlan => {
    if (check.kind !== 'signature' || check.remember === 'nothing') return check
    note('whether the signature was used before')
    return { ...check, remember: 'nothing' }
  }
  if (guard.kind === 'any') return [{ ...guard, of: guard.of.map(all => all.map(forgetful)) }]
  if (!isLimit(guard)) return [forgetful(guard)]
  // Whether a consumer has limits of its own is known when it is.
  if (guard.kind !== 'own-limits') note('limits')
  return []
}

/** What guards that answer later have to say, one after another. */
class Turns {
  readonly #ready: ((exchange: Exchange) => Verdict)[] = []
  #wake: (() => void) | null = null

  push(conclude: (exchange: Exchange) => Verdict): void {
    this.#ready.push(conclude)
    this.#wake?.()
  }

  async next(): Promise<(exchange: Exchange) => Verdict> {
    // Nothing else keeps the process alive while other threads compute.
    const alive = setInterval(() => {}, 1000)
    if (this.#ready.length === 0) await new Promise<void>(resolve => (this.#wake = resolve))
    clearInterval(alive)
    return this.#ready.shift()!
  }
}

const unreachable = (): never => {
  throw new Error('no front end has this exchange')
}
const callbacks: ExchangeCallbacks = {
  aborted: unreachable,
  body: unreachable,
  writable: unreachable,
  corked: unreachable,
  requestId: () => '',
}

function exchangeOf({ maxBodyBytes }: RoutePlan, { heads, method, host, path, query, scheme }: AskedHead): Exchange {
  const exchange = new Exchange(0, callbacks)
  const framing = heads.info[HeadInfo.framing]!
  return Object.assign(exchange, {
    routeId: 0,
    listener: { id: 1, scheme, port: scheme === 'https' ? 443 : 80 },
    ...{ method, host, path, query, maxBodyBytes, framing },
    contentLength: heads.info[HeadInfo.lengthLow]! >>> 0,
    bodyDone: framing === 0,
  })
}
