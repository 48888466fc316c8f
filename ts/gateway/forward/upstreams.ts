// The upstreams of one plan: prepared beside the running one, released when its last exchange has ended. The worker's
// wiring prepares and releases; the forward stage picks from `list`.
import type { Plan, UpstreamPlan } from '../../config/plan.ts'
import type { EndpointRegistry, Member } from './endpoints.ts'
import { Upstream, type UpstreamSnapshot } from './upstream.ts'
import { UpstreamState } from './upstream-state.ts'

export class Upstreams {
  /** By upstream id. */
  readonly list: readonly Upstream[]
  readonly #undo: (() => void)[]

  private constructor(list: readonly Upstream[], undo: (() => void)[]) {
    this.list = list
    this.#undo = undo
  }

  /**
   * Compiles a plan's upstreams; health checks begin. Throws an Error that names upstream and peer where the upstream
   * client refuses one; what had been acquired by then is released.
   */
  static prepare(plan: Plan, registry: EndpointRegistry): Upstreams {
    const undo: (() => void)[] = []
    try {
      const list = plan.upstreams.map(upstream => compile(upstream, registry, undo))
      return new Upstreams(list, undo)
    } catch (error) {
      for (const release of undo) release()
      throw error
    }
  }

  /** Call once no exchange of the plan is left, or when it is not to be committed. A second call does nothing. */
  release(): void {
    for (const release of this.#undo.splice(0)) release()
  }

  /** For `/readyz?verbose` and metrics. */
  snapshot(nowMs: number): UpstreamSnapshot[] {
    return this.list.map(upstream => upstream.snapshot(nowMs))
  }
}

function compile(plan: UpstreamPlan, registry: EndpointRegistry, undo: (() => void)[]): Upstream {
  const members: Member[] = []
  for (const endpoint of plan.endpoints) {
    const member = registry.acquire(endpoint, plan)
    members.push(member)
    undo.push(() => registry.release(member))
  }
  const key = JSON.stringify([plan.name, plan.breaker, plan.retries > 0, plan.retryBudget])
  const state = registry.upstreamStates.acquire(key, () => new UpstreamState(plan))
  undo.push(() => registry.upstreamStates.release(key))
  return new Upstream(plan, members, state, registry.onChange)
}
