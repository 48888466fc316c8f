// The configuration as a tree that still knows where each value was written: what the YAML parser's own nodes become
// after aliases, merges and ${NAME} are worked out. Validation and rules read it; nothing changes it.
import { shorten } from './problems.ts'
import type { JsonValue } from './shapes.ts'

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly offset: number
  readonly value: string | number | boolean | null
  /** What it was made of, `${NAME}` of environment variables or `file "name"`: such a value is never printed. */
  readonly from: string | null
}

export interface ListNode {
  readonly kind: 'list'
  readonly offset: number
  readonly items: readonly Node[]
}

export interface MapNode {
  readonly kind: 'map'
  readonly offset: number
  /** A Map, so that `__proto__` and `constructor` are keys like any other. */
  readonly entries: ReadonlyMap<string, Entry>
}

export interface Entry {
  readonly keyOffset: number
  readonly node: Node
}

/** A value that could not be made (a missing variable, an alias of nothing): its error has been reported. */
export interface BrokenNode {
  readonly kind: 'broken'
  readonly offset: number
}

export type Node = ScalarNode | ListNode | MapNode | BrokenNode

/** A plain value (a default) as a node, placed where the key that it stands for could have been written. */
export function nodeOf(value: unknown, offset: number): Node {
  if (Array.isArray(value)) return { kind: 'list', offset, items: value.map(item => nodeOf(item, offset)) }
  if (typeof value === 'object' && value !== null) {
    const entries = new Map(
      Object.entries(value).map(([key, child]) => [key, { keyOffset: offset, node: nodeOf(child, offset) }]),
    )
    return { kind: 'map', offset, entries }
  }
  return { kind: 'scalar', offset, value: value as ScalarNode['value'], from: null }
}

/** The plain value of a node. A mapping has no prototype, so that no key of a file means anything to JavaScript. */
export function plainOf(node: Node): JsonValue {
  if (node.kind === 'list') return node.items.map(plainOf)
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'broken') return null
  const value = Object.create(null) as Record<string, JsonValue>
  for (const [key, entry] of node.entries) value[key] = plainOf(entry.node)
  return value
}

/** "found …": what stands there, without secrets and in one line. */
export function describe(node: Node): string {
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list'
  if (node.kind === 'map') return 'a mapping'
  if (node.kind === 'broken') return 'nothing'
  if (node.from !== null) return `a value from ${node.from}`
  if (node.value === null) return 'nothing'
  if (typeof node.value === 'string') return JSON.stringify(shorten(node.value))
  return `${typeof node.value === 'number' ? 'number' : 'boolean'} ${String(node.value)}`
}

/** The text of a file that the configuration names (secret-files.ts). */
export const isFromFile = (node: Node): boolean => node.kind === 'scalar' && (node.from?.startsWith('file ') ?? false)

// Rules look at trees that may be wrong elsewhere, so each of these gives undefined (or nothing) for what is not there.

export const child = (node: Node | undefined, key: string): Node | undefined =>
  node?.kind === 'map' ? node.entries.get(key)?.node : undefined

export const has = (node: Node | undefined, key: string): boolean => node?.kind === 'map' && node.entries.has(key)

export const itemsOf = (node: Node | undefined): readonly Node[] => (node?.kind === 'list' ? node.items : [])

export const entriesOf = (node: Node | undefined): Iterable<[string, Entry]> =>
  node?.kind === 'map' ? node.entries : []

export const textOf = (node: Node | undefined): string | undefined =>
  node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined

export const numberOf = (node: Node | undefined): number | undefined =>
  node?.kind === 'scalar' && typeof node.value === 'number' ? node.value : undefined

/** The node at a path, or the deepest one above it that was written. */
export function deepest(root: Node, keys: readonly (string | number)[]): Node {
  let node = root
  for (const key of keys) {
    const next = typeof key === 'number' ? itemsOf(node)[key] : child(node, key)
    if (!next) return node
    node = next
  }
  return node
}

/** Names of all environment variables in a value, or null if there are none. */
export function secretsIn(node: Node): string | null {
  const found = new Set<string>()
  const visit = (each: Node): void => {
    if (each.kind === 'scalar') {
      if (each.from !== null) found.add(each.from)
    } else if (each.kind === 'list') each.items.forEach(visit)
    else if (each.kind === 'map') for (const entry of each.entries.values()) visit(entry.node)
  }
  visit(node)
  return found.size === 0 ? null : [...found].join(' and ')
}
