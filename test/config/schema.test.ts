// The schema: every default there is (nothing else fills any in), types that TypeScript infers from it, and a JSON Schema
// that judges as the validator does.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { configJsonSchema } from '../../ts/config/json-schema.ts'
import { readConfig } from '../../ts/config/load.ts'
import { configShape } from '../../ts/config/schema.ts'
import type { Shape } from '../../ts/config/shapes.ts'

test('what nobody writes has these values', () => {
  const { config } = readConfig(
    `listen: [{ port: 8080 }]
upstreams: { a: { peers: [{ url: "http://127.0.0.1:1" }] } }
routes:
  - { name: f, match: {}, upstream: a, requestHeaders: {} }
  - { name: s, match: { path: /s }, respond: {} }
  - { name: t, match: { path: /t }, redirect: { to: /x } }
`,
    'f',
    {},
  )
  const { upstreams, routes, ...server } = config
  assert.deepEqual(server, {
    listen: [{ address: '0.0.0.0', port: 8080, tls: null }],
    workers: 'auto',
    admin: null,
    counting: { file: null, keys: 100_000, replays: 1_000_000 },
    limits: {
      maxHeadBytes: 16384,
      maxHeaders: 98,
      maxBodyBytes: 0,
      maxRequestsPerConnection: 0,
      maxConcurrentRequests: 10000,
    },
    timeouts: { drainMs: 30000, idleMs: 60000 },
    accessLog: false,
    forwarded: { trustedProxies: [], rfc7239: false, via: true },
    consumers: new Map(),
    plugins: new Map(),
  })
  assert.deepEqual(upstreams.get('a'), {
    peers: [{ url: 'http://127.0.0.1:1', weight: 1, tls: null }],
    balance: 'round-robin',
    timeouts: { connectMs: 1000, responseMs: 30000, idleMs: 60000 },
    retries: 1,
    retryBudget: { ratio: 0.2, minPerSecond: 10 },
    pool: { maxConnections: 1024, maxWaiting: 4096, idleMs: 60000 },
    health: { passive: { failures: 5, ejectMs: 10000, maxEjectMs: 300000 }, active: false },
    breaker: false,
    hostHeader: 'preserve',
    tls: { ca: null, certificate: null, key: null, serverName: null, verify: true },
    sign: null,
  })
  const [forward, respond, redirect] = routes
  assert.deepEqual(forward, {
    name: 'f',
    match: { hosts: [], path: '/*', methods: [], headers: new Map(), priority: 0 },
    upstream: 'a',
    respond: null,
    redirect: null,
    stripPrefix: null,
    rewrite: null,
    guards: [],
    plugins: [],
    cors: false,
    requestHeaders: { set: new Map(), append: new Map(), remove: [] },
    responseHeaders: null,
    maxBodyBytes: null,
    webSocket: true,
  })
  assert.deepEqual(respond?.respond, { status: 200, headers: new Map(), body: '' })
  assert.deepEqual(redirect?.redirect, { to: '/x', status: 302 })
})

test('what `true` or an empty mapping switches on has these values', () => {
  const { config, plan } = readConfig(
    `listen: [{ port: 8080 }]
admin: {}
accessLog: true
upstreams:
  a: { peers: [{ url: "http://127.0.0.1:1" }], breaker: true, health: { active: true, passive: false } }
routes: [{ name: f, match: {}, upstream: a, cors: true }]
`,
    'f',
    {},
  )
  assert.deepEqual(config.admin, { address: '127.0.0.1', port: 9901, token: null })
  assert.deepEqual(config.accessLog, { target: 'stdout', sample: 1 })
  const upstream = config.upstreams.get('a')
  assert.deepEqual(upstream?.breaker, { errorRatio: 0.5, minRequests: 20, windowMs: 10000, openMs: 5000 })
  assert.deepEqual(upstream.health, {
    passive: false,
    active: {
      path: '/',
      intervalMs: 5000,
      timeoutMs: 2000,
      healthyAfter: 2,
      unhealthyAfter: 3,
      statuses: ['200-299'],
    },
  })
  assert.deepEqual(config.routes[0]?.cors, {
    origins: ['*'],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    headers: ['*'],
    exposeHeaders: [],
    credentials: false,
    maxAgeSeconds: 600,
  })
  assert.equal(plan.workers, availableParallelism())
})

