// Errors in passwords and basic guards. No message shows a hash, or a password that stands in the place of one.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../../ts/config/load.ts'
import { passwordHash } from '../../ts/config/password-hash.ts'
import { native } from '../../ts/shared/native.ts'
import { badConfigurations, errorsOf } from './bad-configurations.ts'

const withConsumers = (consumers: string): string => `listen: [{ port: 8080 }]
consumers:
${consumers}`

const salt = 'MDEyMzQ1Njc4OWFiY2RlZg'
const output = 'hbJ1ohlLKVU4J4P1p07fhg'
const argon2 = `$argon2id$v=19$m=8,t=1,p=1$${salt}$${output}`
const bcrypt = '$2b$04$abcdefghijklmnopqrstuuHCSenwm8buK215m4R4q2ZmPL95d0lX2'

const noHash = 'expected a hash ($argon2id$... or $2b$...) and not the password itself: `polygate key hash` makes one'
const otherHash = 'expected a hash by argon2 ($argon2id$...) or bcrypt ($2b$...): `polygate key hash` makes one'
const hidden = 'found a value that is not shown'

badConfigurations([
  {
    title: 'no hashes: a password, an empty text, a number, a list, hashes by others',
    text: withConsumers(`  alice:
    passwords:
      - alice-secret
      - ""
      - 12345678
      - [ a ]
      - $apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00
      - "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
      - $6$abc$def
      - { hash: alice-secret }
      - { password: alice-secret }`),
    errors: [
      `5:9 consumers.alice.passwords[0]: ${hidden}, ${noHash}`,
      `6:9 consumers.alice.passwords[1]: ${hidden}, ${noHash}`,
      `7:9 consumers.alice.passwords[2]: ${hidden}, expected the text of a hash, or a mapping with hash, username and notAfter`,
      '8:9 consumers.alice.passwords[3]: found a list, expected the text of a hash, or a mapping with hash, username and notAfter',
      `9:9 consumers.alice.passwords[4]: ${hidden}, ${otherHash}`,
      `10:9 consumers.alice.passwords[5]: ${hidden}, ${otherHash}`,
      `11:9 consumers.alice.passwords[6]: ${hidden}, ${otherHash}`,
      `12:17 consumers.alice.passwords[7].hash: ${hidden}, ${noHash}`,
      '13:9 consumers.alice.passwords[8]: hash is missing (A hash by argon2id, argon2i or bcrypt, within bounds of what it may cost. `polygate key hash` makes one)',
      '13:11 consumers.alice.passwords[8].password: unknown key, expected one of hash, username, notAfter',
    ],
  },
  {
    title: 'hashes that would stall the machine, or are not whole',
    text: withConsumers(`  alice:
    passwords:
      - $argon2id$v=19$m=65537,t=1,p=1$${salt}$${output}
      - $argon2id$v=19$m=65536,t=5,p=1$${salt}$${output}
      - $argon2id$v=19$m=8,t=1,p=2$${salt}$${output}
      - $argon2d$v=19$m=8,t=1,p=1$${salt}$${output}
      - $argon2id$v=16$m=8,t=1,p=1$${salt}$${output}
      - $argon2id$v=19$m=8,t=1,p=1$c2hvcnQ$${output}
      - ${bcrypt.replace('04', '15')}
      - ${bcrypt.replace('04', '03')}
      - ${bcrypt.slice(0, -1)}
      - ${bcrypt.replace('2b', '2x')}`),
    errors: [
      'argon2 with m of at most 65536, and m times t of at most 262144',
      'argon2 with m of at most 65536, and m times t of at most 262144',
      'argon2 with t of at least 1, p from 1 to 16, and m of at least 8 p',
      'argon2id or argon2i of version 19, as $argon2id$v=19$m=19456,t=2,p=1$salt$hash',
      'argon2id or argon2i of version 19, as $argon2id$v=19$m=19456,t=2,p=1$salt$hash',
      'argon2 with a salt of 8 to 64 bytes and a hash of 16 to 64',
      'bcrypt with a cost from 4 to 14',
      'bcrypt with a cost from 4 to 14',
      'bcrypt as $2b$12$, 22 characters of salt and 31 of hash ($2a$ and $2y$ will do)',
      'bcrypt as $2b$12$, 22 characters of salt and 31 of hash ($2a$ and $2y$ will do)',
    ].map((expected, at) => `${at + 5}:9 consumers.alice.passwords[${at}]: ${hidden}, expected ${expected}`),
  },
  {
    title: 'usernames that no client could send, and moments that are none',
    text: withConsumers(`  alice:
    passwords:
      - { hash: "${bcrypt}", username: "a:b" }
      - { hash: "${bcrypt}", username: "" }
      - { hash: "${bcrypt}", username: "a\\nb", notAfter: tomorrow }
      - { hash: "${bcrypt}", username: ${'ü'.repeat(129)} }`),
    errors: [
      '5:91 consumers.alice.passwords[0].username: found "a:b", expected a username of 1 to 256 bytes, without colon and control characters',
      '6:91 consumers.alice.passwords[1].username: found "", expected a username of 1 to 256 bytes, without colon and control characters',
      '7:91 consumers.alice.passwords[2].username: found "a\\nb", expected a username of 1 to 256 bytes, without colon and control characters',
      '7:109 consumers.alice.passwords[2].notAfter: found "tomorrow", expected a moment as 2027-01-01T00:00:00Z, or a day as 2027-01-01',
      `8:91 consumers.alice.passwords[3].username: found "${'ü'.repeat(57)}...", expected a username of 1 to 256 bytes, without colon and control characters`,
    ],
  },
  {
    title: 'one username of two consumers, and too many passwords of one',
    text: withConsumers(`  alice: { passwords: [ "${bcrypt}", { username: bob, hash: "${bcrypt}" } ] }
  bob: { passwords: [ "${argon2}" ] }
  carol: { passwords: [ "${argon2}", "${argon2}", "${argon2}", "${argon2}", { username: other, hash: "${argon2}" }, "${argon2}" ] }`),
    errors: [
      '4:23 consumers.bob.passwords[0]: the same username as one of consumer alice, expected one of its own',
      '5:432 consumers.carol.passwords[5]: more than 4 passwords of one user: each costs a hash',
    ],
  },
  {
    title: 'guards: a realm that could end its quotes, two of them, and nobody who could pass',
    text: `listen: [{ port: 8080 }]
consumers: { alice: { keys: [ alice-key-1 ] } }
routes:
  - { name: a, match: {}, respond: {}, guards: [ { basic: { realm: 'a"b' } } ] }
  - { name: b, match: { path: /b }, respond: {}, guards: [ { basic: {} }, { basic: { realm: b, users: [] } } ] }
  - { name: c, match: { path: /c }, respond: {}, guards: [ basic: , { basic: true } ] }`,
    errors: [
      '4:50 routes[0].guards[0].basic: nobody could pass: no consumer has a password',
      `4:68 routes[0].guards[0].basic.realm: found "a\\"b", expected a realm of 1 to 128 printable ASCII characters without " and \\`,
      '5:60 routes[1].guards[0].basic: nobody could pass: no consumer has a password',
      '5:75 routes[1].guards[1].basic: nobody could pass: no consumer has a password',
      '5:75 routes[1].guards[1].basic: found a second basic guard, expected one: a client has one password',
      '5:96 routes[1].guards[1].basic.users: unknown key, expected one of realm',
      '6:60 routes[2].guards[0].basic: nobody could pass: no consumer has a password',
      '6:67 routes[2].guards[0].basic: found nothing, expected a mapping with realm',
      '6:69 routes[2].guards[1].basic: nobody could pass: no consumer has a password',
      '6:69 routes[2].guards[1].basic: found a second basic guard, expected one: a client has one password',
      '6:78 routes[2].guards[1].basic: found boolean true, expected a mapping with realm',
    ],
  },
])

