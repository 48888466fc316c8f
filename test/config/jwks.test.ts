// Pins what counts of a key set (RFC 7517) and of a PEM: public keys for signatures, of kinds and sizes that can be
// verified with; nothing private is taken over, and no message shows a key.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readJwks, readPublicKey } from '../../ts/config/jwt-keys.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const ed25519 = generateKeyPairSync('ed25519')
const jwkOf = ({ publicKey }: { publicKey: KeyObject }): Record<string, unknown> => publicKey.export({ format: 'jwk' })
const setOf = (...keys: unknown[]): string => JSON.stringify({ keys })
const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']

test('what is no key set is an error', () => {
  for (const [text, reason] of [
    ['', /no JSON/],
    ['<html>', /no JSON/],
    ['[]', /no list of keys/],
    ['null', /no list of keys/],
    ['{"keys":{}}', /no list of keys/],
    [setOf(...Array.from({ length: 101 }, () => ({}))), /101 keys, expected at most 100/],
  ] as const) {
    assert.throws(() => readJwks(text), reason)
  }
})

test('single keys that cannot be used are passed over, each with a reason that shows nothing of it', () => {
  const privateJwk = rsa.privateKey.export({ format: 'jwk' })
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' })
  const text = setOf(
    privateJwk,
    { ...p256.privateKey.export({ format: 'jwk' }), kid: 'x' },
    { kty: 'oct', k: 'c2VjcmV0' },
    jwkOf(small),
    jwkOf(p521),
    jwkOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
    jwkOf(generateKeyPairSync('ed448')),
    jwkOf(generateKeyPairSync('x25519')),
    { ...jwkOf(p256), y: jwkOf(p256)['x'] },
    { ...jwkOf(p256), x: undefined },
    { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
    { kty: 'RSA', n: 5, e: [] },
    { ...jwkOf(rsa), e: 'AQ' },
    { kty: 'new' },
    { ...jwkOf(p256), kid: 5 },
    { ...jwkOf(p256), kid: 'x'.repeat(300) },
    'key',
    null,
  )
  const { keys, ignored } = readJwks(text)
  assert.deepEqual(keys, [])
  assert.equal(ignored.length, 18)
  for (const reason of ignored) {
    for (const value of [privateJwk.d!, privateJwk.n!, 'c2VjcmV0', 'xxx']) assert.ok(!reason.includes(value), reason)
  }
})

test('keys for something else are passed over without a word', () => {
  const { keys, ignored } = readJwks(
    setOf(
      { ...jwkOf(rsa), use: 'enc' },
      { ...jwkOf(rsa), key_ops: ['encrypt'] },
      { ...jwkOf(rsa), alg: 'RSA-OAEP' },
      { ...jwkOf(rsa), alg: 'ES256' },
      { ...jwkOf(p256), alg: 'ES256K' },
    ),
  )
  assert.deepEqual([keys, ignored], [[], []])
})

test('each key is for the algorithms of its kind, or for the one that it names', () => {
  const { keys, ignored } = readJwks(
    setOf(
      { ...jwkOf(rsa), kid: 'a', use: 'sig', x5c: ['ignored'], other: {} },
      { ...jwkOf(rsa), alg: 'PS384' },
      { ...jwkOf(p256), key_ops: ['verify'] },
      jwkOf(p384),
      jwkOf(ed25519),
      { ...jwkOf(ed25519), alg: 'EdDSA' },
      { ...jwkOf(ed25519), alg: 'Ed25519' },
    ),
  )
  assert.deepEqual(ignored, [])
  assert.deepEqual(
    keys.map(({ id, algorithms }) => [id, algorithms]),
    [
      ['a', rsaAlgorithms],
      [null, ['PS384']],
      [null, ['ES256']],
      [null, ['ES384']],
      [null, ['EdDSA']],
      [null, ['EdDSA']],
      [null, ['EdDSA']],
    ],
  )
  assert.equal(keys[0]!.spki, rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'))
  for (const { secret } of keys) assert.equal(secret, null)
})

test('PEM: public keys and certificates, and nothing private', t => {
  const pem = ({ publicKey }: { publicKey: KeyObject }): string =>
    publicKey.export({ type: 'spki', format: 'pem' }) as string
  for (const [pair, algorithms] of [
    [rsa, rsaAlgorithms],
    [p256, ['ES256']],
    [p384, ['ES384']],
    [ed25519, ['EdDSA']],
  ] as const) {
    const read = readPublicKey(pem(pair))
    assert.deepEqual(typeof read === 'string' ? read : read.algorithms, algorithms)
  }
  const folder = mkdtempSync(join(tmpdir(), 'polygate-pem-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=a']
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const read = readPublicKey(readFileSync(certificate, 'utf8'))
  assert.deepEqual(typeof read === 'string' ? read : read.algorithms, ['ES256'])
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  const readPss = readPublicKey(pem(pss))
  assert.deepEqual(typeof readPss === 'string' ? readPss : readPss.algorithms, ['PS256', 'PS384', 'PS512'])
  const bound = { modulusLength: 2048, hashAlgorithm: 'sha256', mgf1HashAlgorithm: 'sha256' }
  for (const [text, expected] of [
    [readFileSync(key, 'utf8'), /a public key: a private one/],
    [rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string, /a public key: a private one/],
    [pem(generateKeyPairSync('rsa', { modulusLength: 1024 })), /RSA of 1024 bits/],
    [pem(generateKeyPairSync('rsa-pss', bound)), /RSA-PSS with parameters/],
    [pem(generateKeyPairSync('ed448')), /neither RSA nor/],
    ['', /in PEM/],
    ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', /in PEM/],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /in PEM/],
  ] as const) {
    const found = readPublicKey(text)
    assert.match(typeof found === 'string' ? found : 'a key', expected)
  }
})
