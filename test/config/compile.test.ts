// The plan: what each part of a configuration becomes. Peers with names have no address yet; those with one have.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../../ts/config/load.ts'
import type { Plan, UpstreamPlan } from '../../ts/config/plan.ts'

const planOf = (text: string): Plan => readConfig(`listen: [{ port: 8080 }]\n${text}`, 'f.yaml', {}).plan

const upstreamOf = (body: string): UpstreamPlan => planOf(`upstreams:\n  a: { ${body} }\n`).upstreams[0]!

const peer = 'peers: [{ url: "http://127.0.0.1:1" }]'

test('a plan survives JSON unchanged', () => {
  const plan = planOf(`upstreams: { a: { ${peer} } }\nroutes: [{ name: a, match: {}, upstream: a, cors: true }]`)
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
})

test('peers: names, addresses, sockets, ports by scheme', () => {
  const urls = ['http://Name.example', 'https://[::1]', 'http://10.0.0.1:81/', 'unix:///run/a.sock', 'HTTPS://b:444']
  const { endpoints } = upstreamOf(`peers: [${urls.map(url => `{ url: "${url}" }`).join(', ')}]`)
  const tls = (serverName: string) => ({ serverName, ca: null, certificate: null, key: null, verify: true })
  assert.deepEqual(
    endpoints.map(({ weight: _, ...rest }) => rest),
    [
      { url: 'http://name.example:80', host: 'name.example', port: 80, ip: null, unix: null, tls: null },
      { url: 'https://[::1]:443', host: '::1', port: 443, ip: '::1', unix: null, tls: tls('::1') },
      { url: 'http://10.0.0.1:81', host: '10.0.0.1', port: 81, ip: '10.0.0.1', unix: null, tls: null },
      { url: 'unix:///run/a.sock', host: '', port: 0, ip: null, unix: '/run/a.sock', tls: null },
      { url: 'https://b:444', host: 'b', port: 444, ip: null, unix: null, tls: tls('b') },
    ],
  )
})

test('TLS of a peer replaces that of its upstream as a whole', () => {
  const { endpoints } = upstreamOf(
    'peers: [{ url: "https://a" }, { url: "https://b", tls: { serverName: c } }], tls: { verify: false, serverName: d }',
  )
  assert.deepEqual(
    endpoints.map(({ tls }) => [tls?.serverName, tls?.verify]),
    [
      ['d', false],
      ['c', true],
    ],
  )
})

test('balance in its three forms', () => {
  const balance = (text: string) => upstreamOf(`${peer}, balance: ${text}`).balance
  assert.deepEqual(balance('least-connections'), { kind: 'least-connections' })
  const hash = (on: string) => balance(`{ kind: consistent-hash, on: { ${on} } }`)
  assert.deepEqual(hash('header: X-User'), { kind: 'consistent-hash', on: 'header', name: 'x-user' })
  assert.deepEqual(hash('cookie: Session'), { kind: 'consistent-hash', on: 'cookie', name: 'Session' })
  assert.deepEqual(hash('address: true'), { kind: 'consistent-hash', on: 'address', name: '' })
})

test('health and breaker: off is null, statuses are spelled out', () => {
  const off = upstreamOf(`${peer}, health: { passive: false }`)
  assert.deepEqual([off.health, off.breaker], [{ passive: null, active: null }, null])
  const on = upstreamOf(`${peer}, health: { active: { statuses: ["200-202", 404] } }, breaker: true`)
  assert.deepEqual(on.health.active?.statuses, [200, 201, 202, 404])
  assert.equal(on.breaker?.minRequests, 20)
})

test('routes: indexes, lower case where it does not matter, sources', () => {
  const { routes } = planOf(`limits: { maxBodyBytes: 1KiB }
upstreams: { x: { ${peer} }, y: { ${peer} } }
routes:
  - name: a
    match: { hosts: [API.Example.com], path: "/A/*", methods: [GET], headers: { X-A: "V", X-B: true }, priority: -1 }
    upstream: y
    stripPrefix: /A
    requestHeaders: { set: { X-Set: "1" }, append: { X-Add: [a, b], X-One: c }, remove: [X-Del] }
    responseHeaders: {}
    webSocket: false
  - { name: b, match: { path: /b }, respond: { status: 404, headers: { X-R: r }, body: no } }
  - { name: c, match: { path: /c }, redirect: { to: /d }, maxBodyBytes: 0 }
`)
  assert.deepEqual(routes[0], {
    name: 'a',
    source: 'f.yaml:5:5',
    match: {
      hosts: ['api.example.com'],
      path: '/A/*',
      methods: ['GET'],
      headers: [
        { name: 'x-a', value: 'V' },
        { name: 'x-b', value: null },
      ],
      priority: -1,
    },
    action: { kind: 'forward', upstream: 1, stripPrefix: '/A', rewrite: null },
    guards: [],
    plugins: [],
    cors: null,
    requestHeaders: {
      set: [['x-set', '1']],
      append: [
        ['x-add', 'a'],
        ['x-add', 'b'],
        ['x-one', 'c'],
      ],
      remove: ['x-del'],
    },
    responseHeaders: null,
    maxBodyBytes: 1024,
    webSocket: false,
  })
  assert.deepEqual(routes[1]?.action, { kind: 'respond', status: 404, headers: [['x-r', 'r']], body: 'no' })
  assert.deepEqual(routes[2]?.action, { kind: 'redirect', to: '/d', status: 302 })
  assert.equal(routes[2].maxBodyBytes, 0)
})

