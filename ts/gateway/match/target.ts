// What a matched path becomes: the path that goes upstream (`stripPrefix`, `rewrite`) and a redirect's Location.
// Compiled per route at load; the functions run once per request. A captured text is put in as it stood in the path,
// percent-encoded, never decoded: no client can add a line, a query or a host by way of it.
import type { RoutePlan } from '../../config/plan.ts'
import { compileCandidate } from './candidate.ts'
import { normaliseLiteral } from './path.ts'
import { Place, inserted, parseTemplate, type Template } from './placeholders.ts'

/** `path` and `captures` are the request's normalised path and what the router captured; the result has no query. */
export type Target = (path: string, captures: readonly string[] | null) => string

/** `query` without `?`, '' where there is none. */
export type Location = (path: string, captures: readonly string[] | null, query: string) => string

const noValues: readonly string[] = []

/**
 * The path for the upstream, or null where it is the request's own. `rewrite` replaces the whole path and wins over
 * `stripPrefix`, which takes whole segments off: `/hello` off `/hello/x` leaves `/x`, off `/hello` `/`, off
 * `/helloworld` nothing. The `*` of `OPTIONS *` stays. Throws an Error that names the route when the texts are wrong.
 */
export function compileTarget(route: RoutePlan): Target | null {
  const { action } = route
  if (action.kind !== 'forward') return null
  return located(route, () => {
    if (action.rewrite !== null) return rewriting(route, action.rewrite)
    return action.stripPrefix === null ? null : stripping(action.stripPrefix)
  })
}

function stripping(text: string): Target | null {
  const prefix = normaliseLiteral(text.endsWith('/') ? text.slice(0, -1) : text)
  if (prefix === '' && text === '/') return null
  if (prefix === null || !prefix.startsWith('/') || /[{}?#]/.test(text) || text.endsWith('*')) {
    throw new Error(`stripPrefix "${text}" is not a path such as /hello`)
  }
  const { length } = prefix
  return path => {
    if (!path.startsWith(prefix)) return path
    if (path.length === length) return '/'
    return path.charCodeAt(length) === slash ? singleSlash(path, length) : path
  }
}

function rewriting(route: RoutePlan, text: string): Target {
  if (!text.startsWith('/')) throw new Error(`rewrite "${text}" must begin with /`)
  if (/[?#]/.test(text))
    throw new Error(`rewrite "${text}" is a path: the request's query is kept, a new one can not be set`)
  const template = parseTemplate(text)
  const literals = template.literals.map(literal => literalOf(literal, text))
  const sources = sourcesOf(route, template, text)
  return (path, captures) =>
    path === '*' ? path : singleSlash(filled(literals, sources, captures ?? noValues, null), 0)
}

function literalOf(literal: string, text: string): string {
  const normal = normaliseLiteral(literal)
  if (normal === null) throw new Error(`"${text}" has a % without two hexadecimal digits`)
  return normal
}

/**
 * Where a redirect leads; null for other routes. The query of the request is kept when `to` has none of its own, and
 * stands before a fragment. Throws an Error that names the route when a client's text could change the host.
 */
export function compileRedirect(route: RoutePlan): Location | null {
  const { action } = route
  if (action.kind !== 'redirect') return null
  return located(route, () => redirecting(route, action.to))
}

function redirecting(route: RoutePlan, text: string): Location {
  const hash = text.indexOf('#')
  const address = hash < 0 ? text : text.slice(0, hash)
  const fragment = hash < 0 ? '' : text.slice(hash)
  const authority = /^(?:[a-z][a-z0-9+.-]*:)?\/\/[^/?#{}]+(?=[/?]|$)/i.exec(address)
  if (authority === null && !/^\/(?!\/)/.test(address)) {
    throw new Error(
      `redirect to "${text}" must begin with / or with https://host, and a {name} may stand only after the host`,
    )
  }
  // A client may follow \ as it would /, and neither it nor a control belongs into a Location.
  if (/[^\x21-\x7e]|\\/.test(text) || /[{}]/.test(fragment)) throw new Error(`redirect to "${text}" is not a URL`)
  const origin = authority?.[0] ?? ''
  const template = parseTemplate(address.slice(origin.length))
  const places = placesOf(template)
  const sources = sourcesOf(route, template, text)
  const ownQuery = address.includes('?')
  return (_path, captures, query) => {
    const rest = filled(template.literals, sources, captures ?? noValues, places)
    const kept = ownQuery || query === '' ? '' : `?${inserted(query, Place.query)}`
    return origin + singleSlash(rest, 0) + kept + fragment
  }
}

/** What is put in behind a `?` is a value of the query. */
function placesOf(template: Template): Place[] {
  let place: Place = Place.path
  return template.names.map((_, i) => {
    if (template.literals[i]!.includes('?')) place = Place.queryValue
    return place
  })
}

/** For each placeholder the index of its value among the route's captures. */
function sourcesOf(route: RoutePlan, template: Template, text: string): number[] {
  const { pattern } = compileCandidate(route, 0)
  return template.names.map(name => {
    if (name === '*') {
      if (pattern.kind === 'prefix') return pattern.names.length
      throw new Error(`"${text}" has {*}, but the path "${pattern.text}" does not end in /*`)
    }
    const source = pattern.names.indexOf(name)
    if (source < 0) throw new Error(`"${text}" has {${name}}, but the path "${pattern.text}" has no such name`)
    return source
  })
}

/** `places` null: all in the path. */
function filled(
  literals: readonly string[],
  sources: readonly number[],
  values: readonly string[],
  places: readonly Place[] | null,
): string {
  let out = literals[0]!
  for (let i = 0; i < sources.length; i++) {
    out += inserted(values[sources[i]!] ?? '', places === null ? Place.path : places[i]!) + literals[i + 1]!
  }
  return out
}

const slash = 0x2f

/** The text from `start` on, with one slash where several stand at its beginning: `//host` would name a host. */
function singleSlash(text: string, start: number): string {
  let at = start
  while (text.charCodeAt(at) === slash && text.charCodeAt(at + 1) === slash) at++
  return at === 0 ? text : text.slice(at)
}

function located<T>(route: RoutePlan, compile: () => T): T {
  try {
    return compile()
  } catch (error) {
    const { message } = error as Error
    throw message.startsWith(route.source)
      ? error
      : new Error(`${route.source}: route "${route.name}": ${message}`, { cause: error })
  }
}
