// `polygate explain`: the request as routes see it, the chosen route with its place, why each other one was not, and
// what would run; 404, 405, preflights and refused heads; the same as JSON. Status 2 for usage, 1 for a bad file.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { polygate, temporaryFolder } from './polygate.ts'

const config = `listen: [{ port: 0 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: user
    match: { hosts: ["*.example.com"], path: "/users/{id}", methods: [GET] }
    upstream: echo
    rewrite: /v2/{id}
    requestHeaders: { set: { x-env: test }, remove: [cookie] }
    responseHeaders: { append: { x-by: us } }
    maxBodyBytes: 1000
  - { name: beta, match: { path: "/users/*", headers: { x-beta: "1" } }, respond: { status: 200, body: beta } }
  - { name: old, match: { path: "/old/*" }, redirect: { to: "/new/{*}", status: 308 } }
  - { name: shared, match: { path: /shared, methods: [GET] }, cors: true, respond: { status: 200, body: x } }
`

function folderWith(context: Parameters<typeof temporaryFolder>[0], text: string): string {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'polygate.yaml'), text)
  return folder
}

test('usage', async context => {
  const folder = folderWith(context, config)
  for (const args of [
    [],
    ['GET'],
    ['GET', 'ftp://a/'],
    ['GET', 'nothing'],
    ['GET', '/', 'more'],
    ['GET', '/', '--format', 'xml'],
    ['GET', '/', '--from', 'localhost'],
  ]) {
    const { status, output, errors } = await polygate(['explain', ...args], folder)
    assert.deepEqual([status, output], [2, ''], args.join(' '))
    assert.match(errors, /usage: polygate explain METHOD URL/)
  }
})

test('a configuration with errors', async context => {
  const folder = folderWith(context, 'listen: 1\n')
  const { status, output, errors } = await polygate(['explain', 'GET', '/'], folder)
  assert.deepEqual([status, output], [1, ''])
  assert.match(errors, /^polygate\.yaml:1:9 listen: /)
})

test('a route whose upstream is signed for', async context => {
  const folder = folderWith(
    context,
    `listen: [ { port: 8080 } ]
upstreams: { up: { peers: [ { url: "http://127.0.0.1:9000" } ], sign: { scheme: cavage, keyId: us, secret: hunter2 } } }
routes: [ { name: all, match: {}, upstream: up } ]
`,
  )
  const { output } = await polygate(['explain', 'GET', 'https://a/b'], folder)
  assert.match(output, /^runs {5}signs it with key us \(cavage\), with its body of at most 1048576 bytes$/m)
  assert.ok(!output.includes('hunter2'))
})

test('the chosen route, what runs, and why not the others', async context => {
  const folder = folderWith(context, config)
  const { status, output } = await polygate(
    ['explain', 'GET', 'https://API.example.com:8443/x/..//users/%37?a=b', '-H', 'x-beta: 2'],
    folder,
  )
  assert.equal(status, 0)
  assert.deepEqual(output.split('\n'), [
    'request  GET host api.example.com path /users/7 query a=b',
    'route    user (polygate.yaml:4:5)',
    '         {id} = 7',
    'runs     body of at most 1000 bytes',
    'runs     forwards GET /v2/7?a=b to upstream echo (http://127.0.0.1:9000)',
    'runs     sets x-env: test',
    'runs     removes cookie',
    'runs     appends x-by: us to the response',
    'not      shared (polygate.yaml:13:5): path does not match /shared',
    'not      beta (polygate.yaml:11:5): header x-beta is "2"; wanted "1"',
    'not      old (polygate.yaml:12:5): path does not match /old/*',
    '',
  ])
})