test('listeners and log files have absolute names', () => {
  const { plan } = readConfig('listen: [{ unix: a.sock }]\naccessLog: { target: a.log }', 'f.yaml', {})
  assert.deepEqual(plan.listen, [{ address: '', port: 0, unix: resolve('a.sock'), tls: null }])
  assert.equal(plan.accessLog?.target, resolve('a.log'))
})

test('consumers: only digests of keys, with their end; guards in their order', () => {
  const digest = '4ff3cdad1c3c4bfa8f8b5b18a1f9c0d6a53a48bb52f5fbd0bd7df8f2f1c6a0a1'
  const plan = planOf(`consumers:
  alice: { keys: [ a-key-of-alice, { sha256: ${digest.toUpperCase()}, notAfter: 2027-01-01 } ], tags: [gold], metadata: { a: b } }
  bob: { certificates: [ { subject: "cn=bob, O=Example" }, { san: Bob.Example }, { sha256: ${digest.toUpperCase()} } ] }
routes:
  - { name: a, match: {}, respond: {}, guards: [ { key: { header: ApiKey } } ] }
  - { name: b, match: { path: /b }, respond: {}, guards: [ { key: { query: ApiKey } } ] }
`)
  const keys = [
    { sha256: createHash('sha256').update('a-key-of-alice').digest('hex'), notAfterMs: null },
    { sha256: digest, notAfterMs: Date.UTC(2027, 0, 1) },
  ]
  assert.deepEqual(plan.consumers, [
    {
      name: 'alice',
      keys,
      subjects: [{ subject: 'alice', issuer: null }],
      passwords: [],
      signing: [],
      certificates: [],
      limits: [],
      tags: ['gold'],
      metadata: { a: 'b' },
    },
    {
      name: 'bob',
      keys: [],
      subjects: [{ subject: 'bob', issuer: null }],
      passwords: [],
      signing: [],
      limits: [],
      certificates: ['subject:CN=bob,O=Example', 'dns:bob.example', `sha256:${digest}`],
      tags: [],
      metadata: {},
    },
  ])
  assert.deepEqual(
    plan.routes.map(({ guards }) => guards),
    [[{ kind: 'key', from: 'header', name: 'apikey' }], [{ kind: 'key', from: 'query', name: 'ApiKey' }]],
  )
})

test('limits by the same are one guard, in the place of the first, under a name that reloads keep', () => {
  const long = 'a'.repeat(100)
  const guards = (name: string, text: string) =>
    planOf(`routes: [{ name: ${name}, match: {}, respond: {}, guards: [${text}] }]`).routes[0]!.guards
  const window = { kind: 'rate', limit: 5, periodMs: 10_000, burst: 5 }
  assert.deepEqual(
    guards(
      'a',
      '{ rateLimit: { limit: 5, per: 10s } }, { rateLimit: { limit: 5, per: 10s, by: "header:X-A" } }, { quota: { limit: 7, per: day, by: address, onFailure: open } }',
    ),
    [
      {
        kind: 'limit',
        rule: 'a:address',
        by: 'address',
        header: '',
        windows: [window, { kind: 'day', limit: 7, periodMs: 0, burst: 0 }],
        onFailure: 'closed',
      },
      { kind: 'limit', rule: 'a:header.x-a', by: 'header', header: 'x-a', windows: [window], onFailure: 'closed' },
    ],
  )
  const names = [`${long}b`, `${long}c`].map(name => guards(name, '{ rateLimit: { limit: 5, per: 10s } }'))
  const rules = names.map(([guard]) => (guard?.kind === 'limit' ? guard.rule : ''))
  assert.equal(new Set(rules).size, 2)
  for (const rule of rules) assert.match(rule, /^a{40}:[0-9a-f]{20}$/)
})

test("a consumer's own limits come after the last guard that says who it is, unless a limit by consumer says where", () => {
  const plan = planOf(`counting: { file: counts, keys: 5000 }
consumers:
  alice: { keys: [ a-key-of-alice ], rateLimit: { limit: 5, per: 1m, burst: 9 }, quota: { limit: 7, per: day, onFailure: open } }
routes:
  - { name: a, match: {}, respond: {}, guards: [ { rateLimit: { limit: 1, per: 1s } }, { anyOf: [ { key: { header: k } }, { ipAllow: [ "::1" ] } ] }, { ipDeny: [ "::2" ] } ] }
  - { name: b, match: { path: /b }, respond: {}, guards: [ { key: { header: k } }, { ipDeny: [ "::2" ] }, { quota: { limit: 3, per: day } }, { concurrency: { limit: 4, by: key } } ] }
  - { name: c, match: { path: /c }, respond: {}, guards: [ { rateLimit: { limit: 1, per: 1s } } ] }
`)
  assert.deepEqual(plan.counting, { file: resolve('counts'), keys: 5000, replays: 1_000_000 })
  assert.deepEqual(plan.consumers[0]?.limits, [
    { window: { kind: 'rate', limit: 5, periodMs: 60_000, burst: 9 }, onFailure: 'closed' },
    { window: { kind: 'day', limit: 7, periodMs: 0, burst: 0 }, onFailure: 'open' },
  ])
  assert.deepEqual(
    plan.routes.map(({ guards }) => guards.map(({ kind }) => kind)),
    [['limit', 'any', 'own-limits', 'address'], ['key', 'address', 'limit', 'concurrency'], ['limit']],
  )
  assert.deepEqual(plan.routes[1]?.guards[3], {
    kind: 'concurrency',
    rule: 'b:key',
    by: 'key',
    header: '',
    limit: 4,
    onFailure: 'closed',
  })
})
