// What the upstreams look like now, for the metrics: pools and health. Asked once a second by the worker's wiring.
import type { UpstreamClient } from '../../shared/native.ts'
import type { Upstreams } from './upstreams.ts'

type Pool = (readonly [upstream: string, state: string, connections: number])[]
type Health = (readonly [upstream: string, endpoint: string, state: string])[]

export function poolGauges(upstreams: Upstreams | null, client: UpstreamClient): Pool {
  const gauges: (readonly [string, string, number])[] = []
  for (const { plan, members } of upstreams?.list ?? []) {
    let idle = 0
    let used = 0
    let waiting = 0
    for (const { endpoint } of members) {
      if (endpoint.id < 0) continue
      const stats = client.stats(endpoint.id)
      idle += stats.idle
      used += stats.connections - stats.idle
      waiting += stats.waiting
    }
    gauges.push([plan.name, 'idle', idle], [plan.name, 'used', used], [plan.name, 'waiting', waiting])
  }
  return gauges
}

export function healthGauges(upstreams: Upstreams | null): Health {
  const nowMs = performance.now()
  return (upstreams?.list ?? []).flatMap(upstream => {
    const { name, endpoints, breaker } = upstream.snapshot(nowMs)
    return endpoints.map(({ url, state }) => [name, url, breaker === 'open' ? 'open' : state] as const)
  })
}
