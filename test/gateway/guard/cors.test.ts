// Cross-origin answers by the Fetch standard: an origin is allowed when it is named, exactly or by `*.domain`; others
// get no permission and no error; `*` with credentials allows nobody; caches learn of every answer that depends on the
// origin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CorsPlan } from '../../../ts/config/plan.ts'
import { compileCors } from '../../../ts/gateway/guard/cors.ts'

const planOf = (options: Partial<CorsPlan>): CorsPlan => ({
  origins: ['https://app.example.com'],
  methods: ['GET', 'PUT'],
  headers: ['content-type', 'x-a'],
  exposeHeaders: [],
  credentials: false,
  maxAgeSeconds: 600,
  ...options,
})

const preflightVary = ['vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers']

test('origins that are nearly an allowed one', () => {
  const cors = compileCors(
    planOf({ origins: ['https://app.example.com', 'https://*.example.org', 'http://*.dev:3000'] }),
  )
  for (const origin of [
    '',
    'null',
    '*',
    'https://*.example.org',
    'http://app.example.com',
    'https://app.example.com.evil.test',
    'https://app.example.com:8443',
    'https://app.example.com/',
    'HTTPS://APP.EXAMPLE.COM',
    'https://evil-app.example.com',
    'https://example.org',
    'https://.example.org',
    'https://evilexample.org',
    'https://a..example.org',
    'https://evil.test:80.example.org',
    'https://evil.test/.example.org',
    'https://evil.test#.example.org',
    'https://user@a.example.org',
    'https://a.example.org:8443',
    'http://a.example.org',
    'http://a.dev',
    '__proto__',
    'constructor',
  ]) {
    assert.equal(cors.answer(origin), '\r\nvary: Origin', origin)
    assert.deepEqual(cors.preflight(origin, 'x-a'), [preflightVary], origin)
  }
  for (const origin of [
    'https://app.example.com',
    'https://a.example.org',
    'https://a.b-1.example.org',
    'http://a.dev:3000',
  ]) {
    assert.equal(cors.answer(origin), `\r\nvary: Origin\r\naccess-control-allow-origin: ${origin}`)
  }
})

test('no origin: not a cross-origin request, but caches learn of the difference', () => {
  assert.equal(compileCors(planOf({})).answer(undefined), '\r\nvary: Origin')
  assert.equal(compileCors(planOf({ origins: ['*'] })).answer(undefined), '')
})

test('all origins get one answer', () => {
  const cors = compileCors(planOf({ origins: ['*'], exposeHeaders: ['etag', 'x-b'] }))
  const answer = '\r\naccess-control-allow-origin: *\r\naccess-control-expose-headers: etag, x-b'
  assert.equal(cors.answer('https://a.test'), answer)
  assert.equal(cors.answer('null'), answer)
})

test('all origins with credentials: nobody, except who is named', () => {
  const cors = compileCors(planOf({ origins: ['*', 'https://a.test'], credentials: true }))
  assert.equal(cors.answer('https://b.test'), '\r\nvary: Origin')
  assert.deepEqual(cors.preflight('https://b.test', ''), [preflightVary])
  assert.equal(
    cors.answer('https://a.test'),
    '\r\nvary: Origin\r\naccess-control-allow-origin: https://a.test\r\naccess-control-allow-credentials: true',
  )
})

test('a preflight lists what is allowed, whatever was asked for', () => {
  assert.deepEqual(compileCors(planOf({ credentials: true })).preflight('https://app.example.com', 'x-evil'), [
    preflightVary,
    ['access-control-allow-origin', 'https://app.example.com'],
    ['access-control-allow-credentials', 'true'],
    ['access-control-allow-methods', 'GET, PUT'],
    ['access-control-allow-headers', 'content-type, x-a'],
    ['access-control-max-age', '600'],
  ])
})

test('headers *: what is asked for is allowed, if it is a list of names', () => {
  const cors = compileCors(planOf({ headers: ['*'] }))
  const allowed = (asked: string): string | undefined =>
    cors.preflight('https://app.example.com', asked).find(([name]) => name === 'access-control-allow-headers')?.[1]
  assert.equal(allowed('x-one, X-Two ,three'), 'x-one, X-Two ,three')
  for (const asked of ['', ',', 'a b', 'a,,b', 'a: b', 'é', 'a\r\nb']) assert.equal(allowed(asked), undefined, asked)
  assert.equal(allowed('a'.repeat(16_384)), 'a'.repeat(16_384))
  assert.equal(allowed(`${'a, '.repeat(5_000)}\u00e9`), undefined)
})

test('no headers allowed: the line is left out', () => {
  const names = compileCors(planOf({ headers: [] }))
    .preflight('https://app.example.com', 'x-a')
    .map(([name]) => name)
  assert.deepEqual(names, [
    'vary',
    'access-control-allow-origin',
    'access-control-allow-methods',
    'access-control-max-age',
  ])
})
