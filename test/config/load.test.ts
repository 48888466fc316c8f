// Loading as a whole: all errors of a file in one pass, JSON as YAML, the environment and its secrets, aliases within
// bounds, files that are none, and that nothing but ConfigErrors is thrown whatever a file holds.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigErrors, findConfigFile, loadConfig, readConfig } from '../../ts/config/load.ts'
import type { Scope } from '../helpers/scope.ts'
import { errorsOf } from './bad-configurations.ts'

const minimal = 'listen: [{ port: 8080 }]\n'

const full = `listen:
  - { address: 127.0.0.1, port: 8080 }
  - { unix: polygate.sock }
workers: 2
admin: { address: 127.0.0.1, port: 9901, token: "\${TOKEN}" }
limits: { maxHeadBytes: 16KiB, maxBodyBytes: 10MiB }
accessLog: { target: stdout, sample: 0.5 }
forwarded: { trustedProxies: [10.0.0.0/8] }
upstreams:
  echo:
    peers: [{ url: "http://127.0.0.1:9000" }, { url: "https://[::1]:9443", weight: 2 }, { url: "unix:///run/a.sock" }]
    balance: { kind: consistent-hash, on: { header: X-User } }
    retries: 2
    health: { active: { path: /healthz, statuses: [204, "200-202"] } }
    breaker: true
routes:
  - name: hello
    match: { hosts: [API.example.com, "*.example.org"], path: "/hello/{name}/*", methods: [GET, POST], headers: { X-A: true } }
    upstream: echo
    rewrite: "/v2/{name}/{*}"
    cors: { origins: ["https://app.example.com"], credentials: true }
    requestHeaders: { set: { X-Team: payments }, append: { X-Tag: [a, b] }, remove: [X-Internal] }
  - { name: ping, match: { path: /ping }, respond: { body: pong } }
  - { name: old, match: { path: /old }, redirect: { to: /new, status: 308 } }
`

const temporaryFolder = (scope: Scope): string => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-load-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const refusal = (load: () => unknown): ConfigErrors => {
  try {
    load()
  } catch (error) {
    assert.ok(error instanceof ConfigErrors, String(error))
    return error
  }
  assert.fail('was accepted')
}

test('a file with eight errors of all kinds shows eight', () => {
  const lines = errorsOf(`listen: [{ port: 99999 }]
workrs: 2
upstreams:
  echo: { peers: [{ url: "127.0.0.1" }], retries: many }
routes:
  - { name: a, match: { path: "/a/{id}" }, upstream: ecko }
  - { name: a, match: { path: "/b" }, upstream: echo, rewrite: "/{id}" }
  - { name: c, match: { path: /c }, respond: { body: "\${MISSING}" } }
`)
  assert.deepEqual(lines, [
    '1:18 listen[0].port: found number 99999, expected a whole number from 0 to 65535',
    '2:1 workrs: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes; did you mean workers?',
    '4:26 upstreams.echo.peers[0].url: found "127.0.0.1", expected a URL, as http://127.0.0.1:9000, https://name or unix:///run/app.sock',
    '4:51 upstreams.echo.retries: found "many", expected a whole number from 0 to 10',
    '6:54 routes[0].upstream: found "ecko", expected one of the upstreams echo; did you mean echo?',
    '7:13 routes[1].name: found "a", expected a name of its own: routes[0] has it already',
    '7:64 routes[1].rewrite: match.path captures no {id}, expected a target without {name}',
    '8:55 routes[2].respond.body: environment variable MISSING is not set; set it, or write ${MISSING:-default}',
  ])
})

test('JSON is accepted as YAML is, and says the same', () => {
  const yaml = 'listen: [{ port: 8080 }]\nroutes:\n- { name: a, match: { path: /a }, respond: { body: hi } }'
  const json = '{"listen":[{"port":8080}],\n"routes":[\n  {"name":"a","match":{"path":"/a"},"respond":{"body":"hi"}}]}'
  const [one, other] = [yaml, json].map(text => readConfig(text, 'f', {}).plan)
  assert.equal(one?.version, other?.version)
  assert.deepEqual(one, other)
})

test('a $schema and x-… keys at the root are passed over; nowhere else', () => {
  assert.deepEqual(errorsOf(`$schema: ./s.json\nx-base: &b { any: thing }\n${minimal}`), [])
  assert.equal(errorsOf(`${minimal}limits: { x-a: 1 }`).length, 1)
})

test('the version is that of the content, not of its layout', () => {
  const version = (text: string): string => readConfig(text, 'f', {}).plan.version
  assert.match(version(minimal), /^[0-9a-f]{12}$/)
  assert.equal(version(minimal), version('# comment\nlisten:\n  - port: 8080\n    address: 0.0.0.0\n'))
  assert.notEqual(version(minimal), version('listen: [{ port: 8081 }]'))
})

