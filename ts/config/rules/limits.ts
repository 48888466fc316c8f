// Rules about limits: of routes, and those that consumers have of their own.
import { readPeriod } from '../formats.ts'
import { child, entriesOf, has, itemsOf, numberOf, textOf, type Node } from '../nodes.ts'
import { trailOf, under, type Problems, type Trail } from '../problems.ts'
import { concurrency, quota, rateLimit } from '../schema/limit.ts'
import type { ObjectShape } from '../shapes.ts'
import { credentialKinds, placedChecks, type PlacedCheck } from './placed-checks.ts'
import { orDefault, type Rule } from './rule.ts'

/** Windows of one rule in the file. */
const maxWindows = 5
/** Rules that one request can have, less two of a consumer's own. */
const maxKinds = 6
/** A bucket that takes longer to fill is a slip, and more than the limits file can hold. */
const longestRefillMs = 366 * 86_400_000

const shapes: ReadonlyMap<string, ObjectShape> = new Map<string, ObjectShape>([
  ['rateLimit', rateLimit],
  ['quota', quota],
  ['concurrency', concurrency],
])

/** Limits that are by nobody, too many by the same, or would take for ever to fill again. */
export const soundLimits: Rule = (root, problems) => {
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    // A plugin may say who the client is; its manifest is not read here.
    let known = itemsOf(child(route, 'plugins')).length > 0
    const windows = new Map<string, number>()
    const places = new Set<string>()
    for (const check of placedChecks(route, index)) {
      // A token alone says that somebody is known, not who.
      known ||= credentialKinds.has(check.kind) && (check.kind !== 'jwt' || has(check.node, 'consumerClaim'))
      const shape = shapes.get(check.kind)
      if (shape === undefined || check.node.kind !== 'map') continue
      const by = textOf(orDefault(shape, check.node, 'by'))?.toLowerCase() ?? ''
      if ((by === 'consumer' || by === 'key') && !known) {
        const message = `by ${by}, and no guard before it says who that is`
        problems.add(check.guard.offset, under(check.trail, 'by'), message)
      }
      if (check.kind === 'concurrency') distinctPlace(check, by, places, problems)
      else countWindow(check, by, windows, problems)
      refillable(check.node, under(check.trail, 'burst'), problems)
    }
  }
  for (const [name, { node }] of entriesOf(child(root, 'consumers'))) {
    const own = child(node, 'rateLimit')
    if (own) refillable(own, trailOf('consumers', name, 'rateLimit', 'burst'), problems)
  }
}

function distinctPlace({ guard, trail }: PlacedCheck, by: string, places: Set<string>, problems: Problems): void {
  if (places.has(by)) problems.add(guard.offset, trail, `a second concurrency limit by ${by}, expected one`)
  places.add(by)
}

function countWindow(
  { guard, trail }: PlacedCheck,
  by: string,
  windows: Map<string, number>,
  problems: Problems,
): void {
  const count = (windows.get(by) ?? 0) + 1
  windows.set(by, count)
  if (count === maxWindows + 1) problems.add(guard.offset, trail, `more than ${maxWindows} limits by ${by}`)
  if (count === 1 && windows.size === maxKinds + 1) {
    problems.add(guard.offset, trail, `limits by more than ${maxKinds} things, expected fewer`)
  }
}

function refillable(limit: Node, trail: Trail | null, problems: Problems): void {
  const periodMs = readPeriod(textOf(child(limit, 'per')) ?? '')
  const cells = numberOf(child(limit, 'limit')) ?? 0
  const burst = numberOf(child(limit, 'burst')) ?? 0
  if (typeof periodMs === 'string' || cells < 1 || (burst * periodMs) / cells <= longestRefillMs) return
  problems.add(limit.offset, trail, 'found a burst that takes more than a year to fill again, expected a smaller one')
}
