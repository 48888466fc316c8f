// Compiles the guards of each route when a plan is prepared. Called by the worker's wiring; guard.ts runs them.
import { isLimit, runsOfLimits } from '../../config/checks.ts'
import type { CheckPlan, GuardPlan, Plan } from '../../config/plan.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Exchange, Verdict } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { addressGuard } from './address.ts'
import { basicGuard, knowPasswords, type KnownPasswords } from './basic.ts'
import { certificateGuard, knowCertificates, type KnownCertificates } from './certificate.ts'
import { credentialOutcome, knowConsumers, type Consumers } from './consumers.ts'
import { jwtGuard } from './jwt.ts'
import type { KeySets } from './key-sets.ts'
import { keyGuard, knowKeys, type KnownKeys } from './key.ts'
import { limitGuard, type LimitPlan } from './limit.ts'
import type { LimitStore, LimitStores } from './limit-store.ts'
import { knowOwnLimits, type KnownOwnLimits } from './own-limits.ts'
import type { Passwords } from './passwords.ts'
import { knowVerifiers, signatureGuard, type Verifiers } from './signature.ts'
import { compileProgram, type Program, type Requirement } from './program.ts'

export interface GuardOptions {
  readonly plan: Plan
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly limits: LimitStores
  readonly passwords: Passwords
  readonly keySets: KeySets
  /** The address that counts as the client's. */
  readonly clientAddress: (exchange: Exchange) => string
  /** Whether what the peer says of the client is believed. */
  readonly trusts: (exchange: Exchange) => boolean
  /** By route id: plugins of which one must name a consumer, before all guards of the route. */
  readonly authenticate: Authenticators
  readonly metrics: { guard(routeId: number, outcome: GuardOutcome): void }
  /**
   * For a guard that has said `later` and can now say more. `tag` is what the exchange's was when it said so: a request
   * that has ended since has another, and `conclude` is not called.
   */
  readonly settle: (exchange: Exchange, tag: number, conclude: (exchange: Exchange) => Verdict) => void
}

export type Authenticators = (
  admit: (exchange: Exchange, consumer: string | null) => Verdict,
) => readonly (readonly Stage[])[]

export interface RouteGuards {
  /** By route id; null where a route has none. */
  readonly list: readonly (Program | null)[]
  /** Gives back the places that an exchange has taken. */
  leave(exchange: Exchange): void
  /** For an exchange that ends and lives on as a WebSocket: gives its places back later. Null: it has none. */
  outlive(exchange: Exchange): (() => void) | null
  release(): void
}

/** What guards of one plan share. */
interface Known {
  readonly consumers: Consumers
  readonly keys: KnownKeys
  readonly store: LimitStore
  readonly own: KnownOwnLimits
  readonly passwords: KnownPasswords
  readonly verifiers: Verifiers
  readonly certificates: KnownCertificates
}

/** Null where no route has guards: then requests pay for none. */
export function compileGuards(options: GuardOptions): RouteGuards | null {
  const { plan, exchanges, limits, metrics } = options
  if (plan.routes.every(({ guards, plugins }) => guards.length + plugins.length === 0)) return null
  const undo: (() => void)[] = []
  const release = (): void => {
    for (const step of undo.splice(0)) step()
  }
  try {
    const store = limits.of(plan.counting)
    undo.push(() => store.release())
    const consumers = knowConsumers(plan, exchanges)
    undo.push(() => consumers.release())
    const keys = knowKeys(consumers, exchanges)
    undo.push(() => keys.release())
    const passwords = knowPasswords(consumers, options.passwords)
    undo.push(() => passwords.release())
    const verifiers = knowVerifiers(plan, consumers, exchanges)
    undo.push(() => verifiers.release())
    const certificates = knowCertificates(consumers, exchanges)
    undo.push(() => certificates.release())
    const count: CountOutcome = (routeId, outcome) => metrics.guard(routeId, outcome)
    const own = knowOwnLimits(consumers, store)
    undo.push(() => own.release())
    const known: Known = { consumers, keys, passwords, verifiers, certificates, store, own }
    const compile = (check: CheckPlan): Stage => compileCheck(check, known, options, count, undo)
    const plugins = options.authenticate(admitNamed(consumers, count))
    const list = plan.routes.map(({ guards }, route): Program | null => {
      const runs = runsOfLimits(guards)
      const others = runs.filter(([first]) => isLimit(first!)).length > 1
      const limited = (run: readonly GuardPlan[]): Stage => {
        const guard = limitGuard(run as readonly LimitPlan[], { ...options, store, own, count, others })
        undo.push(() => guard.release())
        return guard.stage
      }
      const requirements = runs.map((run): Requirement => {
        const guard = run[0]!
        if (guard.kind === 'any') return guard.of.map(all => all.map(compile))
        return [[isLimit(guard) ? limited(run) : compile(guard)]]
      })
      const authenticators = plugins[route]!.map(stage => [stage])
      if (authenticators.length > 0) requirements.unshift(authenticators)
      return requirements.length === 0 ? null : compileProgram(requirements)
    })
    return {
      list,
      leave(exchange) {
        store.leave(exchange.lease)
        exchange.lease = 0
      },
      outlive(exchange) {
        const { lease } = exchange
        exchange.lease = 0
        return lease === 0 ? null : () => store.leave(lease)
      },
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

/** A plugin has named a consumer, or knows no credential of the request. */
export function admitNamed(
  { list }: Consumers,
  count: CountOutcome,
): (exchange: Exchange, name: string | null) => Verdict {
  const consumers = new Map(list.map(consumer => [consumer.plan.name, consumer]))
  const { admit, refuse } = credentialOutcome(count, 'Plugin')
  return (exchange, name) => {
    if (name === null) return refuse(exchange, GuardOutcome.pluginMissing, 'credentials are needed')
    const consumer = consumers.get(name)
    if (consumer === undefined) return refuse(exchange, GuardOutcome.pluginUnknown, 'the credentials are not valid')
    return admit(exchange, consumer, GuardOutcome.pluginAdmitted)
  }
}

function compileCheck(
  check: CheckPlan,
  { consumers, keys, passwords, verifiers, certificates, store }: Known,
  options: GuardOptions,
  count: CountOutcome,
  undo: (() => void)[],
): Stage {
  const { exchanges, clientAddress } = options
  switch (check.kind) {
    case 'key':
      return keyGuard(check, keys, options, count)
    case 'basic':
      return basicGuard(check, passwords, options.passwords, count)
    case 'certificate':
      return certificateGuard(certificates, consumers, exchanges, count)
    case 'address':
      return addressGuard(check, clientAddress, count)
    case 'signature': {
      const signed = signatureGuard(check, verifiers, { ...options, store }, count)
      undo.push(() => signed.release())
      return signed.stage
    }
    case 'jwt': {
      const tokens = jwtGuard(check, { ...options, secrets: options.plan.secrets, consumers, count })
      undo.push(() => tokens.release())
      return tokens.stage
    }
    case 'limit':
    case 'concurrency':
    case 'own-limits':
      throw new Error('limits stand in no alternative')
  }
}
