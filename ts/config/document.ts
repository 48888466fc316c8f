// Text of a configuration file (YAML; JSON is a part of it) -> tree of nodes with positions: aliases and merges worked
// out, ${NAME} put in. Called by load. Must not know the schema.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Alias,
  type Document,
  type YAMLMap,
} from 'yaml'
import { substitute, type Environment } from './environment.ts'
import {
  describe,
  type BrokenNode,
  type Entry,
  type ListNode,
  type MapNode,
  type Node,
  type ScalarNode,
} from './nodes.ts'
import { Problems, under, type Trail } from './problems.ts'

/** Nesting past this is no configuration, and would end the stack of whoever walks the tree. */
const maxDepth = 64
/** Values that aliases may bring in beside those that are written: what a "billion laughs" file runs into. */
const maxAliased = 100_000

export interface ConfigDocument {
  /** null for a file without content. */
  readonly root: Node | null
  readonly problems: Problems
  readonly position: (offset: number) => { line: number; col: number }
}

export function parseConfigText(text: string, file: string, environment: Environment): ConfigDocument {
  const lines = new LineCounter()
  const position = (offset: number): { line: number; col: number } => {
    const place = lines.linePos(Math.min(offset, text.length))
    return place.line === 0 ? { line: 1, col: 1 } : place
  }
  const problems = new Problems(file, position)
  let document: Document.Parsed
  try {
    // Its own check of duplicate keys takes quadratic time; ours is below.
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, merge: false })
  } catch (error) {
    // The parser recurses: thousands of open brackets exhaust the stack.
    const reason = error instanceof RangeError ? 'nested too deeply' : (error as Error).message
    problems.add(0, null, `not readable as YAML: ${reason}`)
    return { root: null, problems, position }
  }
  addSyntaxErrors(document, text, problems, position)
  // A tree with syntax errors has lost or misplaced parts: whatever else was said about it would mislead.
  if (problems.any || document.contents === null) return { root: null, problems, position }
  return {
    root: new Converter(text, environment, problems, position).convert(document.contents, null, 0),
    problems,
    position,
  }
}

function addSyntaxErrors(
  document: Document.Parsed,
  text: string,
  problems: Problems,
  position: ConfigDocument['position'],
): void {
  const { explicit, version } = document.directives.yaml
  if (explicit && version !== '1.2') problems.add(0, null, `found YAML ${version}, expected YAML 1.2`)
  // One error a line: after the first, the parser mostly trips over its own recovery.
  const lines = new Set<number>()
  for (const { code, pos, message } of [...document.errors, ...document.warnings]) {
    const { line } = position(pos[0])
    if (lines.has(line)) continue
    lines.add(line)
    problems.add(pos[0], null, `not readable as YAML: ${syntaxReason(code, message)}${quoteHint(text, pos[0])}`)
  }
}

function syntaxReason(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'found a second document (---), expected one'
  return message.includes('call stack') ? 'nested too deeply' : message.replaceAll('\n', ' ')
}

