// What each kind of pattern takes and captures, the documented order in its single steps, 404 and 405, HEAD, header
// rules and preflights. order.test.ts has the same order over random routes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRouter } from '../../../ts/gateway/match/router.ts'
import { anyOrigin, forward, headers, redirect, routeOf, type RouteOptions } from './routes.ts'

const none = headers()

/** Name of the route that takes it, or the 405's Allow, or 404. */
function taken(routes: readonly RouteOptions[], method: string, path: string, host = '', given = none): string {
  const found = compileRouter(routes.map(routeOf)).find(method, host, path, given)
  return routes[found.route]?.name ?? (found.allow === null ? '404' : `405 ${found.allow}`)
}

test('/foo/* takes /foo, /foo/ and what is below, and captures what is below only where it is used', () => {
  for (const [path, rest] of [
    ['/foo', ''],
    ['/foo/', ''],
    ['/foo/x', 'x'],
    ['/foo/x/y%2Fz/', 'x/y%2Fz/'],
  ] as const) {
    const plain = compileRouter([routeOf({ path: '/foo/*' })]).find('GET', '', path, none)
    assert.deepEqual([plain.route, plain.captures], [0, null], path)
    const used = compileRouter([routeOf({ path: '/foo/*', action: redirect('/bar/{*}') })])
    assert.deepEqual(used.find('GET', '', path, none).captures, [rest], path)
  }
  assert.equal(taken([{ path: '/foo/*' }], 'GET', '/foobar'), '404')
  assert.equal(taken([{ path: '/foo/*' }], 'GET', '/'), '404')
})

test('captures come in the order of the names, as they stand in the path; the rest comes last', () => {
  const router = compileRouter([
    routeOf({ path: '/u/{id}/f/{name}/*', action: forward({ rewrite: '/{*}' }) }),
    routeOf({ path: '~^/(?<year>\\d+)(?:-(?<month>\\d+))?$' }),
  ])
  assert.deepEqual(router.find('GET', '', '/u/1/f/a%2Fb/x/y', none).captures, ['1', 'a%2Fb', 'x/y'])
  assert.deepEqual(router.find('GET', '', '/u/1/f/b', none).captures, ['1', 'b', ''])
  assert.deepEqual(router.find('GET', '', '/2024-05', none).captures, ['2024', '05'])
  assert.deepEqual(router.find('GET', '', '/2024', none).captures, ['2024', ''])
})

test('captures are those of the chosen way, not of one that was tried before', () => {
  const router = compileRouter([
    routeOf({ path: '/{a}/x/{b}/no', methods: ['PUT'] }),
    routeOf({ path: '/{a}/{b}/{c}/{d}' }),
    routeOf({ path: '/{a}/x/{b}/no', methods: ['PATCH'], headers: { h: null } }),
  ])
  assert.deepEqual(router.find('GET', '', '/1/x/2/no', none).captures, ['1', 'x', '2', 'no'])
})

test('where nothing is captured every find gives the same object', () => {
  const router = compileRouter([routeOf({ path: '/a' }), routeOf({ path: '/b/*', methods: ['GET'] })])
  for (const path of ['/a', '/b/c', '/none']) {
    assert.equal(router.find('GET', 'h', path, none), router.find('GET', 'h', path, none))
  }
})

test('spellings of one path are one path', () => {
  for (const path of ['/café', '/caf%c3%a9', '/caf%C3%A9', '/%63afé', '//café']) {
    assert.equal(taken([{ name: 'a', path }], 'GET', '/caf%C3%A9'), 'a', path)
  }
  assert.equal(taken([{ name: 'a', path: '/a%2fb' }], 'GET', '/a%2Fb'), 'a')
  assert.equal(taken([{ name: 'a', path: '/a%2fb' }], 'GET', '/a/b'), '404')
  assert.equal(taken([{ name: 'a', path: '/a|b' }], 'GET', '/a|b'), 'a')
})