test('no error shows a hash or a password, in no form', () => {
  const secret = 'hunter2 with a blank'
  const cut = bcrypt.slice(0, -1)
  for (const text of [
    `[ "${secret}" ]`,
    `"${secret}"`,
    `[ { hash: "${secret}" } ]`,
    `[ [ "${secret}" ] ]`,
    `[ "${cut}" ]`,
  ]) {
    const errors = errorsOf(withConsumers(`  alice: { passwords: ${text} }`)).join('\n')
    assert.notEqual(errors, '')
    assert.doesNotMatch(errors, /hunter2|HCSenwm8/, text)
  }
})

test('good passwords: of the consumer by default, from a file, with an end', t => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-passwords-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'alice.hash'), `${argon2}\n`, { mode: 0o600 })
  const text = withConsumers(`  alice:
    passwords: [ "${bcrypt}", { file: alice.hash }, { username: a b, hash: { file: alice.hash }, notAfter: 2027-01-01 } ]
routes: [ { name: a, match: {}, respond: {}, guards: [ { basic: {} }, { quota: { limit: 1, per: day } } ] } ]
`)
  const { plan } = readConfig(text, join(folder, 'f.yaml'), {})
  assert.deepEqual(plan.consumers[0]?.passwords, [
    { username: 'alice', hash: bcrypt, notAfterMs: null },
    { username: 'alice', hash: argon2, notAfterMs: null },
    { username: 'a b', hash: argon2, notAfterMs: Date.UTC(2027, 0, 1) },
  ])
  assert.deepEqual(plan.routes[0]?.guards[0], { kind: 'basic', realm: 'polygate' })
})

