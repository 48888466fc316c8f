// What a match costs does not grow with the number of routes: among 10,000 it takes less than four times what it takes
// among 10 (bench/micro/match.bench.ts measures about 1.1 to 1.5), with exact paths, {param}, `/*` and hosts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRouter } from '../../../ts/gateway/match/router.ts'
import { headers, routeOf } from './routes.ts'

const none = headers()
const rounds = 25
const findsPerRound = 10_000
const distinct = 64

const cases = [
  { name: 'exact', path: '/s#/items', hosts: [], request: ['', '/s#/items'] },
  { name: 'exact by host', path: '/items', hosts: ['s#.example.com'], request: ['s#.example.com', '/items'] },
  { name: 'exact by *.host', path: '/items', hosts: ['*.s#.example.com'], request: ['w.s#.example.com', '/items'] },
  { name: '{param}', path: '/s#/items/{id}', hosts: [], request: ['', '/s#/items/12345'] },
  { name: '/*', path: '/s#/*', hosts: [], request: ['', '/s#/items/12345'] },
  { name: '/* by host', path: '/items/*', hosts: ['s#.example.com'], request: ['s#.example.com', '/items/12345'] },
  { name: 'by priority', path: '/s#/*', hosts: [], request: ['', '/s#/items'], priorities: true },
  { name: 'none', path: '/s#/*', hosts: [], request: ['', '/t#/items'] },
] as const

function prepare(each: (typeof cases)[number], size: number): () => number {
  const numbered = (text: string, i: number): string => text.replace('#', String(i))
  const routes = Array.from({ length: size }, (_, i) =>
    routeOf({
      path: numbered(each.path, i),
      hosts: each.hosts.map(host => numbered(host, i)),
      priority: 'priorities' in each ? i : 0,
    }),
  )
  const router = compileRouter(routes)
  const requests = Array.from({ length: distinct }, (_, i) => {
    const wanted = Math.floor((i * size) / distinct)
    const [host, path] = each.request
    return [numbered(host, wanted), numbered(path, wanted), each.name === 'none' ? -1 : wanted] as const
  })
  for (const [host, path, wanted] of requests) assert.equal(router.find('GET', host, path, none).route, wanted)
  return () => {
    const started = performance.now()
    for (let i = 0; i < findsPerRound; i++) {
      const [host, path] = requests[i % distinct]!
      router.find('GET', host, path, none)
    }
    return performance.now() - started
  }
}

test('10,000 routes against 10', () => {
  for (const each of cases) {
    const [few, many] = [prepare(each, 10), prepare(each, 10_000)]
    const fewMs: number[] = []
    const manyMs: number[] = []
    // In turn, so that a slow moment of the machine meets both.
    for (let round = 0; round < rounds; round++) {
      fewMs.push(few())
      manyMs.push(many())
    }
    // The best round of each: whatever else runs on the machine only ever adds to a round.
    const ratio = Math.min(...manyMs) / Math.min(...fewMs)
    assert.ok(ratio < 4, `${each.name}: ${ratio.toFixed(2)} times`)
  }
})