test('environment variables: values, defaults, escapes, numbers and booleans', () => {
  const text = `listen: [{ port: "\${PORT}", address: "\${ADDRESS:-127.0.0.1}" }]
accessLog: \${LOG}
limits: { maxBodyBytes: "\${SIZE}" }
routes:
  - { name: a, match: { path: "/\${A}/\${B:-x}" }, respond: { body: "$\${A} \${EMPTY:-filled} \${EMPTY}." } }
`
  const environment = { PORT: '80', LOG: 'true', SIZE: '2KiB', A: 'one', EMPTY: '' }
  const { plan } = readConfig(text, 'f', environment)
  assert.deepEqual(plan.listen, [{ address: '127.0.0.1', port: 80, unix: null, tls: null }])
  assert.equal(plan.accessLog?.target, 'stdout')
  assert.equal(plan.limits.maxBodyBytes, 2048)
  assert.equal(plan.routes[0]?.match.path, '/one/x')
  assert.deepEqual(plan.routes[0].action, { kind: 'respond', status: 200, headers: [], body: '${A} filled .' })
})

test('environment variables: what is wrong is shown where it stands, names of Object.prototype included', () => {
  assert.deepEqual(errorsOf(`${minimal}workers: "\${toString}"\nadmin:\n  token: "abc \${NO_SUCH} \${"\n`), [
    '2:11 workers: environment variable toString is not set; set it, or write ${toString:-default}',
    '4:15 admin.token: environment variable NO_SUCH is not set; set it, or write ${NO_SUCH:-default}',
    '4:26 admin.token: found ${ without a name and }, expected ${NAME} or ${NAME:-default}; $${ stands for ${',
  ])
})

test('no error shows a value that came from the environment', () => {
  const secret = 'hunter2-hunter2'
  const dollar = '${SECRET}'
  const text = `listen: [{ port: "${dollar}", address: "${dollar}" }, { port: 1, tls: { certificate: "${dollar}", key: "${dollar}", minVersion: "${dollar}" } }]
workers: "${dollar}"
admin: { token: "${dollar} ${dollar}" }
limits: { maxBodyBytes: "${dollar}" }
accessLog: { target: "./${dollar}/x/y", sample: "${dollar}" }
upstreams:
  a: { peers: [{ url: "${dollar}" }, { url: "http://${dollar}:x" }], balance: "${dollar}", hostHeader: "${dollar} x", health: "${dollar}" }
  hunter2-hunter1: { peers: [{ url: "http://${dollar}" }, { url: "http://${dollar}" }] }
routes:
  - { name: "${dollar}", match: { path: "~(${dollar}", hosts: ["${dollar}:80"], headers: { x: "~[${dollar}" } }, upstream: "${dollar}" }
  - { name: "${dollar}", match: { path: "/{${dollar}" }, redirect: { to: "${dollar}" }, cors: "${dollar}" }
`
  const lines = errorsOf(text, { SECRET: secret })
  assert.ok(lines.length >= 20, lines.join('\n'))
  for (const line of lines) assert.ok(!line.includes('hunter2-hunter2') && !line.includes('did you mean'), line)
})

test('a route that only the matcher can refuse is an error at its place', () => {
  const text = `${minimal}routes:\n  - { name: a, match: { path: /a }, respond: {} }\n  - { name: b, match: { path: "/\${B}" }, respond: {} }\n`
  const check = (): void => {
    throw new Error('too costly: secret-value')
  }
  const { errors } = refusal(() => readConfig(text, 'f', { B: 'secret-value' }, check))
  assert.deepEqual(
    errors.map(({ line, column, path, message }) => [line, column, path, message]),
    [
      [3, 5, 'routes[0]', 'too costly: secret-value'],
      [4, 5, 'routes[1]', 'does not compile, with values from ${B}'],
    ],
  )
})

test('anchors, aliases and merges; what is written wins over what is merged', () => {
  const text = `${minimal}x-defaults: &d { retries: 3, timeouts: { connectMs: 5 } }
upstreams:
  a: { <<: *d, peers: &p [{ url: "http://127.0.0.1:1" }] }
  b: { peers: *p, retries: 0, <<: [*d, { retries: 7, hostHeader: peer }] }
`
  const [a, b] = readConfig(text, 'f', {}).plan.upstreams
  assert.deepEqual(
    [a?.retries, a?.timeouts.connectMs, b?.retries, b?.timeouts.connectMs, b?.hostHeader],
    [3, 5, 0, 5, 'peer'],
  )
  assert.deepEqual(a?.endpoints, b?.endpoints)
})

test('an error in an anchored value is shown once, however often it is used', () => {
  const text = `${minimal}upstreams:\n  a: &u { peers: [{ url: "http://x" }], retries: 99 }\n  b: *u\n  c: *u\n`
  assert.equal(errorsOf(text).length, 1)
})

test('a billion laughs are refused at once', () => {
  const levels = Array.from({ length: 30 }, (_, i) => `x-${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`)
  const lines = errorsOf(`${minimal}x-0: &l0 [lol, lol, lol]\n${levels.join('\n')}\nupstreams: *l30\n`)
  assert.match(lines[0]!, /^\d+:\d+ x-\d+\[\d\]: aliases bring in more than 100000 values$/)
})

