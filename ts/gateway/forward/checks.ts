// Active health checks: real requests, `GET path` at a jittered interval, through the worker's own upstream client
// but past the pipeline. Each check has an endpoint of its own in the client (one connection, the check's time-outs),
// so that a full pool of ordinary traffic never looks like a dead peer. The worker hands over the client's rows whose
// tag has `checkTagBit`. Timers never keep the process alive.
import type { ActiveHealthPlan } from '../../config/plan.ts'
import { ErrorReason, RowKind, SubmitFlag, type EndpointOptions, type UpstreamClient } from '../../shared/native.ts'
import { failureText } from './failure.ts'

/** Set in the tag of each row that belongs to a check; clear in those of exchanges. */
export const checkTagBit = 1 << 30

/** The first check of an endpoint comes within this time. */
const firstCheckMs = 1000
const jitter = 0.1

/** Nothing that could end a line of the request's head. */
const visible = /^[!-~]+$/
const visiblePath = /^\/[!-~]*$/

export type OnChecked = (passed: boolean, cause: string) => void

export class HealthChecks {
  readonly #client: UpstreamClient
  readonly #random: () => number
  readonly #inFlight = new Map<number, Check>()
  #lastTag = 0

  /** `random`: [0, 1), for the jitter. */
  constructor(client: UpstreamClient, random: () => number = Math.random) {
    this.#client = client
    this.#random = random
  }

  /**
   * Checks the peer until the returned function is called. `authority` is the Host to send. Throws an Error for a path
   * or authority that a head cannot carry, and what the client's `addEndpoint` throws.
   */
  start(peer: EndpointOptions, plan: ActiveHealthPlan, authority: string, onChecked: OnChecked): () => void {
    if (!visiblePath.test(plan.path)) throw new Error(`health check path ${JSON.stringify(plan.path)} is not a path`)
    if (!visible.test(authority)) throw new Error(`${JSON.stringify(authority)} is not a Host`)
    const endpoint = this.#client.addEndpoint({
      ...peer,
      connectTimeoutMs: plan.timeoutMs,
      responseTimeoutMs: plan.timeoutMs,
      idleTimeoutMs: plan.timeoutMs,
      maxConnections: 1,
      maxWaiting: 1,
      poolIdleMs: plan.intervalMs * 2,
    })
    const head = `GET ${plan.path} HTTP/1.1\r\nhost: ${authority}\r\nuser-agent: polygate-health-check\r\naccept: */*\r\n\r\n`
    const check: Check = { endpoint, plan, head, onChecked, ticket: 0, tag: 0, judged: false, timer: null }
    this.#after(check, Math.min(plan.intervalMs, firstCheckMs) * this.#random(), () => this.#send(check))
    return () => {
      this.#settle(check)
      if (check.timer !== null) clearTimeout(check.timer)
      this.#client.removeEndpoint(endpoint)
    }
  }

  /** A row of the upstream client whose tag has `checkTagBit`. */
  onRow(tag: number, kind: number, status: number, reason: number): void {
    const check = this.#inFlight.get(tag)
    if (check === undefined) return
    if ((kind & RowKind.head) !== 0) {
      this.#judge(check, check.plan.statuses.includes(status), `check: status ${status}`)
    }
    if ((kind & RowKind.error) !== 0) {
      if (!isOwnFault(reason)) this.#judge(check, false, `check: ${failureText(reason)}`)
      this.#end(check)
    } else if ((kind & RowKind.end) !== 0) {
      this.#end(check)
    }
  }

  #send(check: Check): void {
    check.tag = this.#freeTag()
    check.judged = false
    const ticket = this.#client.submit(check.tag, check.endpoint, SubmitFlag.replayable, 0, check.head)
    if (ticket <= 0) {
      // Never more than one request at a time goes to this endpoint, so this is the gateway's own trouble.
      this.#next(check)
      return
    }
    check.ticket = ticket
    this.#inFlight.set(check.tag, check)
    this.#after(check, check.plan.timeoutMs, () => {
      this.#judge(check, false, 'check: no answer in time')
      this.#end(check)
    })
  }

  /** The first verdict on a check counts: a body that never ends after a good status is no failure. */
  #judge(check: Check, passed: boolean, cause: string): void {
    if (check.judged) return
    check.judged = true
    check.onChecked(passed, cause)
  }

  #end(check: Check): void {
    // The verdict may have made somebody stop the check; then there is no next one.
    if (check.ticket === 0) return
    this.#settle(check)
    this.#next(check)
  }

  #settle(check: Check): void {
    if (check.ticket === 0) return
    this.#inFlight.delete(check.tag)
    // After its last row the ticket is dead and this does nothing.
    this.#client.cancel(check.ticket)
    check.ticket = 0
  }

  #next(check: Check): void {
    const spread = 1 - jitter + 2 * jitter * this.#random()
    this.#after(check, check.plan.intervalMs * spread, () => this.#send(check))
  }

  #after(check: Check, delayMs: number, act: () => void): void {
    if (check.timer !== null) clearTimeout(check.timer)
    check.timer = setTimeout(act, delayMs).unref()
  }

  /** A tag is not used again soon: rows of a batch that is being handed out may still carry the last ones. */
  #freeTag(): number {
    do this.#lastTag = (this.#lastTag + 1) & (checkTagBit - 1)
    while (this.#inFlight.has(this.#lastTag | checkTagBit))
    return this.#lastTag | checkTagBit
  }
}

interface Check {
  readonly endpoint: number
  readonly plan: ActiveHealthPlan
  readonly head: string
  readonly onChecked: OnChecked
  ticket: number
  tag: number
  judged: boolean
  timer: NodeJS.Timeout | null
}

function isOwnFault(reason: number): boolean {
  return (
    reason === ErrorReason.clientClosed || reason === ErrorReason.clientPanic || reason === ErrorReason.descriptorLimit
  )
}