/** Every shape below `shape`, with the keys that lead there. */
function* shapesIn(shape: Shape, path: string): Generator<[string, Shape]> {
  yield [path, shape]
  if (shape.kind === 'object') {
    for (const [key, inside] of Object.entries(shape.keys)) yield* shapesIn(inside, `${path}.${key}`)
  } else if (shape.kind === 'list') yield* shapesIn(shape.item, `${path}[]`)
  else if (shape.kind === 'map') yield* shapesIn(shape.value, `${path}.*`)
  else if (shape.kind === 'toggle') yield* shapesIn(shape.on, path)
  else if (shape.kind === 'either') {
    for (const [index, form] of shape.forms.entries()) yield* shapesIn(form.shape, `${path}<${index}>`)
  }
}

test('every key says what it is and has an example', () => {
  let keys = 0
  for (const [path, shape] of shapesIn(configShape, '')) {
    assert.match(shape.about, /^[A-Z`0-9/].*\.$|^(true|false|stdout|http|auto|301)/, path)
    const lastKey = /\.[a-zA-Z0-9]+$/.test(path)
    if (lastKey && shape.kind !== 'object') assert.ok((shape.examples?.length ?? 0) > 0, `${path} has no example`)
    keys++
  }
  assert.ok(keys > 100)
})

const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true, strictRequired: false })
const judge = ajv.compile(configJsonSchema())

test('the JSON Schema compiles strictly, and accepts its own examples and defaults', () => {
  for (const [path, shape] of shapesIn(configShape, '')) {
    if (!/^\.[a-zA-Z]+$/.test(path)) continue
    for (const example of [...(shape.examples ?? []), ...(shape.default === undefined ? [] : [shape.default])]) {
      const config = { listen: [{ port: 1 }], [path.slice(1)]: example }
      assert.ok(judge(config), `${path} ${JSON.stringify(example)}: ${ajv.errorsText(judge.errors)}`)
    }
  }
})

test('what the JSON Schema refuses, the validator refuses; it has no opinion of its own', () => {
  const folder = import.meta.dirname
  let refused = 0
  for (const file of readdirSync(folder).filter(name => /^bad-.*\.test\.ts$/.test(name))) {
    const source = readFileSync(join(folder, file), 'utf8')
    for (const [, text = ''] of source.matchAll(/text: `([^`$\\]*)`/g)) {
      let value: unknown
      try {
        value = parse(text)
      } catch {
        continue
      }
      if (judge(value)) continue
      refused++
      assert.throws(() => readConfig(text, 'f', {}), text)
    }
  }
  assert.ok(refused > 20, `only ${refused} were refused by both`)
})

test('the JSON Schema accepts what the validator accepts', () => {
  const good = [
    'listen: [{ port: 0 }, { unix: ./a.sock }]\nworkers: 3\n$schema: ./x.json\nx-any: { thing: 1 }',
    'listen: [{ port: "${PORT}" }]\nworkers: "${WORKERS}"\naccessLog: "${LOG}"\nlimits: { maxBodyBytes: 64KiB }',
    `listen: [{ port: 1 }]
upstreams:
  a:
    peers: [{ url: "HTTPS://a.example" , weight: 3 }, { url: "\${URL}" }]
    balance: { kind: consistent-hash, on: { address: true } }
    health: { active: { statuses: [200, "201-299"] }, passive: false }
    breaker: { errorRatio: 0.25 }
routes:
  - { name: a, match: { headers: { a: true, b: "~^x$" } }, upstream: a, cors: true, requestHeaders: { append: { a: b, c: [d, e] } } }
  - { name: b, match: { path: "~^/b" }, redirect: { to: "https://x.example/", status: 308 }, cors: { origins: ["https://a.b"] } }`,
  ]
  const environment = { PORT: '1', WORKERS: '2', LOG: 'false', URL: 'http://b.example' }
  for (const text of good) {
    readConfig(text, 'f', environment)
    assert.ok(judge(parse(text)), ajv.errorsText(judge.errors))
  }
})
