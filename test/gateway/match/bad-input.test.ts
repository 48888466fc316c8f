// Whatever a client sends, `find` gives a route or none, soon and without an exception: no host, `*`, long and deep
// paths, hosts of a thousand labels, percent garbage, names of Object.prototype. And a route that can not be compiled
// is refused with its name and place.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRouter, type Router } from '../../../ts/gateway/match/router.ts'
import { headers, routeOf } from './routes.ts'

const none = headers()
const find = (router: Router, path: string, host = '', method = 'GET'): number =>
  router.find(method, host, path, none).route

const router = compileRouter([
  routeOf({ path: '/' }),
  routeOf({ path: '/a/{x}/b' }),
  routeOf({ path: '/p/*', hosts: ['*.example.com'] }),
  routeOf({ path: '~^/re/(?<id>[0-9]+)$' }),
  routeOf({ path: '/h', hosts: ['example.com'] }),
])

test('no route at all', () => {
  assert.deepEqual(compileRouter([]).find('GET', 'a', '/', none), {
    route: -1,
    captures: null,
    allow: null,
    missed: -1,
    preflight: false,
  })
})

test('no host: only routes for any host', () => {
  assert.equal(find(router, '/'), 0)
  assert.equal(find(router, '/h'), -1)
  assert.equal(find(router, '/p/x'), -1)
})

test('hosts that are nearly the wanted one', () => {
  assert.equal(find(router, '/h', 'example.com'), 4)
  assert.equal(find(router, '/p', 'www.example.com'), 2)
  assert.equal(find(router, '/p', 'a.b.example.com'), 2)
  for (const host of ['example.com', '.example.com', 'xexample.com', 'example.com.evil', '.', '..', 'com', '*']) {
    assert.equal(find(router, '/p', host), -1, host)
  }
})

test('paths that are none, and *', () => {
  for (const path of [
    '*',
    '',
    'a',
    '?',
    '//',
    '/a//b',
    '/a/',
    '/a/x',
    '/a/x/b/',
    '/re/',
    '/re/1x',
    '/%',
    '/%zz',
    '/\0',
  ]) {
    assert.equal(find(router, path), -1, JSON.stringify(path))
  }
  const all = compileRouter([routeOf({ path: '/*' })])
  for (const path of ['*', '', '/', '/%', '/\0\r\n']) assert.equal(find(all, path), 0, JSON.stringify(path))
})

test('names of Object.prototype as host, path, parameter and header', () => {
  const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', 'undefined', 'null']
  const empty = compileRouter([routeOf({ path: '/x', hosts: ['x'] }), routeOf({ path: '/x/{y}/z' })])
  const own = compileRouter(names.map(name => routeOf({ path: `/${name}`, hosts: [name] })))
  const parameters = compileRouter(names.map(name => routeOf({ path: `/${name}/{${name}}` })))
  names.forEach((name, i) => {
    assert.equal(find(empty, `/${name}`, name), -1)
    assert.equal(find(empty, `/x/${name}`, name), -1)
    assert.equal(find(own, `/${name}`, name.toLowerCase()), i)
    assert.deepEqual(parameters.find('GET', '', `/${name}/${name}`, none).captures, [name])
    assert.equal(find(own, `/${name}`, 'x', name), -1)
  })
  const groups = compileRouter([routeOf({ path: '~^/(?<__proto__>.)/(?<constructor>.)$' })])
  assert.deepEqual(groups.find('GET', '', '/a/b', none).captures, ['a', 'b'])
  const rules = compileRouter([routeOf({ headers: { constructor: null, __proto__x: '1' } })])
  assert.equal(find(rules, '/'), -1)
})

test('long and deep paths and hosts take little time', () => {
  const long = 'x'.repeat(16_384)
  const deep = '/a'.repeat(8_192)
  const labels = `${'a.'.repeat(8_192)}example.com`
  const routes = [
    routeOf({ path: '/*' }),
    ...['/{a}', '/{a}/{b}/{c}/{d}/*', '/a/a/a/a/*'].map(path => routeOf({ path })),
  ]
  const wide = compileRouter([...routes, routeOf({ hosts: ['*.example.com'], path: '/only' })])
  const started = performance.now()
  assert.equal(find(wide, `/${long}`), 1)
  assert.equal(find(wide, deep), 3)
  assert.equal(find(wide, '/'.repeat(16_384)), 0)
  assert.equal(find(wide, `/b${deep}`), 2)
  assert.equal(find(wide, '/only', labels), 4)
  assert.equal(find(router, `/re/${'1'.repeat(16_384)}x`), -1)
  // Unbounded work would be seconds; each of these is some microseconds.
  assert.ok(performance.now() - started < 500)
})

test('texts beyond ASCII do not end up at other routes', () => {
  assert.equal(find(router, '/h\u0000', 'example.com'), -1)
  assert.equal(find(router, '/\u0148', 'example.com'), -1)
  assert.equal(find(router, '/h', 'example.c\u016fm'), -1)
})

test('methods are compared as they are written', () => {
  const get = compileRouter([routeOf({ methods: ['GET'] })])
  for (const method of ['get', 'GET ', '', 'G', 'GETX', 'Head']) {
    assert.deepEqual(get.find(method, '', '/', none), {
      route: -1,
      captures: null,
      allow: 'GET, HEAD',
      missed: 0,
      preflight: false,
    })
  }
})

test('a search that a throwing header look-up has broken off leaves nothing behind', () => {
  const ruled = compileRouter([routeOf({ path: '/{a}/{b}', headers: { h: 'x' } })])
  const broken = (): never => {
    throw new Error('away')
  }
  assert.throws(() => ruled.find('GET', '', '/1/2', broken), /away/)
  const put = compileRouter([routeOf({ path: '/', methods: ['PUT'], headers: { h: 'x' } })])
  assert.throws(() => put.find('GET', '', '/', broken), /away/)
  assert.equal(put.find('PUT', '', '/', headers({ h: 'x' })).route, 0)
  assert.deepEqual(ruled.find('GET', '', '/3/4', headers({ h: 'x' })).captures, ['3', '4'])
})

test('routes that can not be compiled', () => {
  for (const [options, message] of [
    [{ path: 'a' }, /expected a path that begins with \/ \(or ~/],
    [{ path: '' }, /expected a path that begins with/],
    [{ path: '/a*' }, /expected \* only as the whole last segment/],
    [{ path: '/*/a' }, /expected \* only as the whole last segment/],
    [{ path: '/{a}.json' }, /expected a parameter as a whole segment/],
    [{ path: '/{}' }, /expected a parameter/],
    [{ path: '/{a b}' }, /expected a path without blanks/],
    [{ path: '/{a}/{a}' }, /expected each parameter once, not \{a\} twice/],
    [{ path: '/a?b' }, /expected a path without \? and #/],
    [{ path: '/a/../b' }, /expected a path without \. and \.\. segments/],
    [{ path: '/%4' }, /expected two hexadecimal digits behind each %/],
    [{ path: '~(' }, /expected a regular expression \(JavaScript's syntax\): /],
    [{ path: '~^(a+)+$' }, /exponential/],
    [{ headers: { a: '~[' } }, /expected a regular expression \(JavaScript's syntax\): /],
    [{ hosts: ['a*b'] }, /neither a name nor/],
    [{ hosts: ['*.'] }, /neither a name nor/],
  ] as const) {
    const route = routeOf({ ...options, name: 'bad' })
    assert.throws(
      () => compileRouter([route]),
      new RegExp(`^Error: routes\\.yaml:7:3: route "bad": .*${message.source}`),
    )
  }
})
