// Micro benchmark: nanoseconds per `router.find` with 10, 1,000 and 10,000 routes. A person runs it
// (`node --import tsx bench/micro/match.bench.ts`); test/gateway/match/cost.test.ts asserts the loose bound.
import type { RoutePlan } from '../../ts/config/plan.ts'
import { compileRouter, type Router } from '../../ts/gateway/match/router.ts'

const sizes = [10, 1_000, 10_000]
const rounds = 15
const findsPerRound = 40_000
/** Distinct requests in turn, so that not one string alone is looked up. */
const requests = 64

interface Case {
  readonly name: string
  readonly path: (i: number) => string
  readonly hosts: (i: number) => readonly string[]
  readonly request: (i: number) => readonly [host: string, path: string]
}

const cases: readonly Case[] = [
  {
    name: 'exact',
    path: i => `/service-${i}/items`,
    hosts: () => [],
    request: i => ['api.example.com', `/service-${i}/items`],
  },
  {
    name: 'exact, a host each',
    path: () => '/items',
    hosts: i => [`s${i}.example.com`],
    request: i => [`s${i}.example.com`, '/items'],
  },
  {
    name: 'exact, a *.host each',
    path: () => '/items',
    hosts: i => [`*.s${i}.example.com`],
    request: i => [`www.s${i}.example.com`, '/items'],
  },
  {
    name: '{param}',
    path: i => `/service-${i}/items/{id}`,
    hosts: () => [],
    request: i => ['api.example.com', `/service-${i}/items/12345`],
  },
  {
    name: '/* prefix',
    path: i => `/service-${i}/*`,
    hosts: () => [],
    request: i => ['api.example.com', `/service-${i}/items/12345`],
  },
  {
    name: '/* prefix, a host each',
    path: () => '/items/*',
    hosts: i => [`s${i}.example.com`],
    request: i => [`s${i}.example.com`, '/items/12345'],
  },
  {
    name: 'no route (404)',
    path: i => `/service-${i}/*`,
    hosts: () => [],
    request: i => ['api.example.com', `/nothing-${i}/items`],
  },
]

function routeOf(path: string, hosts: readonly string[], i: number): RoutePlan {
  return {
    name: `r${i}`,
    source: `routes.yaml:${i}:1`,
    match: { hosts, path, methods: [], headers: [], priority: 0 },
    action: { kind: 'respond', status: 200, headers: [], body: '' },
    cors: null,
    requestHeaders: null,
    responseHeaders: null,
    plugins: [],
    guards: [],
    maxBodyBytes: 0,
    webSocket: false,
  }
}

/** As from a socket: a flat string of its own, not one that Map has seen before. */
const fresh = (text: string): string => Buffer.from(text, 'latin1').latin1Slice()

const noHeader = (): undefined => undefined

function nsPerFind(router: Router, wanted: readonly (readonly [string, string])[]): number {
  let found = 0
  const questions = Array.from({ length: findsPerRound }, (_, i) => {
    const [host, path] = wanted[i % wanted.length]!
    return [fresh(host), fresh(path)] as const
  })
  const start = performance.now()
  for (const [host, path] of questions) found += router.find('GET', host, path, noHeader).route
  const elapsedMs = performance.now() - start
  if (found === Infinity) throw new Error('unreachable: the result is used')
  return (elapsedMs * 1e6) / findsPerRound
}

function median(values: number[]): number {
  values.sort((a, b) => a - b)
  return values[values.length >> 1]!
}

console.log(
  `${'ns per find (median)'.padEnd(26)}${sizes.map(size => `${size} routes`.padStart(15)).join('')}     ratio`,
)
for (const { name, path, hosts, request } of cases) {
  const prepared = sizes.map(size => ({
    router: compileRouter(Array.from({ length: size }, (_, i) => routeOf(path(i), hosts(i), i))),
    wanted: Array.from({ length: requests }, (_, i) => request(Math.floor((i * size) / requests) % size)),
  }))
  const measured: number[][] = sizes.map(() => [])
  // The sizes alternate within each round, so that a slow moment of the machine meets all of them.
  for (let round = 0; round < rounds; round++) {
    prepared.forEach(({ router, wanted }, i) => measured[i]!.push(nsPerFind(router, wanted)))
  }
  const medians = measured.map(median)
  const figures = medians.map(ns => ns.toFixed(0).padStart(15)).join('')
  console.log(`${name.padEnd(26)}${figures}${(medians.at(-1)! / medians[0]!).toFixed(2).padStart(10)}`)
}
