// `find` and `explain` keep the documented order (header of ts/gateway/match/order.ts) for random routes and requests.
// The reference below is written from that text alone and shares no code with either.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RoutePlan } from '../../../ts/config/plan.ts'
import { compileRouter } from '../../../ts/gateway/match/router.ts'
import { seededRandom } from '../../helpers/random.ts'
import { anyOrigin, forward, headers, routeOf } from './routes.ts'

interface Request {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

type Rank = readonly number[]

// 2. exact name, then `*.` with the longest suffix, then any
function hostRank({ match }: RoutePlan, host: string): number | null {
  if (match.hosts.length === 0) return 0
  const ranks = match.hosts.map(own => {
    if (own === host) return 1000
    return own.startsWith('*.') && host.endsWith(own.slice(1)) && host.length >= own.length ? own.length : -1
  })
  const best = Math.max(...ranks)
  return best < 0 ? null : best
}

// 3. exact, {name}, expressions, `/*`; within one of them from the left
function pathRank({ match }: RoutePlan, path: string, routes: readonly RoutePlan[]): Rank | null {
  const own = match.path
  if (own.startsWith('~')) {
    return new RegExp(own.slice(1)).test(path) ? [2, routes.findIndex(route => route.match.path === own)] : null
  }
  if (own.endsWith('/*')) {
    if (own === '/*') return [3, 2]
    const wanted = own.slice(0, -2).split('/').slice(1)
    const given = path.split('/').slice(1)
    const rank = path.startsWith('/') ? segmentRank(wanted, given.slice(0, wanted.length)) : null
    return rank && [3, ...rank, 2]
  }
  const rank = segmentRank(own.split('/').slice(1), path.split('/').slice(1))
  if (rank === null || !path.startsWith('/')) return null
  return own.includes('{') ? [1, ...rank] : [0]
}

function segmentRank(wanted: readonly string[], given: readonly string[]): Rank | null {
  if (wanted.length !== given.length) return null
  const ranks = wanted.map((segment, i) =>
    segment.startsWith('{') ? (given[i] === '' ? -1 : 1) : segment === given[i] ? 0 : -1,
  )
  return ranks.includes(-1) ? null : ranks
}

const methodFits = (methods: readonly string[], method: string): boolean =>
  methods.length === 0 || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))

function methodRank({ match: { methods } }: RoutePlan, method: string): number {
  if (methods.length === 0) return 2
  return methods.includes(method) ? 0 : 1
}

function rulesHold({ match }: RoutePlan, given: Request['headers'], announced: readonly string[]): boolean {
  return match.headers.every(({ name, value }) => {
    const has = given[name]
    const holds =
      has !== undefined &&
      (value === null || (value.startsWith('~') ? new RegExp(value.slice(1)).test(has) : value === has))
    return holds || announced.includes(name)
  })
}

interface Answer {
  readonly route: number
  readonly allow: string | null
  /** Of a 405: the first route of those whose method alone does not fit. */
  readonly missed: number
}

function reference(routes: readonly RoutePlan[], request: Request, announced: readonly string[] = []): Answer {
  const fitting: { readonly route: number; readonly rank: Rank }[] = []
  const missing: { readonly route: number; readonly rank: Rank }[] = []
  const methods = new Set<string>()
  routes.forEach((route, i) => {
    const host = hostRank(route, request.host)
    const path = pathRank(route, request.path, routes)
    if (host === null || path === null || !rulesHold(route, request.headers, announced)) return
    const padded = [...path, ...new Array<number>(8).fill(0)].slice(0, 8)
    const rank = [
      -route.match.priority,
      -host,
      ...padded,
      -route.match.headers.length,
      methodRank(route, request.method),
      i,
    ]
    if (methodFits(route.match.methods, request.method)) return void fitting.push({ route: i, rank })
    for (const method of route.match.methods) methods.add(method)
    if (route.match.methods.includes('GET')) methods.add('HEAD')
    missing.push({ route: i, rank })
  })
  const byRank = (a: { readonly rank: Rank }, b: { readonly rank: Rank }): number =>
    a.rank.map((value, i) => value - b.rank[i]!).find(difference => difference !== 0)!
  fitting.sort(byRank)
  missing.sort(byRank)
  const allow = methods.size === 0 ? null : [...methods].sort().join(', ')
  if (fitting[0]) return { route: fitting[0].route, allow: null, missed: -1 }
  return { route: -1, allow, missed: missing[0]?.route ?? -1 }
}

