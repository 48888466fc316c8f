// The endpoints of a worker in the upstream client. Endpoints with equal connection settings are one, across upstreams
// and across plans, so a reload that changes nothing about them keeps connections, health and counters. Upstreams
// acquire members here when a plan is prepared and release them when it has ended or was refused.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { EndpointPlan, EndpointTlsPlan, UpstreamPlan } from '../../config/plan.ts'
import type { EndpointOptions, UpstreamClient } from '../../shared/native.ts'
import { HealthChecks } from './checks.ts'
import { Health } from './health.ts'
import { SharedByKey } from './shared-by-key.ts'
import type { OnStateChange } from './state-change.ts'
import type { UpstreamState } from './upstream-state.ts'

/** One connection target and what was counted about it, over all plans that use it. */
export class Endpoint {
  readonly key: string
  readonly url: string
  /** For logs: the IP address and port, the socket's path, or `unresolved`. */
  readonly address: string
  /** The upstream client's id; -1 without an address, and once it has been removed (ids are used again). */
  id: number
  inFlight = 0
  requests = 0
  failures = 0

  constructor(key: string, { url, ip, port, unix }: EndpointPlan, id: number) {
    this.key = key
    this.url = url
    this.address = unix ?? (ip === null ? 'unresolved' : ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)
    this.id = id
  }
}

/** An endpoint as one upstream sees it. */
export interface Member {
  readonly endpoint: Endpoint
  /** Shared, too, where the health settings are equal. */
  readonly health: Health
  readonly healthKey: string
  /** 0: never picked. */
  readonly weight: number
}

interface CheckedHealth {
  readonly health: Health
  readonly stop: () => void
}

export interface EndpointRegistryOptions {
  readonly client: UpstreamClient
  readonly onChange: OnStateChange
  /** [0, 1): the jitter of active checks. */
  readonly random?: () => number
}

export class EndpointRegistry {
  readonly checks: HealthChecks
  readonly client: UpstreamClient
  readonly onChange: OnStateChange
  /** By name and settings; upstreams.ts makes them. */
  readonly upstreamStates = new SharedByKey<UpstreamState>()
  readonly #endpoints = new SharedByKey<Endpoint>()
  readonly #healths = new SharedByKey<CheckedHealth>()

  constructor({ client, onChange, random }: EndpointRegistryOptions) {
    this.client = client
    this.onChange = onChange
    this.checks = new HealthChecks(client, random)
  }

  /** How many different endpoints there are. */
  get size(): number {
    return this.#endpoints.size
  }

  /** Throws an Error that names upstream and peer where the client refuses the settings (TLS files, addresses). */
  acquire(plan: EndpointPlan, upstream: UpstreamPlan): Member {
    try {
      return this.#acquire(plan, upstream)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`upstream ${upstream.name}, peer ${plan.url}: ${reason}`, { cause: error })
    }
  }

  release({ endpoint, healthKey }: Member): void {
    this.#healths.release(healthKey, ({ stop }) => stop())
    this.#releaseEndpoint(endpoint)
  }

  #acquire(plan: EndpointPlan, upstream: UpstreamPlan): Member {
    const options = endpointOptions(plan, upstream)
    const hasAddress = plan.ip !== null || plan.unix !== null
    const key = JSON.stringify([plan.url, options, plan.tls && filesHash(plan.tls)])
    const endpoint = this.#endpoints.acquire(
      key,
      () => new Endpoint(key, plan, hasAddress ? this.client.addEndpoint(options) : -1),
    )
    try {
      const { passive, active } = upstream.health
      const authority = authorityOf(plan, upstream.hostHeader)
      const healthKey = JSON.stringify([key, passive, active, active && authority])
      const { health } = this.#healths.acquire(healthKey, () => {
        const made = new Health(`${endpoint.url} (${endpoint.address})`, passive, active, this.onChange)
        if (active === null || !hasAddress) return { health: made, stop: nothing }
        const onChecked = (passed: boolean, cause: string): void => made.checked(passed, cause)
        return { health: made, stop: this.checks.start(options, active, authority, onChecked) }
      })
      return { endpoint, health, healthKey, weight: plan.weight }
    } catch (error) {
      this.#releaseEndpoint(endpoint)
      throw error
    }
  }

  #releaseEndpoint(endpoint: Endpoint): void {
    this.#endpoints.release(endpoint.key, () => {
      if (endpoint.id >= 0) this.client.removeEndpoint(endpoint.id)
      endpoint.id = -1
    })
  }
}

const nothing = (): void => {}

function endpointOptions({ ip, port, unix, tls }: EndpointPlan, { timeouts, pool }: UpstreamPlan): EndpointOptions {
  return {
    ip,
    port,
    unix,
    tls,
    connectTimeoutMs: timeouts.connectMs,
    responseTimeoutMs: timeouts.responseMs,
    idleTimeoutMs: timeouts.idleMs,
    maxConnections: pool.maxConnections,
    maxWaiting: pool.maxWaiting,
    poolIdleMs: pool.idleMs,
  }
}

/** A renewed certificate under the same file name is another endpoint: the client reads the files once. */
function filesHash({ ca, certificate, key }: EndpointTlsPlan): string {
  const hash = createHash('sha256')
  for (const file of [ca, certificate, key]) {
    const content = file === null ? '' : readFileSync(file)
    hash.update(`${content.length} `).update(content)
  }
  return hash.digest('hex')
}

/** What the Host header of a check says: as configured, else the peer's own. */
const authorityOf = (plan: EndpointPlan, hostHeader: string): string =>
  hostHeader === 'preserve' || hostHeader === 'peer' ? peerAuthority(plan) : hostHeader

/** Host and port as the peer knows itself (RFC 9110 section 7.2): the port only where it is not the scheme's. */
export function peerAuthority({ host, port, tls }: EndpointPlan): string {
  if (host === '') return 'localhost'
  const literal = host.includes(':') ? `[${host}]` : host
  return port === (tls === null ? 80 : 443) ? literal : `${literal}:${port}`
}
