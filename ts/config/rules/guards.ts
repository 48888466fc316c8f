// Rules about consumers and guards: each key is one consumer's, and guards fit their route. Must print no key.
import { keyDigest } from '../compile-guards.ts'
import { apiKey, readPeriod } from '../formats.ts'
import { child, entriesOf, has, itemsOf, numberOf, textOf, type Node } from '../nodes.ts'
import { trailOf, under, type Problems, type Trail } from '../problems.ts'
import { quota as quotaShape, rateLimit as rateLimitShape } from '../schema/guard.ts'
import { credentialKinds, placedChecks, together, type PlacedCheck } from './placed-checks.ts'
import type { ObjectShape } from '../shapes.ts'
import { orDefault, type Rule } from './rule.ts'

export const distinctKeys: Rule = (root, problems) => {
  const owners = new Map<string, string>()
  for (const [name, { node: consumer }] of entriesOf(child(root, 'consumers'))) {
    for (const [index, key] of itemsOf(child(consumer, 'keys')).entries()) {
      const digest = digestOf(key)
      if (digest === null) continue
      const owner = owners.get(digest)
      if (owner === undefined) owners.set(digest, name)
      else {
        const message = `the same key as one of consumer ${owner}, expected one of its own`
        problems.add(key.offset, trailOf('consumers', name, 'keys', index), message)
      }
    }
  }
}

function digestOf(key: Node): string | null {
  const text = textOf(key) ?? textOf(child(key, 'key'))
  if (text !== undefined) return apiKey(text) === null ? keyDigest(text) : null
  return textOf(child(key, 'sha256'))?.toLowerCase() ?? null
}

/** A guard that no client can pass, or that says twice who the client is. */
export const soundKeyGuards: Rule = (root, problems) => {
  const anyKey = [...entriesOf(child(root, 'consumers'))].some(
    ([, { node }]) => itemsOf(child(node, 'keys')).length > 0,
  )
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    const keys = placedChecks(route, index).filter(({ kind }) => kind === 'key')
    for (const [at, key] of keys.entries()) {
      const { guard, trail } = key
      if (!anyKey) problems.add(guard.offset, trail, 'nobody could pass: no consumer has a key')
      if (keys.slice(0, at).some(before => together(before, key))) {
        problems.add(guard.offset, trail, 'found a second key guard, expected one: a client has one key')
      }
      keyInRedirect(route, key, problems)
    }
  }
}

/** A redirect keeps the query: it would send the key on. */
function keyInRedirect(route: Node, { guard, node, trail }: PlacedCheck, problems: Problems): void {
  if (!has(route, 'redirect') || !has(node, 'query')) return
  problems.add(guard.offset, trail, 'found query on a redirect, expected header or cookie: a redirect keeps the query')
}

const maxWindows = 5
/** A bucket that takes longer to fill is a slip, and more than the limits file can hold. */
const longestRefillMs = 366 * 86_400_000

/** Limits that are by nobody, too many by the same, or would take for ever to fill again. */
export const soundLimits: Rule = (root, problems) => {
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    let known = false
    const windows = new Map<string, number>()
    for (const { kind, guard, node: limit, trail } of placedChecks(route, index)) {
      known ||= credentialKinds.has(kind)
      const shape = limitShapes.get(kind)
      if (shape === undefined || limit.kind !== 'map') continue
      const by = textOf(orDefault(shape, limit, 'by'))?.toLowerCase() ?? ''
      if (by === 'consumer' && !known) {
        problems.add(guard.offset, under(trail, 'by'), 'by consumer, and no guard before it says who that is')
      }
      const count = (windows.get(by) ?? 0) + 1
      windows.set(by, count)
      if (count === maxWindows + 1) problems.add(guard.offset, trail, `more than ${maxWindows} limits by ${by}`)
      refillable(limit, under(trail, 'burst'), problems)
    }
  }
}

const limitShapes: ReadonlyMap<string, ObjectShape> = new Map<string, ObjectShape>([
  ['rateLimit', rateLimitShape],
  ['quota', quotaShape],
])

function refillable(limit: Node, trail: Trail | null, problems: Problems): void {
  const periodMs = readPeriod(textOf(child(limit, 'per')) ?? '')
  const cells = numberOf(child(limit, 'limit')) ?? 0
  const burst = numberOf(child(limit, 'burst')) ?? 0
  if (typeof periodMs === 'string' || cells < 1 || (burst * periodMs) / cells <= longestRefillMs) return
  problems.add(limit.offset, trail, 'found a burst that takes more than a year to fill again, expected a smaller one')
}