/** In flow style the braces of a bare ${NAME} are YAML's own. */
function quoteHint(text: string, offset: number): string {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1).split('\n', 1)[0]!
  return /[[{,:]\s*\$\{/.test(line) ? '; inside [ ] and { } a ${NAME} must stand in quotes' : ''
}

class Converter {
  readonly #text: string
  readonly #environment: Environment
  readonly #problems: Problems
  readonly #position: ConfigDocument['position']
  /** Finished nodes by anchor: an alias shares the node, so that nothing is copied. */
  readonly #anchors = new Map<string, Node>()
  readonly #open = new Set<string>()
  /** Values in a node when it is walked, aliases followed. */
  readonly #sizes = new WeakMap<Node, number>()
  #aliased = 0

  constructor(text: string, environment: Environment, problems: Problems, position: ConfigDocument['position']) {
    this.#text = text
    this.#environment = environment
    this.#problems = problems
    this.#position = position
  }

  convert(node: unknown, trail: Trail | null, depth: number, fallbackOffset = 0): Node {
    if (isAlias(node)) return this.#alias(node, trail)
    const offset = rangeOf(node)?.[0] ?? fallbackOffset
    const anchor = (node as { anchor?: string } | null)?.anchor
    if (anchor !== undefined) this.#open.add(anchor)
    const converted = this.#content(node, offset, trail, depth)
    if (anchor !== undefined) {
      this.#open.delete(anchor)
      this.#anchors.set(anchor, converted)
    }
    return converted
  }

  #content(node: unknown, offset: number, trail: Trail | null, depth: number): Node {
    if (depth > maxDepth) {
      this.#problems.add(offset, trail, `nested more than ${maxDepth} deep`)
      return this.#sized({ kind: 'broken', offset }, 1)
    }
    if (isMap(node)) return this.#map(node, offset, trail, depth)
    if (isSeq(node)) {
      const items = node.items.map((item, index) => this.convert(item, under(trail, index), depth + 1, offset))
      return this.#sized({ kind: 'list', offset, items } satisfies ListNode, this.#sum(items))
    }
    return this.#sized(this.#scalar(node, offset, trail), 1)
  }

  #scalar(node: unknown, offset: number, trail: Trail | null): ScalarNode | BrokenNode {
    const value: unknown = isScalar(node) ? node.value : null
    if (typeof value === 'number' || typeof value === 'boolean' || value === null) {
      return { kind: 'scalar', offset, value, from: null }
    }
    if (typeof value !== 'string') {
      this.#problems.add(offset, trail, 'found a value of an unknown kind, expected a text, number or boolean')
      return { kind: 'broken', offset }
    }
    const { text, from, errors } = substitute(value, this.#environment)
    let searchFrom = offset
    for (const { piece, message } of errors) {
      const at = this.#text.indexOf(piece, searchFrom)
      this.#problems.add(at < 0 ? offset : at, trail, message)
      if (at >= 0) searchFrom = at + piece.length
    }
    return errors.length > 0 ? { kind: 'broken', offset } : { kind: 'scalar', offset, value: text, from }
  }

  #map(map: YAMLMap, offset: number, trail: Trail | null, depth: number): MapNode {
    const entries = new Map<string, Entry>()
    const merged: Node[] = []
    for (const { key, value } of map.items) {
      const keyOffset = rangeOf(key)?.[0] ?? offset
      if (!isScalar(key)) {
        this.#problems.add(keyOffset, trail, 'found a key that is no plain word, expected a word')
        continue
      }
      const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
      const inside = under(trail, name)
      const node = this.convert(value, inside, depth + 1, rangeOf(key)?.[1] ?? keyOffset)
      const before = entries.get(name)
      if (name === '<<' && key.type === 'PLAIN') merged.push(...this.#mergeSources(node, inside))
      else if (before) {
        const { line } = this.#position(before.keyOffset)
        this.#problems.add(keyOffset, inside, `duplicate key, first on line ${line}`)
      } else entries.set(name, { keyOffset, node })
    }
    // What is written here wins over what is merged in; earlier sources over later ones (yaml.org/type/merge.html).
    for (const source of merged) {
      for (const [name, entry] of (source as MapNode).entries) if (!entries.has(name)) entries.set(name, entry)
    }
    return this.#sized({ kind: 'map', offset, entries }, this.#sum([...entries.values()].map(entry => entry.node)))
  }

  #mergeSources(node: Node, trail: Trail): readonly Node[] {
    const sources = node.kind === 'list' ? node.items : [node]
    if (sources.every(source => source.kind === 'map')) return sources
    if (node.kind !== 'broken') {
      this.#problems.add(
        node.offset,
        trail,
        `found ${describe(node)}, expected a mapping or a list of mappings to merge`,
      )
    }
    return []
  }

  #alias(alias: Alias, trail: Trail | null): Node {
    const offset = alias.range?.[0] ?? 0
    const node = this.#anchors.get(alias.source)
    if (this.#open.has(alias.source))
      this.#problems.add(offset, trail, `alias *${alias.source} stands inside what it names`)
    else if (!node) this.#problems.add(offset, trail, `alias *${alias.source} names no anchor before it`)
    else {
      this.#aliased += this.#sizes.get(node) ?? 1
      if (this.#aliased <= maxAliased) return node
      this.#problems.add(offset, trail, `aliases bring in more than ${maxAliased} values`)
    }
    return this.#sized({ kind: 'broken', offset }, 1)
  }

  #sum(nodes: readonly Node[]): number {
    return nodes.reduce((sum, node) => sum + (this.#sizes.get(node) ?? 1), 1)
  }

  #sized<N extends Node>(node: N, size: number): N {
    this.#sizes.set(node, size)
    return node
  }
}

const rangeOf = (node: unknown): readonly [number, number, number] | undefined =>
  (node as { range?: [number, number, number] | null } | null)?.range ?? undefined
