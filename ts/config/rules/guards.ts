// Rules about consumers and guards: each key is one consumer's, and guards fit their route. Must print no key.
import { keyDigest } from '../compile-guards.ts'
import { apiKey } from '../formats.ts'
import { child, entriesOf, has, itemsOf, textOf, type Node } from '../nodes.ts'
import { trailOf, type Problems } from '../problems.ts'
import { placedChecks, together, type PlacedCheck } from './placed-checks.ts'
import type { Rule } from './rule.ts'

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