test('order: priority, host, path, header rules, methods, configuration', () => {
  const exact = { name: 'exact', path: '/a/b', hosts: ['x.y.z'] }
  const better: readonly (readonly [RouteOptions, RouteOptions])[] = [
    [{ path: '/*', priority: 1 }, exact],
    [
      { path: '/*', hosts: ['x.y.z'] },
      { path: '/a/b', hosts: ['*.y.z'] },
    ],
    [
      { path: '/*', hosts: ['*.y.z'] },
      { path: '/a/b', hosts: ['*.z'] },
    ],
    [{ path: '/*', hosts: ['*.z'] }, { path: '/a/b' }],
    [{ path: '/a/b' }, { path: '/a/{x}' }],
    [{ path: '/a/{x}' }, { path: '/{x}/b' }],
    [{ path: '/{x}/{y}' }, { path: '~^/a/b$' }],
    [{ path: '~/' }, { path: '/a/b/*' }],
    [{ path: '/a/*' }, { path: '/{x}/b/*' }],
    [{ path: '/{x}/b/*' }, { path: '/{x}/*' }],
    [{ path: '/{x}/*' }, { path: '/*' }],
    [{ headers: { h: '1', i: null } }, { headers: { h: '1' }, methods: ['GET'] }],
    [{ headers: { h: '1' } }, { methods: ['GET'] }],
    [{ methods: ['GET'] }, {}],
  ]
  for (const [first, second] of better) {
    const [a, b] = [
      { ...first, name: 'first' },
      { ...second, name: 'second' },
    ]
    for (const routes of [
      [a, b],
      [b, a],
    ]) {
      const given = headers({ h: '1', i: '' })
      assert.equal(taken(routes, 'GET', '/a/b', 'x.y.z', given), 'first', JSON.stringify([first, second]))
    }
  }
  assert.equal(taken([{ name: '1' }, { name: '2' }], 'GET', '/'), '1')
})

test('expressions: the order of their first appearance, whatever the host', () => {
  const routes = [
    { name: 'elsewhere', path: '~^/a', hosts: ['other'] },
    { name: 'b', path: '~b$', hosts: ['h'] },
    { name: 'a', path: '~^/a', hosts: ['h'] },
  ]
  assert.equal(taken(routes, 'GET', '/ab', 'h'), 'a')
})

test('a better place whose method or headers do not fit leaves the request to the next', () => {
  const routes = [
    { name: 'post', path: '/a', methods: ['POST'] },
    { name: 'ruled', path: '/{x}', headers: { 'x-version': '2' } },
    { name: 'rest', path: '/*', methods: ['GET', 'PUT'] },
  ]
  assert.equal(taken(routes, 'POST', '/a'), 'post')
  assert.equal(taken(routes, 'GET', '/a', '', headers({ 'x-version': '2' })), 'ruled')
  assert.equal(taken(routes, 'GET', '/a'), 'rest')
  assert.equal(taken(routes, 'DELETE', '/a'), '405 GET, HEAD, POST, PUT')
  assert.equal(taken(routes, 'DELETE', '/b'), '405 GET, HEAD, PUT')
})

test('405 only by routes whose headers fit', () => {
  const routes = [{ path: '/a', methods: ['POST'], headers: { h: '1' } }]
  assert.equal(taken(routes, 'GET', '/a'), '404')
  assert.equal(taken(routes, 'GET', '/a', '', headers({ h: '1' })), '405 POST')
})

test('HEAD: a route that lists it, else one that lists GET, else one for any method', () => {
  const any = { name: 'any', path: '/a' }
  const get = { name: 'get', path: '/a', methods: ['GET'] }
  const head = { name: 'head', path: '/a', methods: ['HEAD'] }
  assert.equal(taken([any, get, head], 'HEAD', '/a'), 'head')
  assert.equal(taken([any, get], 'HEAD', '/a'), 'get')
  assert.equal(taken([any], 'HEAD', '/a'), 'any')
  assert.equal(taken([any, get, head], 'GET', '/a'), 'get')
})

test('header rules: present, equal, expression; all must hold', () => {
  const routes = [{ name: 'a', headers: { here: null, 'X-Version': '2', kind: '~^(?:red|blue)$' } }]
  const good = { here: '', 'x-version': '2', kind: 'blue' }
  assert.equal(taken(routes, 'GET', '/', '', headers(good)), 'a')
  for (const wrong of [{ 'x-version': '20' }, { 'x-version': '' }, { kind: 'green' }, { kind: 'Red' }]) {
    assert.equal(taken(routes, 'GET', '/', '', headers({ ...good, ...wrong })), '404', JSON.stringify(wrong))
  }
  assert.equal(taken(routes, 'GET', '/', '', headers({ 'x-version': '2', kind: 'red' })), '404')
})

