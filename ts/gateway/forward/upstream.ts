// One upstream of a plan, compiled: endpoints, balancer, breaker, retry budget, counters. The forward stage asks here
// for every attempt and tells here how it went. No I/O.
//
// The hooks of one attempt, in order:
//   pick -> started -> (responded ->) finished | failed | abandoned
// A failed one may go on with mayRetry -> pick. Times are monotonic milliseconds, from the caller.
import type { UpstreamPlan } from '../../config/plan.ts'
import { compileBalancer } from './balance.ts'
import { noPeer, type Balancer } from './candidates.ts'
import type { BreakerState } from './breaker.ts'
import type { Endpoint, Member } from './endpoints.ts'
import { blamesEndpoint, failureText, isGatewayFailure, type FailedAttempt } from './failure.ts'
import { isRetryable } from './retry.ts'
import type { OnStateChange } from './state-change.ts'
import type { UpstreamState } from './upstream-state.ts'

/** `pick`: the breaker is open; answer `no_peer` with `retryAfterSeconds`. */
export const breakerOpen = -2

export class Upstream {
  readonly plan: UpstreamPlan
  readonly members: readonly Member[]
  readonly state: UpstreamState
  readonly #balancer: Balancer
  readonly #onChange: OnStateChange

  constructor(plan: UpstreamPlan, members: readonly Member[], state: UpstreamState, onChange: OnStateChange) {
    this.plan = plan
    this.members = members
    this.state = state
    this.#balancer = compileBalancer(plan.balance, members)
    this.#onChange = onChange
  }

  /**
   * The endpoint for the next attempt: its index, `noPeer` or `breakerOpen`. `key`: what consistent-hash hashes, ''
   * for none and for other kinds; `tried`: the `triedBit`s of earlier attempts. An index must be followed by `started`.
   */
  pick(key: string, tried: number, nowMs: number): number {
    const { state } = this
    const index = this.#balancer.pick(key, tried, nowMs)
    // An id of -1: the plan was released, and the id may belong to somebody else by now.
    if (index === noPeer || this.members[index]!.endpoint.id < 0) {
      state.withoutPeer++
      return noPeer
    }
    // Asked last: a probe that finds no endpoint would be lost.
    if (state.breaker !== null && !state.breaker.allow(nowMs)) {
      state.refusedByBreaker++
      return breakerOpen
    }
    return index
  }

  endpoint(index: number): Endpoint {
    return this.members[index]!.endpoint
  }

  /** The attempt (1 = the first) is about to be submitted. Its other hooks get the same `nowMs` as `startedMs`. */
  started(index: number, attempt: number, nowMs: number): void {
    const { endpoint, health } = this.members[index]!
    endpoint.inFlight++
    endpoint.requests++
    health.started(nowMs)
    if (attempt === 1) this.state.budget?.deposit(nowMs)
  }

  /** A final response head came. For every one, also where the whole response lies in the same row. */
  responded(index: number, startedMs: number, status: number, nowMs: number): void {
    const { health } = this.members[index]!
    const failed = isGatewayFailure(status)
    if (failed) health.failed(startedMs, `status ${status}`, nowMs)
    else health.responded(startedMs)
    this.#record(startedMs, failed, nowMs)
  }

  /** The response is complete. */
  finished(index: number, status: number): void {
    const { endpoint, health } = this.members[index]!
    endpoint.inFlight--
    if (!isGatewayFailure(status)) health.succeeded()
  }

  /** The attempt failed, before or after its response head; also where `submit` refused it. */
  failed(index: number, startedMs: number, failure: FailedAttempt, nowMs: number): void {
    const { endpoint, health } = this.members[index]!
    endpoint.inFlight--
    endpoint.failures++
    if (!blamesEndpoint(failure)) {
      this.#forget(health, startedMs, nowMs)
      return
    }
    health.failed(startedMs, failureText(failure.reason), nowMs)
    this.#record(startedMs, true, nowMs)
  }

  /** The attempt was cancelled without a fault of the upstream: the client has gone. */
  abandoned(index: number, startedMs: number, nowMs: number): void {
    const { endpoint, health } = this.members[index]!
    endpoint.inFlight--
    this.#forget(health, startedMs, nowMs)
  }

  /** Whether to go on with another `pick` after `failed`. A `true` takes one retry out of the budget. */
  mayRetry(failure: FailedAttempt, nowMs: number): boolean {
    const { state } = this
    if (state.budget === null || failure.attempts > this.plan.retries || !isRetryable(failure)) return false
    if (!state.budget.withdraw(nowMs)) {
      state.retriesDenied++
      return false
    }
    state.retries++
    return true
  }

  /** What Retry-After says after `breakerOpen`. */
  retryAfterSeconds(nowMs: number): number {
    return this.state.breaker?.retryAfterSeconds(nowMs) ?? 1
  }

  #record(startedMs: number, failed: boolean, nowMs: number): void {
    const { breaker } = this.state
    if (breaker === null || !breaker.record(startedMs, failed, nowMs)) return
    const open = breaker.state === 'open'
    this.#onChange({
      kind: open ? 'breaker-open' : 'breaker-closed',
      subject: this.plan.name,
      cause: open ? 'too many requests failed' : 'a request succeeded',
      forMs: open ? this.plan.breaker!.openMs : 0,
    })
  }

  #forget(health: Member['health'], startedMs: number, nowMs: number): void {
    health.forget(startedMs, nowMs)
    this.state.breaker?.forget(startedMs, nowMs)
  }

  snapshot(nowMs: number): UpstreamSnapshot {
    const { breaker, retries, retriesDenied, withoutPeer, refusedByBreaker } = this.state
    const endpoints = this.members.map(({ endpoint, health, weight }): EndpointSnapshot => {
      const { url, address, id, inFlight, requests, failures } = endpoint
      return {
        url,
        address,
        id,
        weight,
        state: id < 0 ? 'unresolved' : health.state(nowMs),
        inFlight,
        requests,
        failures,
      }
    })
    return {
      name: this.plan.name,
      // As `pick` decides: ejected endpoints are tried when no others are left.
      available: endpoints.some(({ state, weight }) => weight > 0 && state !== 'down' && state !== 'unresolved'),
      breaker: breaker?.state ?? null,
      breakerOpened: breaker?.opened ?? 0,
      retries,
      retriesDenied,
      withoutPeer,
      refusedByBreaker,
      endpoints,
    }
  }
}

export interface UpstreamSnapshot {
  readonly name: string
  /** Some endpoint would be tried. */
  readonly available: boolean
  readonly breaker: BreakerState | null
  readonly breakerOpened: number
  readonly retries: number
  readonly retriesDenied: number
  readonly withoutPeer: number
  readonly refusedByBreaker: number
  readonly endpoints: readonly EndpointSnapshot[]
}

export interface EndpointSnapshot {
  readonly url: string
  readonly address: string
  /** For the upstream client's `stats`; -1 without an address. */
  readonly id: number
  readonly weight: number
  readonly state: 'up' | 'down' | 'ejected' | 'trial' | 'unresolved'
  readonly inFlight: number
  readonly requests: number
  readonly failures: number
}
