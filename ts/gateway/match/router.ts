// The router: (method, host, path, headers) -> route, by the order that order.ts documents. Compiled once per plan;
// `find` runs for every request and allocates nothing unless something is captured or the method does not fit.
//
//   hosts        a Map of exact names; `*.` suffixes in a span map, the longest tried first; one group for any host
//   per host     exact paths in a Map -> tree of segments with {name} -> regular expressions -> tree of `/*` prefixes
//   leaf         the routes of one pattern, best first
//
// The search goes from the best place to the worst and keeps the first that fits; it goes on only where a higher
// `priority` is left (each node knows the highest below it). Only expressions cost a step each.
import type { RoutePlan } from '../../config/plan.ts'
import { compileCandidate, isWildcard, methodFits, rulesHold, type Candidate, type HeaderOf } from './candidate.ts'
import { explainRoutes, type Explanation } from './explain.ts'
import { regexPlaces } from './order.ts'
import { preflightOf } from './preflight.ts'
import { SpanMap } from './span-map.ts'
import { Entry, Group, Texts, type Expression, type Leaf, type Match, type Node } from './tables.ts'

export type { Match }

export interface Router {
  /**
   * `method` as sent; `host` lower case, without port and final dot, '' for none; `path` normalised, or `*`. `headerOf`
   * takes lower-case names, gives several lines joined by `, `, and is asked only for routes with header rules and for
   * the two headers that make an OPTIONS request a preflight. The result is valid for as long as the plan.
   */
  find(method: string, host: string, path: string, headerOf: HeaderOf): Match
  /** The same answer with its reasons; slow. */
  explain(method: string, host: string, path: string, headerOf: HeaderOf): Explanation
}

/** Throws an Error that names the route (`file:line:col: route "name": ...`) whose match can not be compiled. */
export function compileRouter(routes: readonly RoutePlan[]): Router {
  return new CompiledRouter(routes.map(compileCandidate))
}

const noRoute: Match = { route: -1, captures: null, allow: null, missed: -1, preflight: false }
const noHeader: HeaderOf = () => undefined

class CompiledRouter implements Router {
  readonly #candidates: readonly Candidate[]
  readonly #hosts = new Map<string, Group>()
  readonly #suffixes = new SpanMap<Group>()
  readonly #texts = new Texts()
  readonly #anyHost = new Group('', this.#texts)
  readonly #groups: Group[] = [this.#anyHost]
  readonly #anyCors: boolean

  // One search's question and what it has found so far: kept here so that a search makes no object. A search ends
  // before `find` returns, and `headerOf` must not call `find`.
  #method = ''
  #path = ''
  #headerOf: HeaderOf = noHeader
  /** Header names that a preflight announces, else null. */
  #announced: ReadonlySet<string> | null = null
  #best: Entry | null = null
  #bestPriority = -1
  #methodMissed = false
  /** The path was too long for an expression that would have been next. */
  #stopped = false
  /** Begin and end of the parameters on the present way down a tree, two numbers each; and of the chosen way. */
  readonly #spans: number[]
  readonly #chosen: number[]
  #spansUsed = 0
  #chosenSpans = 0
  /** Where the rest begins that the chosen prefix leaves. */
  #chosenRest = 0
  /** Not null: nothing is chosen, the methods of all that would fit are collected, and the first of those routes. */
  #methods: Set<string> | null = null
  #missed: Entry | null = null

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates
    const numbers = 2 * Math.max(0, ...candidates.map(({ pattern }) => pattern.names.length))
    this.#spans = new Array<number>(numbers).fill(0)
    this.#chosen = new Array<number>(numbers).fill(0)
    this.#anyCors = candidates.some(({ cors }) => cors)
    const priorities = [...new Set(candidates.map(({ priority }) => priority))].sort((a, b) => a - b)
    const ranks = new Map(priorities.map((priority, rank) => [priority, rank]))
    for (const candidate of candidates) this.#add(candidate, ranks.get(candidate.priority)!)
    const places = regexPlaces(candidates)
    for (const group of this.#groups) group.sort(places)
  }

