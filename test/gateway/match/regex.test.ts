// No regular expression of a route lets a client burn time: exponential and cubic ones and back-references are refused,
// quadratic ones get a limit on length, past which the request ends with 404 and not at a less guarded route.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRegex, quadraticLength } from '../../../ts/gateway/match/regex.ts'
import { compileRouter } from '../../../ts/gateway/match/router.ts'
import { headers, routeOf } from './routes.ts'

test('refused: exponential, cubic, unbounded', () => {
  for (const source of [
    '(a+)+$',
    '^(a|a)*$',
    '^(a|ab)*$',
    '^(a*)*$',
    '^(?:a?)*$',
    '^(\\w+\\s?)*$',
    '^(x+x+)+y',
    '^(?:a{0,2}){3}$',
    '^(?:a+){2,}$',
    '^([^/]*/?)*$',
    '^((?:a|b)c?)+c$',
    '^(a+|b+)*a$',
    '^/a?a?a?a?a?a?a?a?$',
    '^(a)\\1$',
    '^(?<x>a)\\k<x>$',
  ]) {
    assert.throws(() => compileRegex(source), /^Error: regular expression \//, source)
  }
  for (const source of ['^/(.*)/(.*)/(.*)$', '(.*)\\d+$', '.*.*b']) {
    assert.throws(() => compileRegex(source), /cubic time/, source)
  }
})

test('not an expression at all', () => {
  for (const source of ['(', '[', '*', '\\', '(?<a>.)(?<a>.)', '(?z)']) {
    assert.throws(
      () => compileRegex(source),
      /^Error: expected a regular expression \(JavaScript's syntax\): \S/,
      source,
    )
  }
})

test('accepted for any length', () => {
  for (const source of [
    '',
    '/foo',
    '\\.php$',
    '\\.(?:jpg|jpeg|png)$',
    '^/users/(?<id>\\d+)$',
    '^/a/.*',
    '^/(?<a>[^/]+)/(?<b>[^/]+)/(?<c>[^/]+)$',
    '^(?:/[^/]+)*$',
    '^(?:foo|bar)+$',
    '^/v[0-9]{1,3}/',
    '^/(?!admin).*$',
    '^/(?:en|de)(?:/|$)',
    '^/[a-z0-9-]+(?:\\.[a-z]{2,4})?$',
    '^/\\x41[\\]\\-/]\\u0042\\cA{2}$',
  ]) {
    assert.ok(compileRegex(source).maxLength > 1_000_000, source)
  }
})

test('quadratic ones get a limit, and within limits all are quick on their worst texts', () => {
  const worst: readonly (readonly [string, string])[] = [
    ['^/a/.*/b/.*c$', '/a/' + '/b/'.repeat(8000)],
    ['^.*[^/]+/x', 'a'.repeat(20_000)],
    ['[a-z]+\\d+$', 'a'.repeat(20_000)],
    ['^(?:[a-z]+\\.)*[a-z]+$', 'a.'.repeat(10_000)],
    ['^(?:/[^/]+)*$', '/a'.repeat(10_000) + '/'],
    ['^(?:foo|bar)+$', 'foobar'.repeat(3_000) + '!'],
    ['^/(?<a>[^/]+)/(?<b>[^/]+)/(?<c>[^/]+)$', '/aaaa'.repeat(4_000)],
    ['^/(?!admin).*$', '/adm'.repeat(5_000) + '\n'],
  ]
  for (const [source, text] of worst) {
    const regex = compileRegex(source)
    const given = text.slice(0, regex.maxLength)
    const started = performance.now()
    regex.test(given)
    // Two million steps are some milliseconds; a cubic or exponential expression would take minutes.
    assert.ok(performance.now() - started < 1000, `${source} ${performance.now() - started}`)
  }
  assert.equal(compileRegex('^/a/.*/b/.*c$').maxLength, quadraticLength)
})

test('a path too long for an expression ends the search; better places still win', () => {
  const routes = [
    routeOf({ path: '/*' }),
    routeOf({ path: '~^/a/.*/b/.*c$' }),
    routeOf({ path: '/{one}' }),
    routeOf({ path: '/up/*', priority: 1 }),
    routeOf({ path: '~^/h/.*/b/.*c$', hosts: ['h'] }),
  ]
  const long = 'x'.repeat(quadraticLength)
  const router = compileRouter(routes)
  const find = (path: string, method = 'GET') => router.find(method, '', path, headers())
  assert.equal(find('/a/x').route, 0)
  assert.equal(find(`/${long}`).route, 2)
  assert.equal(find(`/up/${long}`).route, 3)
  assert.deepEqual([find(`/a/${long}`).route, find(`/a/${long}`).allow], [-1, null])
  const told = router.explain('GET', '', `/a/${long}`, headers())
  assert.equal(told.route, -1)
  assert.match(told.routes.find(({ route }) => route === 1)!.detail, /more than the 2048 that .* the search ends here/)
  assert.equal(told.routes.find(({ route }) => route === 0)!.reason, 'order')
})

test('a header too long for a quadratic expression does not fit', () => {
  const router = compileRouter([routeOf({ headers: { h: '~^a.*b.*c' } })])
  assert.equal(router.find('GET', '', '/', headers({ h: 'a1b2c' })).route, 0)
  assert.equal(router.find('GET', '', '/', headers({ h: `a1b2c${'x'.repeat(quadraticLength)}` })).route, -1)
})