function expected(routes: readonly RoutePlan[], request: Request): Answer & { readonly preflight: boolean } {
  const method = request.headers['access-control-request-method']
  const asked = request.method === 'OPTIONS' && method !== undefined && request.headers['origin'] !== undefined
  if (asked) {
    const announced = (request.headers['access-control-request-headers'] ?? '').split(',')
    const found = reference(routes, { ...request, method }, announced)
    if (routes[found.route]?.cors) return { ...found, preflight: true }
  }
  const found = reference(routes, request)
  return { ...found, preflight: asked && Boolean(routes[found.route]?.cors) }
}

const expressions = ['~^/a', '~b', '~^/[ab]/c$', '~^/(?<x>[^/]+)/b', '~c$']

function randomCase(seed: number) {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!
  const some = <T>(values: readonly T[]): T[] => values.filter(() => random() < 0.4)
  const chance = (share: number): boolean => random() < share

  const segment = (i: number): string => pick(['a', 'b', 'c', 'a', 'b', `{p${i}}`, `{p${i}}`])
  const pattern = (): string => {
    if (chance(0.15)) return pick(expressions)
    const length = below(4)
    const plain = Array.from({ length }, (_, i) => `/${segment(i)}`).join('')
    return chance(0.4) ? `${plain}/*` : plain === '' ? '/' : plain + (chance(0.05) ? '/' : '')
  }
  const flat = chance(0.5)
  const route = (): RoutePlan =>
    routeOf({
      hosts: chance(0.4) ? [] : some(['x', 'a.x', 'b.a.x', '*.x', '*.a.x']),
      path: pattern(),
      methods: chance(0.4) ? [] : some(['GET', 'HEAD', 'PUT', 'OPTIONS']),
      headers: chance(0.7) ? {} : pick([{ h: '1' }, { h: null }, { i: '~^[12]$' }, { h: '1', i: null }]),
      priority: flat ? 0 : below(3) - 1,
      cors: chance(0.3) ? anyOrigin : null,
      action: forward(chance(0.5) ? {} : { stripPrefix: '/a' }),
    })
  const request = (): Request => ({
    method: pick(['GET', 'HEAD', 'PUT', 'OPTIONS', 'OPTIONS', 'DELETE']),
    host: pick(['', 'x', 'a.x', 'b.a.x', 'c.x', 'c.a.x', 'y']),
    path: chance(0.05)
      ? pick(['*', '/', ''])
      : Array.from({ length: 1 + below(4) }, () => `/${pick(['a', 'b', 'c', 'd', ''])}`).join(''),
    headers: {
      ...(chance(0.5) ? { h: pick(['1', '2', '']) } : {}),
      ...(chance(0.5) ? { i: pick(['1', '3']) } : {}),
      ...(chance(0.5) ? { origin: 'https://a.example' } : {}),
      ...(chance(0.5) ? { 'access-control-request-method': pick(['GET', 'PUT', 'DELETE']) } : {}),
      ...(chance(0.5) ? { 'access-control-request-headers': pick(['h', 'h,i', 'j']) } : {}),
    },
  })
  return {
    routes: Array.from({ length: 1 + below(14) }, route),
    requests: Array.from({ length: 40 }, request),
  }
}

test('find gives what the documentation says, and explain gives the same', () => {
  const answers = { route: 0, notFound: 0, notAllowed: 0, preflight: 0 }
  for (let seed = 1; seed <= 1500; seed++) {
    const { routes, requests } = randomCase(seed)
    const router = compileRouter(routes)
    for (const request of requests) {
      const { method, host, path } = request
      const wanted = expected(routes, request)
      const label = JSON.stringify({ seed, request, wanted, routes: routes.map(route => route.match) })
      const found = router.find(method, host, path, headers(request.headers))
      const { route, allow, missed, preflight } = found
      assert.deepEqual({ route, allow, missed, preflight }, wanted, label)

      const told = router.explain(method, host, path, headers(request.headers))
      assert.deepEqual({ route: told.route, allow: told.allow, missed, preflight: told.preflight }, wanted, label)
      assert.deepEqual(
        told.captures.map(([, value]) => value),
        found.captures ?? [],
        label,
      )
      const reasons = told.routes.map(({ reason }) => reason)
      assert.equal(told.routes.length, routes.length)
      assert.equal(reasons.filter(reason => reason === null).length, wanted.route < 0 ? 0 : 1)
      const first = told.routes.findIndex(({ reason }) => reason === null || reason === 'order')
      assert.equal(told.routes[first]?.route ?? -1, wanted.route, label)

      if (wanted.preflight) answers.preflight++
      else if (wanted.route >= 0) answers.route++
      else if (wanted.allow !== null) answers.notAllowed++
      else answers.notFound++
    }
  }
  // The generator still makes all kinds of answers.
  for (const [kind, count] of Object.entries(answers)) assert.ok(count > 500, `${kind}: ${count}`)
})