test('headers are asked for only where a route that could fit has rules', () => {
  const router = compileRouter([
    routeOf({ path: '/plain' }),
    routeOf({ path: '/ruled', headers: { h: null } }),
    routeOf({ path: '/cors', cors: anyOrigin }),
  ])
  const asked: string[] = []
  const headerOf = (name: string): undefined => void asked.push(name)
  router.find('GET', '', '/plain', headerOf)
  router.find('GET', '', '/none', headerOf)
  router.find('GET', '', '/cors', headerOf)
  assert.deepEqual(asked, [])
  router.find('GET', '', '/ruled', headerOf)
  assert.deepEqual(asked, ['h'])
})

const preflight = (method: string, names?: string) =>
  headers({
    origin: 'https://a.example',
    'access-control-request-method': method,
    ...(names === undefined ? {} : { 'access-control-request-headers': names }),
  })

test('a preflight goes to the route of the request that it announces', () => {
  const router = compileRouter([
    routeOf({ path: '/a', methods: ['GET'], cors: anyOrigin }),
    routeOf({ path: '/a', methods: ['PUT'] }),
    routeOf({ path: '/a', methods: ['OPTIONS'] }),
    routeOf({ path: '/b', methods: ['GET'], cors: anyOrigin }),
    routeOf({ path: '/c/{id}', cors: anyOrigin }),
  ])
  const find = (path: string, given = none, method = 'OPTIONS') => {
    const { route, preflight, allow, captures } = router.find(method, '', path, given)
    return [route, preflight, allow, captures]
  }
  assert.deepEqual(find('/a', preflight('GET')), [0, true, null, null])
  assert.deepEqual(find('/a', preflight('HEAD')), [0, true, null, null])
  assert.deepEqual(find('/a', preflight('PUT')), [2, false, null, null], 'no cors: an OPTIONS as any other')
  assert.deepEqual(find('/a', headers({ 'access-control-request-method': 'GET' })), [2, false, null, null], 'no origin')
  assert.deepEqual(find('/b', preflight('DELETE')), [-1, false, 'GET, HEAD', null])
  assert.deepEqual(find('/b'), [-1, false, 'GET, HEAD', null])
  assert.deepEqual(find('/c/1', preflight('DELETE')), [4, true, null, ['1']])
  assert.deepEqual(find('/c/1'), [4, false, null, ['1']])
  assert.deepEqual(find('/a', preflight('GET'), 'GET'), [0, false, null, null], 'only OPTIONS is a preflight')
  assert.deepEqual(find('/none', preflight('GET')), [-1, false, null, null])
})

test('in a preflight a rule holds when its header is announced', () => {
  const router = compileRouter([
    routeOf({ path: '/a', headers: { 'X-Version': '2' }, cors: anyOrigin }),
    routeOf({ path: '/a' }),
  ])
  assert.deepEqual(router.find('OPTIONS', '', '/a', preflight('GET', 'a, X-VERSION ')).route, 0)
  assert.deepEqual(router.find('OPTIONS', '', '/a', preflight('GET', 'x-versions')).route, 1)
})

test('many priorities: the highest that fits wins, however deep it lies', () => {
  const routes = Array.from({ length: 50 }, (_, i) =>
    routeOf({
      path: ['/a/b', '/a/{x}', '~^/a', '/a/*', '/*'][i % 5]!,
      priority: (i * 37) % 50,
      methods: i % 3 ? ['GET'] : ['PUT'],
    }),
  )
  const router = compileRouter(routes)
  const best = (method: string): number =>
    Math.max(...routes.filter(({ match }) => match.methods.includes(method)).map(({ match }) => match.priority))
  for (const method of ['GET', 'PUT']) {
    assert.equal(routes[router.find(method, '', '/a/b', none).route]!.match.priority, best(method))
  }
})
