// A secret may stand in a file: `{ file: NAME }` wherever the language takes the text of one. Pins what such a file may
// hold, that no error shows it, and that everything else (rules, digests, plan) reads it as if it stood in the text.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { configJsonSchema } from '../../ts/config/json-schema.ts'
import { formatError, readConfig, type Environment, type LoadedConfig } from '../../ts/config/load.ts'
import { keyDigest } from '../../ts/config/compile-guards.ts'
import { filesNamedBy } from '../../ts/control/watch.ts'
import { errorsOf } from './bad-configurations.ts'

const secret = 'hunter2-of-alice'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'polygate-secrets-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** Only its owner may read it, unless a test says otherwise. */
function written(name: string, content: string | Buffer, mode = 0o600): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  chmodSync(file, mode)
  return file
}

const withKeys = (keys: string): string => `listen: [{ port: 8080 }]
consumers: { alice: { keys: ${keys} } }
`

const load = (text: string, environment: Environment = {}): LoadedConfig =>
  readConfig(text, join(folder, 'polygate.yaml'), environment)

/** Without the place, and without the folder of the test. */
const reasons = (text: string, environment: Environment = {}): string[] =>
  errorsOf(text, environment).map(line => line.replace(/^\d+:\d+ /, '').replaceAll(`${folder}/`, ''))

const keyForm = 'expected a key of 8 to 512 printable ASCII characters without blanks'