test('what the configuration accepts as a hash, native/passwords does, and nothing else', () => {
  const passwords = new (native().Passwords)(0, Buffer.alloc(32), () => {})
  const accepts = (hash: string): boolean => {
    try {
      passwords.dropAccounts(passwords.accounts([{ username: 'a', hashes: [hash] }]))
      return true
    } catch (error) {
      assert.ok(error instanceof TypeError)
      return false
    }
  }
  let state = 7
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const characters = '$,=.+-/ 0123456789abcdvmtpxyzABC'
  let accepted = 0
  const compare = (hash: string): void => {
    const good = accepts(hash)
    assert.equal(passwordHash(hash) === null, good, hash)
    if (good) accepted++
  }
  for (const memory of [0, 7, 8, 64, 65_536, 65_537]) {
    for (const passes of [0, 1, 4, 5, 32_768, 32_769]) {
      for (const lanes of [0, 1, 8, 16, 17]) {
        for (const name of ['argon2i', 'argon2id', 'argon2d']) {
          compare(`$${name}$v=19$m=${memory},t=${passes},p=${lanes}$${salt}$${output}`)
        }
      }
    }
  }
  for (let length = 0; length < 90; length++) {
    const bytes = Buffer.alloc(length, 7).toString('base64').replaceAll('=', '')
    compare(`$argon2id$v=19$m=8,t=1,p=1$${bytes}$${output}`)
    compare(`$argon2id$v=19$m=8,t=1,p=1$${salt}$${bytes}`)
  }
  for (let cost = 0; cost < 100; cost++) compare(bcrypt.replace('04', String(cost).padStart(2, '0')))
  const seeds = [argon2, bcrypt, bcrypt.replace('2b', '2a'), bcrypt.replace('2b', '2y')]
  for (let round = 0; round < 20_000; round++) {
    let hash = seeds[below(seeds.length)]!
    for (let edits = 1 + below(2); edits > 0; edits--) {
      const at = below(hash.length)
      const put = below(3) === 0 ? '' : characters[below(characters.length)]!
      hash = hash.slice(0, at) + put + hash.slice(at + below(2))
    }
    compare(hash)
  }
  assert.ok(accepted > 1000, `only ${accepted} were accepted`)
})
