// Plans and members for the tests of the forward stage: whole, valid ones, of which a test names what matters to it.
import type { EndpointPlan, Plan, UpstreamPlan } from '../../../ts/config/plan.ts'
import { Endpoint, type Member } from '../../../ts/gateway/forward/endpoints.ts'
import { Health } from '../../../ts/gateway/forward/health.ts'
import type { OnStateChange, StateChange } from '../../../ts/gateway/forward/state-change.ts'
import { Upstream } from '../../../ts/gateway/forward/upstream.ts'
import { UpstreamState } from '../../../ts/gateway/forward/upstream-state.ts'

export const passive = { failures: 3, ejectMs: 1000, maxEjectMs: 8000 }

export function endpointPlan(port: number, change: Partial<EndpointPlan> = {}): EndpointPlan {
  return {
    url: `http://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    ip: '127.0.0.1',
    unix: null,
    weight: 1,
    tls: null,
    ...change,
  }
}

export function upstreamPlan(endpoints: readonly EndpointPlan[], change: Partial<UpstreamPlan> = {}): UpstreamPlan {
  return {
    name: 'echo',
    endpoints,
    balance: { kind: 'round-robin' },
    timeouts: { connectMs: 1000, responseMs: 2000, idleMs: 2000 },
    retries: 1,
    retryBudget: { ratio: 0.2, minPerSecond: 0 },
    pool: { maxConnections: 8, maxWaiting: 8, idleMs: 5000 },
    health: { passive, active: null },
    breaker: null,
    hostHeader: 'preserve',
    sign: null,
    ...change,
  }
}

export function planOf(...upstreams: readonly UpstreamPlan[]): Plan {
  return {
    version: 'test',
    listen: [],
    workers: 1,
    admin: null,
    limits: {
      maxHeadBytes: 0,
      maxHeaders: 0,
      maxBodyBytes: 0,
      maxRequestsPerConnection: 0,
      maxConcurrentRequests: 0,
    },
    timeouts: { drainMs: 0, idleMs: 0 },
    accessLog: null,
    forwarded: { trustedProxies: [], rfc7239: false, via: false },
    upstreams,
    consumers: [],
    counting: { file: null, keys: 1000, replays: 1000 },
    sourceFiles: [],
    secrets: [],
    plugins: [],
    routes: [],
  }
}

const ignore: OnStateChange = () => {}

/** Members with the weights given; their ids in the upstream client are made up. */
export function membersOf(weights: readonly number[], onChange: OnStateChange = ignore): Member[] {
  return weights.map((weight, index) => {
    const plan = endpointPlan(9000 + index, { weight })
    const endpoint = new Endpoint(plan.url, plan, index)
    const health = new Health(plan.url, passive, { healthyAfter: 2, unhealthyAfter: 2 }, onChange)
    return { endpoint, health, healthKey: plan.url, weight }
  })
}

/** An upstream over made-up endpoints, and the state changes that it reports. */
export function upstreamOf(weights: readonly number[], change: Partial<UpstreamPlan> = {}) {
  const changes: StateChange[] = []
  const note = (one: StateChange): void => void changes.push(one)
  const members = membersOf(weights, note)
  const plan = upstreamPlan(
    weights.map((weight, index) => endpointPlan(9000 + index, { weight })),
    change,
  )
  return { upstream: new Upstream(plan, members, new UpstreamState(plan), note), members, changes }
}

/** Ejects the member at `nowMs`, by the failures that it takes. */
export function eject({ health }: Member, nowMs: number): void {
  for (let i = 0; i < passive.failures; i++) health.failed(nowMs, 'test', nowMs)
}

/** Takes the member down, or up, as active checks do. */
export function setDown({ health }: Member, down: boolean): void {
  for (let i = 0; i < 2; i++) health.checked(!down, 'test')
}