test('files that hold no secret, each with its place', () => {
  mkdirSync(join(folder, 'sub'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const names = {
    none: join(folder, 'no-such-file'),
    sub: join(folder, 'sub'),
    pipe: join(folder, 'pipe'),
    empty: written('empty', ''),
    blank: written('blank', ' \t\r\n\n'),
    newline: written('newline', '\n'),
    large: written('large', 'x'.repeat(65_537)),
    binary: written('binary', Buffer.from([0x61, 0xff, 0xfe, 0x62])),
    zero: written('zero', `${secret}\0`),
    short: written('short', 'short\n'),
    lines: written('lines', `${secret}\nand-one-more\n`),
  }
  for (const [name, message] of Object.entries({
    none: 'no such file',
    sub: 'a folder, expected a file',
    pipe: 'is no regular file',
    empty: 'is blank, expected a secret',
    blank: 'is blank, expected a secret',
    newline: 'is blank, expected a secret',
    large: 'is larger than 64 KiB, expected a secret',
    binary: 'is no UTF-8 text',
    zero: `holds a zero byte, expected a text`,
  })) {
    const [line, ...more] = errorsOf(withKeys(`[ { file: "${names[name as keyof typeof names]}" } ]`))
    assert.deepEqual(more, [])
    assert.equal(
      line?.replaceAll(`${folder}/`, ''),
      `2:39 consumers.alice.keys[0].file: file "${name === 'none' ? 'no-such-file' : name}": ${message}`,
    )
  }
  for (const name of ['short', 'lines'] as const) {
    assert.deepEqual(reasons(withKeys(`[ { file: "${names[name]}" } ]`)), [
      `consumers.alice.keys[0]: found a value from file "${name}", ${keyForm}`,
    ])
  }
})

test('mappings that are none', () => {
  const file = written('good', secret)
  assert.deepEqual(
    reasons(withKeys(`[ { file: 12 }, { file: "" }, { file: [a] }, { key: { fil: a } }, { key: {} } ]`)),
    [
      'consumers.alice.keys[0].file: found number 12, expected the name of a file',
      'consumers.alice.keys[1].file: found "", expected the name of a file',
      'consumers.alice.keys[2].file: found a list, expected the name of a file',
      'consumers.alice.keys[3].key: found a mapping, expected a text, or { file: NAME } alone',
      'consumers.alice.keys[4].key: found a mapping, expected a text, or { file: NAME } alone',
    ],
  )
  assert.deepEqual(reasons(withKeys(`[ { file: "${file}", notAfter: 2027-01-01 } ]`)), [
    'consumers.alice.keys[0].notAfter: found beside file, expected { file: NAME } alone, in the place of the secret itself',
  ])
})

test('a file where no secret belongs is no text', () => {
  const file = written('good', secret)
  assert.deepEqual(reasons(`listen: [{ port: 1, address: { file: "${file}" } }]`), [
    'listen[0].address: found a mapping, expected a text',
  ])
})

test('no error shows what a file holds, nor a name from the environment', () => {
  const file = written('bad', `${secret} with a blank`)
  for (const text of [
    `[ { file: "${file}" } ]`,
    `[ { key: { file: "\${NAME}" } } ]`,
    `[ { sha256: { file: "${file}" } } ]`,
  ]) {
    const errors = errorsOf(withKeys(text), { NAME: file }).join('\n')
    assert.notEqual(errors, '')
    assert.doesNotMatch(errors, /hunter2/, text)
  }
  assert.deepEqual(errorsOf(withKeys('[ { file: "${NAME}" } ]'), { NAME: '/no/such/hunter2' }), [
    '2:39 consumers.alice.keys[0].file: file a value from ${NAME}: no such file',
  ])
})

test('one key of two consumers is found, also where files hold it', () => {
  const file = written('shared', `${secret}\n`)
  const text = `listen: [{ port: 8080 }]
consumers:
  alice: { keys: [ { file: "${file}" } ] }
  bob: { keys: [ { key: { file: "${file}" } } ] }
  carol: { keys: [ ${secret} ] }
`
  assert.deepEqual(reasons(text), [
    'consumers.bob.keys[0]: the same key as one of consumer alice, expected one of its own',
    'consumers.carol.keys[0]: the same key as one of consumer alice, expected one of its own',
  ])
})

test('a secret from a file, with one line end cut, is the secret itself; ${NAME} in a file is a text', () => {
  const digests = (text: string): string[] => load(text).plan.consumers[0]!.keys.map(({ sha256 }) => sha256)
  for (const content of [secret, `${secret}\n`, `${secret}\r\n`]) {
    written('alice.key', content)
    for (const keys of [
      '[ { file: ./alice.key } ]',
      `[ { key: { file: "${folder}/alice.key" }, notAfter: 2999-01-01 } ]`,
    ]) {
      assert.deepEqual(digests(withKeys(keys)), [keyDigest(secret)], JSON.stringify(content))
    }
  }
  written('dollar.key', '${ALICE_KEY}')
  assert.deepEqual(digests(withKeys('[ { file: dollar.key } ]')), [keyDigest('${ALICE_KEY}')])
})

test('the token of the admin server, too', () => {
  written('admin.token', 'a-token-of-admins\n')
  const { plan } = load('listen: [{ port: 1 }]\nadmin: { token: { file: admin.token } }\n')
  assert.equal(plan.admin?.token, 'a-token-of-admins')
})

test('aliases and merged mappings', () => {
  written('alice.key', secret)
  const { plan } = load(`listen: [{ port: 8080 }]
x-key: &key { file: alice.key }
x-shared: &shared { keys: [ *key ] }
consumers: { alice: { <<: *shared, tags: [ gold ] } }
`)
  assert.equal(plan.consumers[0]!.keys[0]!.sha256, keyDigest(secret))
})

test('another content is another plan; the files are watched, and the plan holds no secret', () => {
  const file = written('alice.key', secret)
  const text = withKeys('[ { file: alice.key } ]')
  const { plan } = load(text)
  assert.deepEqual(plan.sourceFiles, [file])
  assert.ok(filesNamedBy(plan).includes(file))
  assert.ok(!JSON.stringify(plan).includes(secret))
  assert.equal(load(text).plan.version, plan.version)
  written('alice.key', `${secret}-renewed`)
  assert.notEqual(load(text).plan.version, plan.version)
})

test('a file that everybody can read is used, with a warning that has its place', () => {
  written('open.key', secret, 0o644)
  const { plan, warnings } = load(withKeys('[ { file: open.key } ]'))
  assert.equal(plan.consumers[0]!.keys.length, 1)
  assert.deepEqual(
    warnings.map(warning => formatError(warning).replace(`${folder}/`, '')),
    [
      'polygate.yaml:2:39 consumers.alice.keys[0].file: file "open.key": everybody may read it (mode 644), expected 600',
    ],
  )
  written('open.key', secret, 0o640)
  assert.deepEqual(load(withKeys('[ { file: open.key } ]')).warnings, [])
})

const withGuards = (
  signing: string,
  key = 'secret: a-secret-for-tokens-of-32-bytes-or-more',
): string => `listen: [{ port: 8080 }]
consumers: { alice: { signing: [ { scheme: mashery-sha256, keyId: a, ${signing} } ] } }
routes:
  - { name: s, match: { path: /s }, respond: {}, guards: [ { signature: { scheme: mashery-sha256 } } ] }
  - { name: t, match: { path: /t }, respond: {}, guards: [ { jwt: { keys: [ { ${key} } ], algorithms: [ HS256 ] } } ] }
`

test('where a key has a name for its file, the mapping is the same: bytes, encodings, what is kept of it', () => {
  const bytes = Buffer.from([0xff, 0x00, 0x80, 0x0a])
  const file = written('signing.secret', bytes)
  const token = written('token.secret', `${Buffer.alloc(32, 7).toString('base64')}\n`)
  const planOf = (form: (name: string) => string): LoadedConfig['plan'] =>
    load(withGuards(form('signing.secret'), `${form('token.secret')}, encoding: base64`)).plan
  const plan = planOf(name => `secret: { file: ${name} }`)
  assert.deepEqual(
    plan,
    planOf(name => `secretFile: ${name}`),
  )
  const [signing, jwt] = plan.secrets
  assert.deepEqual([signing!.file, jwt!.file], [file, token])
  assert.deepEqual(Buffer.from(signing!.value, 'base64'), bytes.subarray(0, -1))
  assert.deepEqual(Buffer.from(jwt!.value, 'base64'), Buffer.alloc(32, 7))
  for (const name of [file, token]) assert.ok(filesNamedBy(plan).includes(name), name)
})

test('a public key in a file, by either name', () => {
  written('key.pem', generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }), 0o644)
  const planOf = (key: string): LoadedConfig['plan'] =>
    load(`listen: [{ port: 8080 }]
consumers: { alice: { signing: [ { scheme: rfc9421, keyId: a, algorithm: ed25519, ${key} } ] } }
routes: [ { name: t, match: {}, respond: {}, guards: [ { signature: { scheme: rfc9421 } } , { jwt: { keys: [ { ${key} } ], algorithms: [ EdDSA ] } } ] } ]
`).plan
  assert.deepEqual(planOf('publicKey: { file: key.pem }'), planOf('publicKeyFile: key.pem'))
})