test('brackets without end are too deep, not a crash', () => {
  for (const opening of ['[', '{a: ', '- ']) {
    const lines = errorsOf(opening.repeat(20_000))
    assert.ok(lines.length > 0 && lines.every(line => /^\d+:\d+/.test(line)), lines.join('\n'))
  }
})

test('thousands of errors end in a count', () => {
  const lines = errorsOf(`${minimal}${Array.from({ length: 5_000 }, (_, i) => `k${i}: 1\n`).join('')}`)
  assert.equal(lines.length, 1001)
  assert.match(lines[1000]!, /: and 4000 more errors$/)
})

test('columns count from after a byte order mark, and CRLF ends a line', context => {
  const file = join(temporaryFolder(context), 'f.yaml')
  writeFileSync(file, '\ufefflisten: []\r\nworkers: 0\r\n')
  const { errors } = refusal(() => loadConfig(file, {}))
  assert.deepEqual(
    errors.map(({ line, column }) => [line, column]),
    [
      [1, 9],
      [2, 10],
    ],
  )
})

test('files that are none', context => {
  const folder = temporaryFolder(context)
  const write = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const table: [string, RegExp][] = [
    [join(folder, 'missing.yaml'), /: no such file$/],
    [folder, /: a folder, expected a file$/],
    [join(write('plain', ''), 'x.yaml'), /: no such file: a part of its path is no folder$/],
    [write('binary', Buffer.from([0x6c, 0xff, 0xfe])), /: not a UTF-8 text$/],
    [write('large', Buffer.alloc(8 * 1024 * 1024 + 1, 0x20)), /: larger than 8 MiB$/],
    [write('zeros', Buffer.alloc(64)), /^.*zeros:1:1/],
  ]
  for (const [file, message] of table) {
    const { errors, message: text } = refusal(() => loadConfig(file, {}))
    assert.match(text, message)
    assert.equal(errors[0]?.file, file)
  }
})

test('a file without permission', { skip: process.getuid?.() === 0 && 'root may read everything' }, context => {
  const file = join(temporaryFolder(context), 'f.yaml')
  writeFileSync(file, minimal)
  chmodSync(file, 0)
  assert.match(refusal(() => loadConfig(file, {})).message, /not readable: permission denied/)
})

test('the default names, in their order', context => {
  const folder = temporaryFolder(context)
  assert.match(
    refusal(() => findConfigFile(undefined, folder)).message,
    /no configuration found, expected polygate\.yaml/,
  )
  for (const name of ['polygate.json', 'polygate.yml', 'polygate.yaml']) {
    writeFileSync(join(folder, name), minimal)
    assert.equal(findConfigFile(undefined, folder), join(folder, name))
  }
  assert.equal(findConfigFile('other.yaml', folder), 'other.yaml')
})

test('relative names start from the folder of the file', context => {
  const folder = temporaryFolder(context)
  mkdirSync(join(folder, 'logs'))
  const file = join(folder, 'f.yaml')
  writeFileSync(file, 'listen: [{ unix: a.sock }]\naccessLog: { target: logs/a.log }\n')
  const { plan } = loadConfig(file, {})
  assert.equal(plan.listen[0]?.unix, join(folder, 'a.sock'))
  assert.equal(plan.accessLog?.target, join(folder, 'logs', 'a.log'))
})

test('whatever happens to a valid file, only ConfigErrors is thrown, and every error has a line', () => {
  const environment = { TOKEN: 'a-long-enough-token' }
  readConfig(full, 'f.yaml', environment)
  // A linear congruential generator: the same mutations in every run.
  let state = 20_240_601
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const pieces = [
    ':',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '\n',
    '  ',
    '&a ',
    '*a',
    '<<: ',
    '${',
    '${X}',
    '~(',
    '#',
    '!',
    '|\n',
    '0',
    '-1',
    'null',
    '\t',
    '\0',
    '\u2028',
    '%',
    '---\n',
    '? ',
    '1e999',
    '"\\ud800"',
  ]
  let refused = 0
  for (let round = 0; round < 500; round++) {
    let text = full
    for (let edits = 1 + below(3); edits > 0; edits--) {
      const at = below(text.length)
      const kind = below(3)
      if (kind === 0) text = text.slice(0, at) + text.slice(at + 1 + below(12))
      else if (kind === 1) text = text.slice(0, at) + pieces[below(pieces.length)]! + text.slice(at)
      else text = text.slice(0, at) + text.slice(below(text.length)).slice(0, 40) + text.slice(at)
    }
    try {
      readConfig(text, 'f.yaml', environment)
    } catch (error) {
      assert.ok(error instanceof ConfigErrors, `${String((error as Error).stack)}\n${text}`)
      refused++
      assert.ok(error.errors.length > 0)
      const lines = text.split('\n').length
      for (const { line, column, message } of error.errors) {
        assert.ok(line >= 1 && line <= lines && column >= 1 && message !== '', `${line}:${column} ${message}\n${text}`)
      }
    }
  }
  assert.ok(refused > 300, `only ${refused} of 500 mutations were refused`)
})
