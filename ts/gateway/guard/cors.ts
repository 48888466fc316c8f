// Guard: cross-origin rules of a route (Fetch standard, "CORS protocol"). A preflight is answered here, 204 with or
// without permission: the browser reads the headers, not the status. Other requests go on, and their answers get the
// headers that the origin is allowed: also what Polygate refuses, so that a page can read why. A 405 has those of the
// route whose path it is; a 404 has none, for there is no route whose rules could say who may read it (as in nginx, where
// a location's headers are not those of another, and in Kong and Envoy, where the rules are a route's).
// Compiled per route when the plan is prepared.
import type { CorsPlan, HeaderPair, Plan } from '../../config/plan.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Verdict, type Exchange } from '../exchange.ts'

/** What is said about one origin. */
export interface Cors {
  /** Headers of the answer to a preflight; `asked`: its Access-Control-Request-Headers. */
  preflight(origin: string, asked: string): readonly HeaderPair[]
  /** Lines of `\r\nname: value` for any other answer. */
  answer(origin: string | undefined): string
}

/**
 * An origin that is not allowed gets the answer without permission, and the browser keeps it from the script. All
 * origins with credentials is what browsers refuse and `check` reports: `*` then allows nobody.
 */
export function compileCors(plan: CorsPlan): Cors {
  const any = plan.origins.includes('*') && !plan.credentials
  const allows = any ? () => true : compileOrigins(plan.origins)
  const allowOrigin = (origin: string): string => (any ? '*' : origin)
  const methods = plan.methods.join(', ')
  const headers = plan.headers.join(', ')
  const reflects = plan.headers.includes('*')
  const preflightVary: HeaderPair = ['vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers']
  // The answer depends on who asks, unless everybody gets the same: caches must know, also where nothing is allowed.
  const vary = any ? '' : '\r\nvary: Origin'
  let tail = ''
  if (plan.credentials) tail += '\r\naccess-control-allow-credentials: true'
  if (plan.exposeHeaders.length > 0) tail += `\r\naccess-control-expose-headers: ${plan.exposeHeaders.join(', ')}`

  return {
    preflight(origin, asked) {
      if (!allows(origin)) return [preflightVary]
      const list: HeaderPair[] = [preflightVary, ['access-control-allow-origin', allowOrigin(origin)]]
      if (plan.credentials) list.push(['access-control-allow-credentials', 'true'])
      list.push(['access-control-allow-methods', methods])
      const allowed = reflects ? (headerNames.test(asked) ? asked : '') : headers
      if (allowed !== '') list.push(['access-control-allow-headers', allowed])
      list.push(['access-control-max-age', String(plan.maxAgeSeconds)])
      return list
    },
    answer(origin) {
      if (origin === undefined || !allows(origin)) return vary
      return `${vary}\r\naccess-control-allow-origin: ${allowOrigin(origin)}${tail}`
    },
  }
}

/** A list of tokens (RFC 9110 5.6.1): what may be sent back as it was asked for. */
const headerNames = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/

/** Labels before a wildcard's domain; nothing that could end the host's name, as in `https://evil.test:1.example.com`. */
const labels = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

function compileOrigins(origins: readonly string[]): (origin: string) => boolean {
  const exact = new Set(origins.filter(origin => !origin.includes('*')))
  // `https://*.example.com`: what stands before and behind the star.
  const wild = origins
    .filter(origin => origin.includes('*.'))
    .map(origin => origin.split('*', 2) as [scheme: string, domain: string])
  return origin =>
    exact.has(origin) ||
    wild.some(
      ([scheme, domain]) =>
        origin.length > scheme.length + domain.length &&
        origin.startsWith(scheme) &&
        origin.endsWith(domain) &&
        labels.test(origin.slice(scheme.length, origin.length - domain.length)),
    )
}

export interface CrossOrigin {
  /** Answers a preflight; else adds the headers of `annotate`. */
  guard(exchange: Exchange): Verdict
  /** Adds what the route with this id says; nothing for one without rules. */
  annotate(exchange: Exchange, routeId: number): void
}

/** Null where no route has rules. */
export function crossOrigin({ routes }: Plan, heads: RequestHeads): CrossOrigin | null {
  if (routes.every(route => route.cors === null)) return null
  const rules = routes.map(({ cors }) => (cors === null ? null : compileCors(cors)))

  const annotate = (exchange: Exchange, routeId: number): void => {
    const cors = rules[routeId] ?? null
    if (cors !== null) exchange.extraHeaders += cors.answer(heads.header(exchange.slot, 'origin'))
  }
  return {
    annotate,
    guard(exchange) {
      const cors = rules[exchange.routeId] ?? null
      if (cors === null) return Verdict.next
      const origin = exchange.preflight ? heads.header(exchange.slot, 'origin') : undefined
      if (origin === undefined) {
        annotate(exchange, exchange.routeId)
        return Verdict.next
      }
      const asked = heads.header(exchange.slot, 'access-control-request-headers') ?? ''
      exchange.answer = { status: 204, headers: cors.preflight(origin, asked), body: '', close: false }
      return Verdict.answer
    },
  }
}