test('the mapping in the place of a signing secret: what is wrong with it, and a warning where everybody may read it', () => {
  const file = written('signing.secret', 'of-alice', 0o644)
  const blank = written('blank', ' \n')
  for (const form of ['secret: { file: signing.secret }', 'secretFile: signing.secret']) {
    const { warnings } = load(withGuards(form))
    assert.deepEqual(
      warnings.map(warning => formatError(warning).replace(/^.*alice/, 'alice')),
      ['alice.signing[0].secretFile: file "signing.secret": everybody may read it (mode 644), expected 600'],
    )
  }
  written('signing.secret', 'of-alice')
  assert.deepEqual(load(withGuards('secretFile: signing.secret')).warnings, [])
  for (const [form, reason] of [
    ['secret: { file: none }', 'secretFile: file "none": no such file'],
    [`secret: { file: ${blank} }`, 'secretFile: the file holds something else, expected a secret that is not blank'],
    ['secret: { file: [] }', 'secretFile: found an empty list, expected a text'],
    [
      `secret: { file: ${file}, mode: 600 }`,
      'secret.mode: found beside file, expected { file: NAME } alone, in the place of the secret itself',
    ],
    [`secret: { files: ${file} }`, 'secret: found a mapping, expected a text, or { file: NAME } alone'],
  ] as const) {
    const [first] = reasons(withGuards(form))
    assert.equal(first, `consumers.alice.signing[0].${reason}`, form)
  }
  const both = reasons(withGuards(`secret: { file: ${file} }, secretFile: ${file}`))
  assert.deepEqual(both, [
    'consumers.alice.signing[0].secretFile: found beside secret, expected exactly one of secret, secretFile, publicKey, publicKeyFile',
  ])
})

test('editors know the form', () => {
  const judge = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false }).compile(configJsonSchema())
  for (const [keys, good] of [
    ['[ { file: a } ]', true],
    ['[ { key: { file: a } } ]', true],
    ['[ { key: { file: a, b: c } } ]', false],
    ['[ { file: a, notAfter: 2027-01-01 } ]', false],
    ['[ { key: { file: 1 } } ]', false],
  ] as const) {
    assert.equal(judge(parse(withKeys(keys))), good, keys)
  }
  for (const form of ['secret: { file: a }', 'secretFile: a', 'secret: a', 'publicKey: { file: a }']) {
    assert.equal(judge(parse(withGuards(form, form))), true, form)
  }
  assert.equal(judge(parse(withGuards('secret: { file: a }, secretFile: a'))), false)
})
