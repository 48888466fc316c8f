// The tables that the router searches: one group per host pattern, in it a map and two trees, in their leaves the
// routes. Filled while routes are compiled, constant afterwards. Every node knows the highest priority below it, so
// that a search can leave out what can not win any more.
import type { Candidate } from './candidate.ts'
import { inLeaf } from './order.ts'
import { literalText } from './pattern.ts'
import type { GuardedRegex } from './regex.ts'
import { Keyed, SpanMap } from './span-map.ts'

export interface Match {
  /** Index in the plan's routes, -1 for none. */
  readonly route: number
  /** Values of the pattern's names in their order; then, where the action has `{*}`, the rest of the prefix. */
  readonly captures: readonly string[] | null
  /** Set with route -1: the path exists, with these methods only (405); the value of Allow. */
  readonly allow: string | null
  /** With `allow`: the first route in the order that has the path; else -1. */
  readonly missed: number
  /** A CORS preflight for the route: its `cors` answers, nothing goes upstream. */
  readonly preflight: boolean
}

/**
 * One route in a leaf. It is the answer too, where nothing is captured: with thousands of routes each object touched is
 * a miss of the processor's cache, and those are most of a search's time.
 */
export class Entry implements Match {
  readonly route: number
  readonly captures = null
  readonly allow = null
  readonly missed = -1
  readonly preflight = false
  /** Dense rank of the route's priority: small integers, -1 is below all. */
  readonly priority: number
  /** Values to capture; with the rest of a prefix. */
  readonly captured: number
  readonly candidate: Candidate
  readonly asPreflight: Match

  constructor(candidate: Candidate, priority: number) {
    this.route = candidate.route
    this.priority = priority
    this.captured = candidate.pattern.names.length + (candidate.withRest ? 1 : 0)
    this.candidate = candidate
    this.asPreflight = { route: this.route, captures: null, allow: null, missed: -1, preflight: true }
  }
}

/** The routes of one pattern, best first. */
export class Leaf {
  first: Entry
  /** Of the first. */
  priority: number
  /** The first takes any method and has no header rules: nothing more to ask. */
  unconditional: boolean
  readonly entries: Entry[] = []
  /** The same in the order for HEAD. */
  readonly headEntries: Entry[] = []

  constructor(entry: Entry) {
    this.first = entry
    this.priority = entry.priority
    this.unconditional = false
    this.add(entry)
  }

  add(entry: Entry): void {
    this.entries.push(entry)
    this.entries.sort((a, b) => inLeaf(a.candidate, b.candidate, 'GET'))
    this.headEntries.push(entry)
    this.headEntries.sort((a, b) => inLeaf(a.candidate, b.candidate, 'HEAD'))
    this.first = this.entries[0]!
    this.priority = this.first.priority
    this.unconditional = this.first.candidate.methods.length === 0 && this.first.candidate.rules.length === 0
  }
}

/** Equal texts of different routes as one string: fewer places in memory to look at. */
export class Texts {
  readonly #known = new Map<string, string>()

  shared(text: string): string {
    const known = this.#known.get(text)
    if (known === undefined) this.#known.set(text, text)
    return known ?? text
  }
}

/** One segment of a path; the way from the root spells the pattern. */
export class Node extends Keyed {
  /** The highest at or below it. */
  priority = -1
  leaf: Leaf | null = null
  parameter: Node | null = null
  /** The literal child where there is one only, as on most ways; otherwise in `literals`. */
  #only: Node | null = null
  #literals: SpanMap<Node> | null = null

  get hasChildren(): boolean {
    return this.#only !== null || this.parameter !== null || this.#literals !== null
  }

  /** The literal child whose key is `text.slice(start, end)`. */
  literal(text: string, start: number, end: number): Node | undefined {
    if (this.#only !== null) return this.#only.is(text, start, end) ? this.#only : undefined
    return this.#literals === null ? undefined : this.#literals.get(text, start, end)
  }

  add(segments: readonly (string | null)[], entry: Entry, texts: Texts): void {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- Reason: the walk begins here and goes on in the children.
    let node: Node = this
    node.priority = Math.max(node.priority, entry.priority)
    for (const segment of segments) {
      node = segment === null ? (node.parameter ??= new Node('')) : node.#child(texts.shared(segment))
      node.priority = Math.max(node.priority, entry.priority)
    }
    if (node.leaf === null) node.leaf = new Leaf(entry)
    else node.leaf.add(entry)
  }

  #child(segment: string): Node {
    const known = this.literal(segment, 0, segment.length)
    if (known !== undefined) return known
    const node = new Node(segment)
    if (this.#only === null && this.#literals === null) {
      this.#only = node
      return node
    }
    this.#literals ??= new SpanMap<Node>()
    if (this.#only !== null) this.#literals.add(this.#only)
    this.#only = null
    this.#literals.add(node)
    return node
  }
}

export interface Expression {
  readonly text: string
  readonly regex: GuardedRegex
  readonly leaf: Leaf
}

/** The routes of one host pattern. */
export class Group extends Keyed {
  /** The highest of its routes. */
  priority = -1
  readonly exact = new Map<string, Leaf>()
  whole: Node | null = null
  expressions: Expression[] | null = null
  prefixes: Node | null = null
  readonly #texts: Texts

  constructor(key: string, texts: Texts) {
    super(key)
    this.#texts = texts
  }

  add(entry: Entry): void {
    this.priority = Math.max(this.priority, entry.priority)
    const { pattern } = entry.candidate
    switch (pattern.kind) {
      case 'exact':
        return this.#addExact(this.#texts.shared(literalText(pattern)), entry)
      case 'param':
        return (this.whole ??= new Node('')).add(pattern.segments, entry, this.#texts)
      case 'regex':
        return this.#addExpression(pattern.text, pattern.regex!, entry)
      case 'prefix':
        return (this.prefixes ??= new Node('')).add(pattern.segments, entry, this.#texts)
    }
  }

  #addExact(text: string, entry: Entry): void {
    const leaf = this.exact.get(text)
    if (leaf === undefined) this.exact.set(text, new Leaf(entry))
    else leaf.add(entry)
  }

  #addExpression(text: string, regex: GuardedRegex, entry: Entry): void {
    this.expressions ??= []
    // Routes that share an expression mostly stand together.
    const known = this.expressions.findLast(expression => expression.text === text)
    if (known === undefined) this.expressions.push({ text, regex, leaf: new Leaf(entry) })
    else known.leaf.add(entry)
  }

  /** Puts expressions in the configuration's order, which this group's first routes alone do not tell. */
  sort(places: ReadonlyMap<string, number>): void {
    this.expressions?.sort((a, b) => places.get(a.text)! - places.get(b.text)!)
  }
}
