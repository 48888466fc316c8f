// Why a request goes to the route it goes to: every route with the first reason against it, in the order in which they
// are tried. Slow and plain on purpose, and apart from the router's tables: it asks each route each question.
// Called by `router.explain` for the command; must agree with `find`.
import { hostFit, methodFits, ruleHolds, rulesHold, type Candidate, type HeaderOf } from './candidate.ts'
import { compare, regexPlaces } from './order.ts'
import { capture, matches } from './pattern.ts'
import { preflightOf, type Preflight } from './preflight.ts'

/** 'order': it fits, but another comes before it. */
export type Reason = 'host' | 'path' | 'headers' | 'method' | 'order'

export interface ExplainedRoute {
  readonly route: number
  /** Null for the chosen one. */
  readonly reason: Reason | null
  readonly detail: string
}

export interface Explanation {
  /** Index in the plan's routes, -1 for none. */
  readonly route: number
  /** With route -1: methods that would do (405); null is 404. */
  readonly allow: string | null
  readonly preflight: boolean
  /** Names with their values; `*` is the rest of a prefix, where the action uses it. */
  readonly captures: readonly (readonly [name: string, value: string])[]
  readonly routes: readonly ExplainedRoute[]
}

interface Question {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly headerOf: HeaderOf
  readonly announced: ReadonlySet<string> | null
}

export function explainRoutes(
  candidates: readonly Candidate[],
  method: string,
  host: string,
  path: string,
  headerOf: HeaderOf,
): Explanation {
  const asked: Preflight | null = method === 'OPTIONS' ? preflightOf(headerOf) : null
  if (asked !== null) {
    const question = { method: asked.method, host, path, headerOf, announced: asked.headers }
    const found = answer(candidates, question, true)
    if (candidates[found.route]?.cors) return found
  }
  const plain = answer(candidates, { method, host, path, headerOf, announced: null }, false)
  return asked !== null && candidates[plain.route]?.cors ? { ...plain, preflight: true } : plain
}

function answer(candidates: readonly Candidate[], question: Question, preflight: boolean): Explanation {
  const { method, host, path } = question
  const places = regexPlaces(candidates)
  const sorted = [...candidates].sort((a, b) => compare(a, b, method, host, places).sign)
  let chosen: Candidate | null = null
  let stopped: Candidate | null = null
  const routes = sorted.map((candidate): ExplainedRoute => {
    const { route } = candidate
    const against = objection(candidate, question)
    if (against !== null) {
      if (chosen === null && stopped === null && stops(candidate, question)) stopped = candidate
      return { route, ...against }
    }
    if (stopped !== null)
      return { route, reason: 'order', detail: 'fits too, but the search ended at an expression before it' }
    if (chosen === null) {
      chosen = candidate
      return { route, reason: null, detail: '' }
    }
    const { by } = compare(chosen, candidate, method, host, places)
    return { route, reason: 'order', detail: `fits too, but comes after the chosen one: ${orderDetails[by]}` }
  })
  const found = chosen as Candidate | null
  return {
    route: found?.route ?? -1,
    allow: found === null && stopped === null ? allowOf(candidates, routes) : null,
    preflight: preflight && found !== null,
    captures: found === null ? [] : captured(found, path),
    routes,
  }
}

const orderDetails = {
  priority: 'lower priority',
  host: 'less specific host',
  path: 'less specific path',
  'header rules': 'fewer header rules',
  methods: 'methods not listed as exactly',
  configuration: 'later in the configuration',
} as const

function objection(
  candidate: Candidate,
  question: Question,
): { readonly reason: Reason; readonly detail: string } | null {
  const { pattern, plan } = candidate
  const { method, host, path, headerOf, announced } = question
  if (hostFit(candidate, host) < 0) {
    const given = host === '' ? 'the request names no host' : `host ${host}`
    return { reason: 'host', detail: `${given}; wanted ${plan.match.hosts.join(' or ')}` }
  }
  if (stops(candidate, question)) {
    const detail = `the path has ${path.length} characters, more than the ${pattern.regex!.maxLength} that ${pattern.text} is tried on`
    return { reason: 'path', detail: `${detail}; the search ends here` }
  }
  if (!matches(pattern, path)) return { reason: 'path', detail: `path does not match ${pattern.text}` }
  if (!rulesHold(candidate.rules, headerOf, announced))
    return { reason: 'headers', detail: ruleDetail(candidate, question) }
  if (!methodFits(candidate.methods, method)) {
    return { reason: 'method', detail: `method ${method}; wanted ${candidate.methods.join(' or ')}` }
  }
  return null
}

/** The path is too long for the route's expression, so nothing behind it may be tried. */
function stops(candidate: Candidate, { host, path }: Question): boolean {
  const { regex } = candidate.pattern
  return regex !== null && path.length > regex.maxLength && hostFit(candidate, host) >= 0
}

function ruleDetail({ rules }: Candidate, { headerOf, announced }: Question): string {
  const rule = rules.find(each => !ruleHolds(each, headerOf) && !announced?.has(each.name))!
  const given = headerOf(rule.name)
  const wanted = rule.value === null ? 'present' : JSON.stringify(rule.value)
  return `header ${rule.name} is ${given === undefined ? 'absent' : JSON.stringify(given)}; wanted ${wanted}`
}

function allowOf(candidates: readonly Candidate[], routes: readonly ExplainedRoute[]): string | null {
  const methods = new Set<string>()
  for (const { route, reason } of routes) {
    if (reason !== 'method') continue
    const own = candidates[route]!.methods
    for (const method of own) methods.add(method)
    if (own.includes('GET')) methods.add('HEAD')
  }
  return methods.size === 0 ? null : [...methods].sort().join(', ')
}

function captured({ pattern, withRest }: Candidate, path: string): [string, string][] {
  const names = withRest ? [...pattern.names, '*'] : pattern.names
  const values = capture(pattern, path, withRest)
  return names.map((name, i) => [name, values[i] ?? ''])
}
