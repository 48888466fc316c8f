// Names of peers -> addresses, for all workers: they get plans with addresses only. /etc/hosts first, then DNS with its
// TTL, then whatever else the system knows (mDNS, search domains). A lookup that fails keeps what was known; a name
// that was never found leaves its endpoint without an address, which is down, and does not stop anything.
import { lookup, Resolver } from 'node:dns/promises'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { EndpointPlan, Plan } from '../config/plan.ts'
import type { Log } from '../shared/log.ts'

const minTtlSeconds = 1
const maxTtlSeconds = 300
/** For answers that come without one. */
const systemTtlSeconds = 30

interface Answer {
  readonly addresses: readonly string[]
  readonly ttlSeconds: number
}

interface KnownName {
  /** Sorted, so that a changed order is no change. */
  addresses: readonly string[]
  timer: NodeJS.Timeout | null
  failuresInARow: number
}

export interface NamesOptions {
  readonly log: Log
  /** A name has got other addresses than before. */
  readonly onChange: () => void
  /** `address:port` of DNS servers instead of the system's. */
  readonly servers?: readonly string[]
}

export class Names {
  readonly #options: NamesOptions
  readonly #resolver = new Resolver({ timeout: 2000, tries: 2 })
  readonly #known = new Map<string, KnownName>()

  constructor(options: NamesOptions) {
    this.#options = options
    if (options.servers) this.#resolver.setServers(options.servers)
  }

  /** Looks up the names of the plan that are new. Resolves when all were tried or `waitMs` are over. */
  async learn(plan: Plan, waitMs: number): Promise<void> {
    const lookups: Promise<void>[] = []
    for (const name of namesOf(plan)) {
      if (this.#known.has(name)) continue
      const known: KnownName = { addresses: [], timer: null, failuresInARow: 0 }
      this.#known.set(name, known)
      lookups.push(this.#refresh(name, known))
    }
    if (lookups.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>(resolve => (timer = setTimeout(resolve, waitMs)))
    await Promise.race([Promise.all(lookups), timeout])
    clearTimeout(timer)
  }

  /** Names that the plan does not have are not refreshed any more. Call when the plan is in force. */
  keepOnly(plan: Plan): void {
    const wanted = namesOf(plan)
    for (const [name, known] of this.#known) {
      if (wanted.has(name)) continue
      if (known.timer) clearTimeout(known.timer)
      this.#known.delete(name)
    }
  }

  /** The plan with one endpoint an address. Its version says that it differs from the plan as configured. */
  applyTo(plan: Plan): Plan {
    if (namesOf(plan).size === 0) return plan
    const upstreams = plan.upstreams.map(upstream => ({
      ...upstream,
      endpoints: upstream.endpoints.flatMap(endpoint => this.#addressed(endpoint)),
    }))
    const addresses = upstreams.map(upstream => upstream.endpoints.map(endpoint => endpoint.ip))
    const hash = createHash('sha256').update(JSON.stringify(addresses)).digest('hex').slice(0, 6)
    return { ...plan, upstreams, version: `${plan.version}-${hash}` }
  }

  close(): void {
    for (const known of this.#known.values()) if (known.timer) clearTimeout(known.timer)
    this.#known.clear()
    this.#resolver.cancel()
  }

  #addressed(endpoint: EndpointPlan): EndpointPlan[] {
    if (!isNamed(endpoint)) return [endpoint]
    const addresses = this.#known.get(nameOf(endpoint))?.addresses ?? []
    if (addresses.length === 0) return [{ ...endpoint, ip: null }]
    return addresses.map(ip => ({ ...endpoint, ip }))
  }

  async #refresh(name: string, known: KnownName): Promise<void> {
    const { log, onChange } = this.#options
    let ttlSeconds = minTtlSeconds
    let changed = false
    try {
      const answer = await this.#ask(name)
      ttlSeconds = Math.min(Math.max(answer.ttlSeconds, minTtlSeconds), maxTtlSeconds)
      const addresses = [...answer.addresses].sort()
      changed = addresses.join() !== known.addresses.join()
      known.addresses = addresses
      if (known.failuresInARow > 0) log.info('name resolves again', { name })
      known.failuresInARow = 0
    } catch (error) {
      if (this.#known.get(name) !== known) return
      const reason = error instanceof Error ? error.message : String(error)
      if (known.failuresInARow++ === 0)
        log.warn('name does not resolve', { name, reason, kept: known.addresses.join() })
      ttlSeconds = Math.min(2 ** Math.min(known.failuresInARow - 1, 5), systemTtlSeconds)
    }
    if (this.#known.get(name) !== known) return
    known.timer = setTimeout(() => void this.#refresh(name, known), ttlSeconds * 1000)
    known.timer.unref()
    if (changed) onChange()
  }

  async #ask(name: string): Promise<Answer> {
    if (isInHostsFile(name)) return system(name, true)
    const [v4, v6] = await Promise.allSettled([
      this.#resolver.resolve4(name, { ttl: true }),
      this.#resolver.resolve6(name, { ttl: true }),
    ])
    const records = [...(v4.status === 'fulfilled' ? v4.value : []), ...(v6.status === 'fulfilled' ? v6.value : [])]
    if (records.length === 0) return system(name, false)
    return {
      addresses: reachable(
        records.map(record => record.address),
        false,
      ),
      ttlSeconds: Math.min(...records.map(record => record.ttl)),
    }
  }
}

const nameOf = (endpoint: EndpointPlan): string => endpoint.host.toLowerCase()
const isNamed = (endpoint: EndpointPlan): boolean => endpoint.unix === null && isIP(endpoint.host) === 0

function namesOf(plan: Plan): Set<string> {
  const names = new Set<string>()
  for (const upstream of plan.upstreams) {
    for (const endpoint of upstream.endpoints) if (isNamed(endpoint)) names.add(nameOf(endpoint))
  }
  return names
}

async function system(name: string, local: boolean): Promise<Answer> {
  const found = await lookup(name, { all: true })
  return { addresses: reachable([...new Set(found.map(entry => entry.address))], local), ttlSeconds: systemTtlSeconds }
}

/** RFC 6761: localhost names are the machine's own, whether or not the file says so. */
function isInHostsFile(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  try {
    return readFileSync('/etc/hosts', 'utf8')
      .split('\n')
      .some(line => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/).slice(1).includes(name))
  } catch {
    return false
  }
}

/**
 * Of a name with addresses of both families, those of one: IPv4 where the machine has it, else IPv6. An endpoint that
 * can never be reached would fail its share of requests. A local name keeps both, for a server may listen on either.
 */
function reachable(addresses: readonly string[], local: boolean): readonly string[] {
  const own = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const has = (family: 4 | 6): boolean =>
    own.some(({ family: own, internal }) => own === `IPv${family}` && (local || !internal))
  const v4 = addresses.filter(address => isIP(address) === 4)
  const v6 = addresses.filter(address => isIP(address) === 6)
  if (local) {
    const usable = [...(has(4) ? v4 : []), ...(has(6) ? v6 : [])]
    return usable.length > 0 ? usable : addresses
  }
  if (v4.length === 0 || v6.length === 0) return addresses
  return has(4) || !has(6) ? v4 : v6
}
