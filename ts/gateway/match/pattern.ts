// What `match.path` says, taken apart: `/exact`, `/a/{name}/b`, `/prefix/*`, `~regular expression`. Used by the router,
// by explain and by the compiled targets. Works at load; only `matches` and `capture` see requests.
//
//   /foo/*      matches /foo, /foo/ and /foo/x, not /foobar; `{*}` is what follows `/foo/`, '' for the first two
//   /*          matches every path, and the `*` of `OPTIONS *`
//   {name}      takes one whole segment that is not empty; a trailing slash makes another path
//   ~           is searched in the path as it is written: anchor it with ^ and $; named groups are captures
import { readPathPattern } from '../../config/path-pattern.ts'
import { compileRegex, type GuardedRegex } from './regex.ts'
import { normaliseLiteral } from './path.ts'

export type PatternKind = 'exact' | 'param' | 'regex' | 'prefix'

export interface Pattern {
  readonly kind: PatternKind
  /** As configured. */
  readonly text: string
  /** Segments after the first `/`, null for `{name}`; without the `*` of a prefix; [] for `/*` and regular expressions. */
  readonly segments: readonly (string | null)[]
  /** Names of parameters or of the expression's groups, in the order of their appearance. */
  readonly names: readonly string[]
  readonly regex: GuardedRegex | null
}

/** Throws an Error whose message says what is wrong with the text. */
export function parsePattern(text: string): Pattern {
  // As in requests, where a run of slashes is matched as one.
  const read = readPathPattern(text.startsWith('/') ? text.replace(/\/{2,}/g, '/') : text)
  if (typeof read === 'string') throw new Error(`path "${text}": expected ${read}`)
  const { names, rest } = read
  if (read.segments === null) return { kind: 'regex', text, segments: [], names, regex: compileRegex(text.slice(1)) }
  // `readPathPattern` has looked at every %.
  const segments = read.segments.map(segment => (segment === null ? null : normaliseLiteral(segment)!))
  return { kind: rest ? 'prefix' : names.length > 0 ? 'param' : 'exact', text, segments, names, regex: null }
}

/** An exact path, or a prefix without its `/*`, as requests spell it. */
export function literalText(pattern: Pattern): string {
  return pattern.segments.map(segment => `/${segment ?? ''}`).join('')
}

/** Whether the pattern takes the path. One pattern at a time: the router has quicker ways for many. */
export function matches(pattern: Pattern, path: string): boolean {
  if (pattern.regex !== null) return pattern.regex.test(path)
  const { segments, kind } = pattern
  if (kind === 'prefix' && segments.length === 0) return true
  if (!path.startsWith('/')) return false
  const given = path.slice(1).split('/')
  if (kind === 'prefix' ? given.length < segments.length : given.length !== segments.length) return false
  return segments.every((segment, i) => (segment === null ? given[i] !== '' : given[i] === segment))
}

/**
 * Values of the pattern's names in a path that it matches, as they stand in the path (percent-encoded), and with
 * `withRest` the text under a prefix's `*` as the last. A group that took no part gives ''.
 */
export function capture(pattern: Pattern, path: string, withRest: boolean): string[] {
  if (pattern.regex !== null) return pattern.regex.groups(path)
  const values: string[] = []
  let start = 1
  for (const segment of pattern.segments) {
    let end = path.indexOf('/', start)
    if (end < 0) end = path.length
    if (segment === null) values.push(path.slice(start, end))
    start = end + 1
  }
  if (withRest) values.push(path.slice(start))
  return values
}
