// Validation and matcher read one grammar: paths, hosts and targets that a configuration may have compile in a worker,
// so that nothing passes `check` and is then refused at a reload. (Costly expressions are the matcher's own business.)
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigErrors, readConfig } from '../../ts/config/load.ts'
import { checkRoute } from '../../ts/command/check.ts'

const words = [
  'a',
  'b-c',
  'é',
  '%41',
  '%zz',
  '..',
  '.',
  '*',
  '{id}',
  '{a-b}',
  '{1}',
  '{id',
  '{}',
  '',
  ' ',
  '?',
  '#',
  '~',
  '(?<n>x)',
  '(',
  '\\\\',
  ':',
  '@',
]
const hostWords = ['a', 'B', '*', '1', 'xn--a', '', '_x', '-', '[::1]', 'é', '127', '%41']

let state = 7
const below = (limit: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * limit)
}
const some = (from: readonly string[], join: string): string =>
  Array.from({ length: 1 + below(4) }, () => from[below(from.length)]!).join(join)

test('what validation accepts, the matcher compiles', () => {
  let accepted = 0
  for (let round = 0; round < 4000; round++) {
    const path = `${below(8) === 0 ? '~' : '/'}${some(words, '/')}`
    const target = `/${some(words, '/')}`
    const action =
      below(2) === 0
        ? `upstream: u, ${below(2) === 0 ? 'rewrite' : 'stripPrefix'}: "${target}"`
        : `redirect: { to: "${target}" }`
    const text = `listen: [{ port: 1 }]
upstreams: { u: { peers: [{ url: "http://127.0.0.1:1" }] } }
routes: [{ name: r, match: { path: "${path}", hosts: ["${some(hostWords, '.')}"] }, ${action} }]
`
    let route
    try {
      route = readConfig(text, 'f', {}).plan.routes[0]!
    } catch (error) {
      assert.ok(error instanceof ConfigErrors, String(error))
      continue
    }
    accepted++
    assert.doesNotThrow(() => checkRoute(route, 0), text)
  }
  assert.ok(accepted > 50, `only ${accepted} were accepted`)
})
