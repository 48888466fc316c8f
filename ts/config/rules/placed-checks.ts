// The checks of a route as they are written, wherever they stand: in the list, in allOf, or as one of anyOf. Used by
// rules that look at several checks of a route together.
import { entriesOf, itemsOf, child, type Node } from '../nodes.ts'
import { trailOf, under, type Trail } from '../problems.ts'

export interface PlacedCheck {
  /** `key`, `rateLimit`, ... */
  readonly kind: string
  /** The mapping that it is an entry of. */
  readonly guard: Node
  /** What is configured. */
  readonly node: Node
  readonly trail: Trail
  /** The alternatives that it belongs to, from 0 in the route; -1: a request must pass it. */
  readonly group: number
  /** Which of the alternatives. */
  readonly alternative: number
}

/** In the order of the file. */
export function placedChecks(route: Node, index: number): PlacedCheck[] {
  const found: PlacedCheck[] = []
  let group = -1

  function collect(guard: Node, above: Trail | null, place: Pick<PlacedCheck, 'group' | 'alternative'>): void {
    for (const [kind, { node }] of entriesOf(guard)) {
      const trail = under(above, kind)
      if (kind === 'allOf') {
        for (const [at, item] of itemsOf(node).entries()) collect(item, under(trail, at), place)
      } else if (kind === 'anyOf') {
        group++
        for (const [at, item] of itemsOf(node).entries()) collect(item, under(trail, at), { group, alternative: at })
      } else found.push({ kind, guard, node, trail, ...place })
    }
  }

  for (const [at, guard] of itemsOf(child(route, 'guards')).entries()) {
    collect(guard, trailOf('routes', index, 'guards', at), { group: -1, alternative: 0 })
  }
  return found
}

/** Whether one request may have to pass both. */
export const together = (one: PlacedCheck, other: PlacedCheck): boolean =>
  one.group !== other.group || one.group === -1 || one.alternative === other.alternative

/** Checks that say which consumer the client is. */
export const credentialKinds: ReadonlySet<string> = new Set(['key', 'basic', 'signature', 'jwt', 'clientCertificate'])