test('404, 405, a redirect, a preflight, a refused head', async context => {
  const folder = folderWith(context, config)
  const explain = async (...args: string[]): Promise<string> => (await polygate(['explain', ...args], folder)).output
  const missing = await explain('GET', 'http://other.test/users/7')
  assert.match(missing, /^answer {3}404 no_route$/m)
  assert.match(missing, /^not {6}user \(.*\): host other\.test; wanted \*\.example\.com$/m)
  assert.match(missing, /^not {6}beta \(.*\): header x-beta is absent; wanted "1"$/m)
  const notAllowed = await explain('DELETE', 'http://a.example.com/users/7')
  assert.match(notAllowed, /^answer {3}405 method_not_allowed, Allow: GET, HEAD$/m)
  assert.match(notAllowed, /^not {6}user \(.*\): method DELETE; wanted GET$/m)
  assert.match(await explain('GET', '/old/a%2Fb?c'), /^runs {5}redirects 308 to \/new\/a%2Fb\?c$/m)
  const headers = ['-H', 'Origin: https://a.test', '-H', 'Access-Control-Request-Method: GET']
  const preflight = await explain('OPTIONS', '/shared', ...headers)
  assert.match(preflight, /^route {4}shared /m)
  assert.match(preflight, /^runs {5}the preflight is answered by cors/m)
  assert.match(await explain('GET', '/a/../../b'), /^refused with 400: /)
})

test('a second route that fits says what decided', async context => {
  const folder = folderWith(context, config)
  const { output } = await polygate(['explain', 'GET', 'http://a.example.com/users/7', '-H', 'x-beta: 1'], folder)
  assert.match(output, /^route {4}user /m)
  assert.match(output, /^not {6}beta \(.*\): fits too, but comes after the chosen one: less specific host$/m)
})

test('as JSON', async context => {
  const folder = folderWith(context, config)
  const { status, output } = await polygate(
    ['explain', 'GET', 'http://a.example.com/users/7', '--format', 'json'],
    folder,
  )
  assert.equal(status, 0)
  const told = JSON.parse(output) as Record<string, unknown>
  assert.deepEqual(told['request'], { method: 'GET', host: 'a.example.com', path: '/users/7', query: '' })
  assert.deepEqual(
    (told['routes'] as { name: string; reason: string | null }[]).map(({ name, reason }) => [name, reason]),
    [
      ['user', null],
      ['shared', 'path'],
      ['beta', 'headers'],
      ['old', 'path'],
    ],
  )
})

