// What goes upstream and into a Location: stripPrefix by whole segments, rewrite and redirect with captured texts as
// they came, and no way for a client to add a line, a query, a parameter or a host by them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRouter } from '../../../ts/gateway/match/router.ts'
import { compileRedirect, compileTarget } from '../../../ts/gateway/match/target.ts'
import { forward, headers, redirect, routeOf } from './routes.ts'

function target(path: string, action: { stripPrefix?: string; rewrite?: string }, request: string): string {
  const route = routeOf({ path, action: forward(action) })
  const found = compileRouter([route]).find('GET', '', request, headers())
  assert.equal(found.route, 0, `${path} takes ${request}`)
  return compileTarget(route)!(request, found.captures)
}

function location(path: string, to: string, request: string, query = ''): string {
  const route = routeOf({ path, action: redirect(to) })
  const found = compileRouter([route]).find('GET', '', request, headers())
  assert.equal(found.route, 0, `${path} takes ${request}`)
  return compileRedirect(route)!(request, found.captures, query)
}

test('texts that are refused when the route is compiled', () => {
  for (const [action, message] of [
    [forward({ rewrite: 'a' }), /must begin with \//],
    [forward({ rewrite: '{*}' }), /must begin with \//],
    [forward({ rewrite: '/a?b=c' }), /query/],
    [forward({ rewrite: '/{nope}' }), /no such name/],
    [forward({ rewrite: '/{__proto__}' }), /no such name/],
    [forward({ rewrite: '/{*}' }), /does not end in \/\*/],
    [forward({ rewrite: '/{id' }), /expected \{name\} of a captured parameter/],
    [forward({ rewrite: '/id}' }), /expected \{name\} of a captured parameter/],
    [forward({ rewrite: '/%2' }), /hexadecimal/],
    [forward({ stripPrefix: 'a' }), /is not a path/],
    [forward({ stripPrefix: '/{id}' }), /is not a path/],
    [forward({ stripPrefix: '/a/*' }), /is not a path/],
    [redirect('new'), /must begin with/],
    [redirect('{id}'), /must begin with/],
    [redirect('javascript:{id}'), /must begin with/],
    [redirect('https://{id}.example.com/'), /must begin with/],
    [redirect('https://example.com{id}'), /must begin with/],
    [redirect('https://example.com:{id}/'), /must begin with/],
    [redirect('//{id}'), /must begin with/],
    [redirect('/a\r\nset-cookie: a=b'), /is not a URL/],
    [redirect('/\\evil.example'), /is not a URL/],
    [redirect('/a#{id}'), /is not a URL/],
    [redirect('/{nope}'), /no such name/],
  ] as const) {
    const route = routeOf({ path: '/a/{id}', action, name: 'bad' })
    const compile = action.kind === 'redirect' ? compileRedirect : compileTarget
    assert.throws(() => compile(route), new RegExp(`^Error: routes\\.yaml:7:3: route "bad": [^]*${message.source}`))
  }
})

test('null where there is nothing to do', () => {
  assert.equal(compileTarget(routeOf({})), null)
  assert.equal(compileTarget(routeOf({ action: forward() })), null)
  assert.equal(compileTarget(routeOf({ action: forward({ stripPrefix: '/' }) })), null)
  assert.equal(compileRedirect(routeOf({ action: forward() })), null)
})

test('stripPrefix takes whole segments', () => {
  for (const [request, wanted] of [
    ['/hello', '/'],
    ['/hello/', '/'],
    ['/hello/x/y', '/x/y'],
    ['/hello//evil.example', '/evil.example'],
    ['/hello/hello', '/hello'],
    ['/helloworld', '/helloworld'],
    ['/hell', '/hell'],
    ['/x/hello', '/x/hello'],
    ['/hello%2Fx', '/hello%2Fx'],
    ['*', '*'],
  ] as const) {
    assert.equal(target('/*', { stripPrefix: '/hello' }, request), wanted, request)
    assert.equal(target('/*', { stripPrefix: '/hello/' }, request), wanted, request)
  }
  assert.equal(target('/*', { stripPrefix: '/café' }, '/caf%C3%A9/x'), '/x')
})

test('rewrite puts captured texts in as they came', () => {
  assert.equal(target('/u/{id}/*', { rewrite: '/v2/{*}/of/{id}' }, '/u/7/a/b'), '/v2/a/b/of/7')
  assert.equal(target('/u/*', { rewrite: '/v2/{*}' }, '/u'), '/v2/')
  assert.equal(target('/u/*', { rewrite: '/{*}' }, '/u//evil.example'), '/evil.example')
  assert.equal(target('~^/(?<a>.*)-(?<b>.*)$', { rewrite: '/{b}/{a}' }, '/x-y'), '/y/x')
  assert.equal(target('/a', { rewrite: '/é x' }, '/a'), '/%C3%A9%20x')
  assert.equal(target('/*', { rewrite: '/x' }, '*'), '*')
})

test('nothing that a client sends becomes a line, a query or a fragment', () => {
  const encoded = '%0D%0Ahost:%20x%3Fa%23b%2F..%5C'
  assert.equal(target('/u/{id}', { rewrite: '/v/{id}' }, `/u/${encoded}`), `/v/${encoded}`)
  // native/head lets none of these through; the compiled function does not rely on it.
  assert.equal(
    target('/u/{id}', { rewrite: '/v/{id}' }, '/u/a\r\nb c?d#e\\f\u00e9'),
    '/v/a%0D%0Ab%20c%3Fd%23e%5Cf%C3%A9',
  )
  assert.equal(location('/u/{id}', '/v/{id}', '/u/a\r\nb?c#d'), '/v/a%0D%0Ab%3Fc%23d')
  assert.equal(location('/u/{id}', '/v?id={id}', '/u/1&admin=1;x+y'), '/v?id=1%26admin%3D1%3Bx%2By')
  assert.equal(location('/u', '/v', '/u', 'a=\r\nset-cookie: x#y'), '/v?a=%0D%0Aset-cookie:%20x%23y')
})

test('a redirect never leads to a host that a client names', () => {
  for (const rest of ['/evil.example', '//evil.example', '/%2Fevil.example', '/\\evil.example', '/\t/evil.example']) {
    const to = location('/*', '/{*}', `/${rest}`)
    assert.equal(new URL(to, 'https://good.example').host, 'good.example', JSON.stringify(to))
    const absolute = location('/*', 'https://good.example/{*}', `/${rest}`)
    assert.equal(new URL(absolute).host, 'good.example', absolute)
  }
  for (const id of ['@evil.example', ':80@evil.example', '.evil.example', '..', 'evil.example']) {
    const to = location('/u/{id}', '/{id}', `/u/${id}`)
    assert.equal(new URL(to, 'https://good.example').host, 'good.example', to)
  }
})

test('the query is kept unless the target has one, and stands before the fragment', () => {
  assert.equal(location('/old', '/new', '/old'), '/new')
  assert.equal(location('/old', '/new', '/old', 'a=1&b=%20'), '/new?a=1&b=%20')
  assert.equal(location('/old', '/new?x=1', '/old', 'a=1'), '/new?x=1')
  assert.equal(location('/old', '/new#part', '/old', 'a=1'), '/new?a=1#part')
  assert.equal(location('/old', 'https://other.example', '/old', 'a=1'), 'https://other.example?a=1')
  assert.equal(
    location('/old/*', 'https://other.example/{*}?k={*}', '/old/a/b', 'z'),
    'https://other.example/a/b?k=a/b',
  )
})