  #add(candidate: Candidate, priority: number): void {
    const entry = new Entry(candidate, priority)
    if (candidate.hosts.length === 0) this.#anyHost.add(entry)
    for (const host of new Set(candidate.hosts)) this.#group(host).add(entry)
  }

  #group(host: string): Group {
    const known = isWildcard(host) ? this.#suffixes.get(host, 0, host.length) : this.#hosts.get(host)
    if (known !== undefined) return known
    const group = new Group(host, this.#texts)
    this.#groups.push(group)
    if (isWildcard(host)) this.#suffixes.add(group)
    else this.#hosts.set(host, group)
    return group
  }

  find(method: string, host: string, path: string, headerOf: HeaderOf): Match {
    const asked = this.#anyCors && method === 'OPTIONS' ? preflightOf(headerOf) : null
    if (asked !== null) {
      const entry = this.#search(asked.method, host, path, headerOf, asked.headers)
      if (entry?.candidate.cors) return this.#found(entry, true)
    }
    const entry = this.#search(method, host, path, headerOf, null)
    if (entry !== null) return this.#found(entry, asked !== null && entry.candidate.cors)
    if (!this.#methodMissed || this.#stopped) return noRoute
    return this.#withAllow(method, host, path, headerOf)
  }

  explain(method: string, host: string, path: string, headerOf: HeaderOf): Explanation {
    return explainRoutes(this.#candidates, method, host, path, headerOf)
  }

  #found(entry: Entry, preflight: boolean): Match {
    if (entry.captured === 0) return preflight ? entry.asPreflight : entry
    const { regex } = entry.candidate.pattern
    const captures = regex === null ? this.#cut(entry.candidate.withRest) : regex.groups(this.#path)
    return { route: entry.route, captures, allow: null, missed: -1, preflight }
  }

  #cut(withRest: boolean): string[] {
    const path = this.#path
    const values: string[] = []
    for (let i = 0; i < this.#chosenSpans; i += 2) values.push(path.slice(this.#chosen[i], this.#chosen[i + 1]))
    if (withRest) values.push(path.slice(this.#chosenRest))
    return values
  }

  #withAllow(method: string, host: string, path: string, headerOf: HeaderOf): Match {
    const methods = new Set<string>()
    this.#methods = methods
    this.#missed = null
    try {
      this.#search(method, host, path, headerOf, null)
    } finally {
      this.#methods = null
    }
    // Empty when the method did not fit only where headers do not either.
    if (methods.size === 0) return noRoute
    const missed = (this.#missed as Entry | null)?.route ?? -1
    return { route: -1, captures: null, allow: [...methods].sort().join(', '), missed, preflight: false }
  }

  #search(
    method: string,
    host: string,
    path: string,
    headerOf: HeaderOf,
    announced: ReadonlySet<string> | null,
  ): Entry | null {
    this.#method = method
    this.#path = path
    this.#headerOf = headerOf
    this.#announced = announced
    this.#best = null
    this.#bestPriority = -1
    this.#methodMissed = false
    this.#stopped = false
    this.#spansUsed = 0
    if (host !== '') {
      const group = this.#hosts.size === 0 ? undefined : this.#hosts.get(host)
      if (group !== undefined) this.#searchGroup(group)
      if (this.#suffixes.size > 0) this.#searchSuffixes(host)
    }
    this.#searchGroup(this.#anyHost)
    this.#headerOf = noHeader
    return this.#best
  }

  #searchSuffixes(host: string): void {
    // No suffix is longer than the longest configured: a host of a thousand labels costs no more.
    let dot = host.indexOf('.', Math.max(1, host.length - this.#suffixes.longest))
    for (; dot > 0; dot = host.indexOf('.', dot + 1)) {
      const group = this.#suffixes.get(host, dot, host.length)
      if (group !== undefined) this.#searchGroup(group)
    }
  }

  #searchGroup(group: Group): void {
    if (group.priority <= this.#bestPriority) return
    const path = this.#path
    const isPath = path.charCodeAt(0) === slash
    if (group.exact.size > 0) {
      const leaf = group.exact.get(path)
      if (leaf !== undefined) {
        this.#tryLeaf(leaf, path.length)
        if (group.priority <= this.#bestPriority) return
      }
    }
    if (group.whole !== null && isPath) this.#searchWhole(group.whole, 1)
    if (group.expressions !== null) this.#searchExpressions(group.expressions)
    if (group.prefixes !== null) this.#searchPrefix(group.prefixes, isPath ? 1 : path.length + 1)
  }

  #searchExpressions(expressions: readonly Expression[]): void {
    const path = this.#path
    for (let i = 0; i < expressions.length; i++) {
      const { regex, leaf } = expressions[i]!
      if (leaf.priority <= this.#bestPriority) continue
      if (path.length > regex.maxLength) this.#stop(leaf.priority)
      else if (regex.test(path)) this.#tryLeaf(leaf, path.length)
    }
  }

  /** `start` is where the next segment begins. */
  #searchWhole(node: Node, start: number): void {
    if (node.priority <= this.#bestPriority) return
    const path = this.#path
    let end = path.indexOf('/', start)
    if (end < 0) end = path.length
    const child = node.literal(path, start, end)
    if (child !== undefined) this.#searchWholeChild(child, end)
    if (node.parameter !== null && end > start) {
      this.#enter(start, end)
      this.#searchWholeChild(node.parameter, end)
      this.#spansUsed -= 2
    }
  }

  #searchWholeChild(child: Node, end: number): void {
    if (end < this.#path.length) this.#searchWhole(child, end + 1)
    else if (child.leaf !== null) this.#tryLeaf(child.leaf, end)
  }

  /** A `start` behind the path's end: no segment is left. */
  #searchPrefix(node: Node, start: number): void {
    if (node.priority <= this.#bestPriority) return
    const path = this.#path
    if (start <= path.length && node.hasChildren) {
      let end = path.indexOf('/', start)
      if (end < 0) end = path.length
      const child = node.literal(path, start, end)
      if (child !== undefined) this.#searchPrefix(child, end + 1)
      if (node.parameter !== null && end > start) {
        this.#enter(start, end)
        this.#searchPrefix(node.parameter, end + 1)
        this.#spansUsed -= 2
      }
    }
    if (node.leaf !== null) this.#tryLeaf(node.leaf, start)
  }

  #enter(start: number, end: number): void {
    this.#spans[this.#spansUsed] = start
    this.#spans[this.#spansUsed + 1] = end
    this.#spansUsed += 2
  }

  /** `rest` is where the part of the path begins that the pattern does not spell out. */
  #tryLeaf(leaf: Leaf, rest: number): void {
    if (leaf.priority <= this.#bestPriority) return
    if (this.#methods !== null) this.#collect(this.#methods, leaf.entries)
    else if (leaf.unconditional) this.#choose(leaf.first, leaf.priority, rest)
    else this.#tryEntries(this.#method === 'HEAD' ? leaf.headEntries : leaf.entries, rest)
  }

  #tryEntries(entries: readonly Entry[], rest: number): void {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      if (entry.priority <= this.#bestPriority) return
      const { methods, rules } = entry.candidate
      if (!methodFits(methods, this.#method)) this.#methodMissed = true
      else if (rulesHold(rules, this.#headerOf, this.#announced)) {
        this.#choose(entry, entry.priority, rest)
        return
      }
    }
  }

  #choose(entry: Entry, priority: number, rest: number): void {
    this.#best = entry
    this.#bestPriority = priority
    this.#chosenRest = rest
    this.#chosenSpans = this.#spansUsed
    for (let i = 0; i < this.#spansUsed; i++) this.#chosen[i] = this.#spans[i]!
  }

  #collect(into: Set<string>, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { candidate } = entry
      if (!rulesHold(candidate.rules, this.#headerOf, null)) continue
      // Places come in their order, but here a better one does not keep those of a lower priority out.
      if (this.#missed === null || entry.priority > this.#missed.priority) this.#missed = entry
      for (const method of candidate.methods) into.add(method)
      if (candidate.methods.includes('GET')) into.add('HEAD')
    }
  }

  #stop(priority: number): void {
    this.#best = null
    this.#bestPriority = priority
    this.#stopped = true
  }
}

const slash = 0x2f