test('guards that would run, without any key', async context => {
  const guarded = `listen: [{ port: 0 }]
consumers: { alice: { keys: [ a-key-of-alice ] } }
routes: [ { name: a, match: {}, respond: {}, guards: [ { key: { header: ApiKey } }, { rateLimit: { limit: 9, per: 1m, burst: 2, by: consumer } }, { quota: { limit: 5, per: day } } ] } ]
`
  const { status, output } = await polygate(['explain', 'GET', '/'], folderWith(context, guarded))
  assert.equal(status, 0)
  assert.match(output, /^runs {5}key guard: a consumer's key in header apikey, else 401;/m)
  assert.match(output, /^runs {5}limits by consumer: 9 in 60 s, 2 at once, 5 a calendar day; past them 429$/m)
  assert.doesNotMatch(output, /a-key-of-alice/)
})

test('a basic guard, without any hash', async context => {
  const hash = '$2b$04$abcdefghijklmnopqrstuuHCSenwm8buK215m4R4q2ZmPL95d0lX2'
  const guarded = `listen: [{ port: 0 }]
consumers: { alice: { passwords: [ "${hash}" ] } }
routes: [ { name: a, match: {}, respond: {}, guards: [ { basic: { realm: Shop } } ] } ]
`
  const { status, output } = await polygate(['explain', 'GET', '/'], folderWith(context, guarded))
  assert.equal(status, 0)
  assert.match(output, /^runs {5}basic guard: username and password of a consumer \(realm Shop\), else 401;/m)
  assert.ok(!output.includes(hash))
})

test('limits: at once, by key, and whose own', async context => {
  const text = `listen: [{ port: 0 }]
consumers:
  alice: { keys: [ a-key-of-alice ], rateLimit: { limit: 9, per: 1s } }
${['b', 'c', 'd', 'e', 'f', 'g'].map(name => `  ${name}: { quota: { limit: 9, per: day } }\n`).join('')}  zoe: {}
routes:
  - { name: a, match: {}, respond: {}, guards: [ { key: { header: k } }, { concurrency: { limit: 3, by: "header:x-team" } }, { rateLimit: { limit: 5, per: 1s, by: key } } ] }
  - { name: b, match: { path: /b }, respond: {}, guards: [ { key: { header: k } }, { rateLimit: { limit: 5, per: 1s, by: consumer } } ] }
`
  const folder = folderWith(context, text)
  const { output } = await polygate(['explain', 'GET', '/'], folder)
  const own = 'of their own: alice, b, c, d, e and 2 more'
  assert.ok(output.includes(`runs     the limits that a consumer has of its own; past them 429; ${own}\n`), output)
  assert.match(output, /^runs {5}at most 3 at once by header x-team; past them 429$/m)
  assert.match(output, /^runs {5}limits by key: 5 in 1 s; past them 429$/m)
  const other = await polygate(['explain', 'GET', '/b'], folder)
  assert.ok(other.output.includes(`runs     limits by consumer: 5 in 1 s; past them 429; ${own}\n`), other.output)
  assert.doesNotMatch(output + other.output, /a-key-of-alice/)
})

test('a guard for tokens, without its secret', async context => {
  const secret = 'a-secret-of-thirty-two-bytes-and-more'
  const guarded = `listen: [{ port: 0 }]
consumers: { alice: {} }
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - anyOf:
          - jwt: { jwks: "https://a.example/jwks", algorithms: [ RS256, ES256 ], issuer: "https://a.example/", consumerClaim: sub }
          - jwt: { keys: [ { secret: ${secret} } ], algorithms: [ HS256 ], cookie: session, forwardClaims: { sub: X-User } }
`
  const { status, output } = await polygate(['explain', 'GET', '/'], folderWith(context, guarded))
  assert.equal(status, 0)
  const first =
    'jwt guard: a token in header authorization, RS256 or ES256, by the keys of https://a.example/jwks of https://a.example/, else 401; sub says which consumer; the upstream gets X-Consumer-Name'
  const second =
    'jwt guard: a token in cookie session, HS256, by a key of the configuration, else 401; the upstream gets sub as x-user'
  assert.ok(output.includes(`any of: ${first}; or ${second}\n`), output)
  assert.doesNotMatch(output, new RegExp(secret))
})

test('nothing that is a credential by its name is shown', async context => {
  const text = `listen: [{ port: 0 }]
consumers: { alice: { keys: [ a-key-of-alice ] } }
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { path: /a }
    upstream: echo
    requestHeaders: { set: { authorization: Bearer-of-the-upstream, x-env: test }, append: { x-api-key: key-of-the-upstream } }
    guards: [ { key: { query: ticket } } ]
  - { name: old, match: { path: /old }, redirect: { to: /a } }
`
  const folder = folderWith(context, text)
  const { output } = await polygate(['explain', 'GET', '/a?ticket=a-key-of-alice&token=b&page=2'], folder)
  assert.match(output, /^request {2}GET host localhost path \/a query ticket=\*&token=\*&page=2$/m)
  assert.match(output, /^runs {5}forwards GET \/a\?ticket=\*&token=\*&page=2 to upstream echo /m)
  assert.match(output, /^runs {5}sets authorization: \*\nruns {5}sets x-env: test\nruns {5}appends x-api-key: \*$/m)
  assert.match(output, /^decides {2}key admitted: goes on as alice$/m)
  const json = await polygate(['explain', 'GET', '/a?ticket=a-key-of-alice', '--format', 'json'], folder)
  assert.deepEqual((JSON.parse(json.output) as { decision: unknown }).decision, {
    outcomes: ['key admitted'],
    consumer: 'alice',
    refused: null,
    open: [],
  })
  const redirected = await polygate(['explain', 'GET', '/old?token=secret-token'], folder)
  assert.match(redirected.output, /^runs {5}redirects \d+ to \/a\?token=\*$/m)
  for (const text of [output, json.output, redirected.output]) {
    assert.doesNotMatch(text, /of-the-upstream|a-key-of-alice|secret-token/)
  }
})

test('keys of a URL are not fetched', async context => {
  const guarded = `listen: [{ port: 0 }]
routes: [ { name: a, match: {}, respond: {}, guards: [ { jwt: { jwks: "https://a.example/jwks", algorithms: [ RS256 ] } } ] } ]
`
  const folder = folderWith(context, guarded)
  const token = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.e30.AA`
  const { output } = await polygate(['explain', 'GET', '/', '-H', `authorization: Bearer ${token}`], folder)
  assert.match(
    output,
    /^decides {2}jwt no keys: goes on; not asked here: the token: its keys are fetched by a running gateway$/m,
  )
  const none = await polygate(['explain', 'GET', '/'], folder)
  assert.match(none.output, /^decides {2}jwt missing: 401 unauthorized$/m)
})
