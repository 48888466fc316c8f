// Errors in how requests to an upstream are signed. No message shows a secret, wherever it was written.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { badConfigurations } from './bad-configurations.ts'

const folder = mkdtempSync(join(tmpdir(), 'polygate-bad-upstream-signing-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const ed25519 = file('ed25519.pem', pem(generateKeyPairSync('ed25519').privateKey))
const small = file('small.pem', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey))
const open = generateKeyPairSync('ed25519').publicKey
const publicKey = file('public.pem', open.export({ type: 'spki', format: 'pem' }).toString())
const blank = file('blank', ' \n')

const withSigns = (...signs: readonly string[]): string => `listen: [{ port: 8080 }]
upstreams:
${signs.map((sign, at) => `  u${at}: { peers: [ { url: "http://127.0.0.1:9000" } ], sign: ${sign} }`).join('\n')}
`

badConfigurations([
  {
    title: 'no scheme, no key, no secret, two secrets, a key id that no header can carry',
    text: withSigns(
      '{ scheme: mashery-sha256, keyId: a, secret: hunter2 }',
      '{ scheme: cavage, secret: hunter2 }',
      '{ scheme: cavage, keyId: a }',
      `{ scheme: cavage, keyId: a, secret: hunter2, privateKeyFile: ${ed25519}, algorithm: ed25519 }`,
      '{ scheme: cavage, keyId: "a b", secret: hunter2 }',
      '{ scheme: sigv4, keyId: a/b, secret: hunter2, region: r, service: s }',
    ),
    errors: [
      '3:70 upstreams.u0.sign.scheme: found "mashery-sha256", expected one of cavage, rfc9421, sigv4',
      '4:60 upstreams.u1.sign: keyId is missing (The public name of the key, as requests carry it)',
      '5:60 upstreams.u2.sign: found none of secret, secretFile, privateKey, privateKeyFile, expected one of them',
      '6:105 upstreams.u3.sign.privateKeyFile: found beside secret, expected exactly one of secret, secretFile, privateKey, privateKeyFile',
      '7:85 upstreams.u4.sign.keyId: found "a b", expected a key id of 1 to 256 printable ASCII characters without blanks, " and \\',
      '8:84 upstreams.u5.sign.keyId: found a key id with /, comma, ; or =, expected one without',
    ],
  },
  {
    title: 'what belongs to another scheme',
    text: withSigns(
      '{ scheme: cavage, keyId: a, secret: hunter2, tag: t, expiresAfterSeconds: 60, region: r }',
      '{ scheme: rfc9421, keyId: a, secret: hunter2, dialect: kong }',
      '{ scheme: sigv4, keyId: a, secret: hunter2, algorithm: hmac-sha256, cover: [ host ] }',
    ),
    errors: [
      '3:105 upstreams.u0.sign.tag: found beside scheme cavage, expected only with rfc9421',
      '3:113 upstreams.u0.sign.expiresAfterSeconds: found beside scheme cavage, expected only with rfc9421',
      '3:138 upstreams.u0.sign.region: found beside scheme cavage, expected only with sigv4',
      '4:106 upstreams.u1.sign.dialect: found beside scheme rfc9421, expected only with cavage',
      '5:60 upstreams.u2.sign: region is missing: scheme sigv4 signs it',
      '5:60 upstreams.u2.sign: service is missing: scheme sigv4 signs it',
      '5:104 upstreams.u2.sign.algorithm: found beside scheme sigv4, expected only with cavage, rfc9421',
      '5:128 upstreams.u2.sign.cover: found beside scheme sigv4, expected only with cavage, rfc9421',
    ],
  },
  {
    title: 'algorithms and keys that do not go together',
    text: withSigns(
      '{ scheme: rfc9421, keyId: a, secret: hunter2, algorithm: ed25519 }',
      `{ scheme: rfc9421, keyId: a, privateKeyFile: ${ed25519} }`,
      `{ scheme: rfc9421, keyId: a, privateKeyFile: ${ed25519}, algorithm: ecdsa-p256-sha256 }`,
      `{ scheme: rfc9421, keyId: a, privateKeyFile: ${small}, algorithm: rsa-pss-sha512 }`,
      `{ scheme: rfc9421, keyId: a, privateKeyFile: ${publicKey}, algorithm: ed25519 }`,
      '{ scheme: rfc9421, keyId: a, privateKey: hunter2, algorithm: ed25519, encoding: hex }',
      '{ scheme: rfc9421, keyId: a, secret: hunter2, encoding: hex }',
      `{ scheme: rfc9421, keyId: a, secretFile: ${blank} }`,
      `{ scheme: rfc9421, keyId: a, secretFile: ${folder}/none }`,
    ),
    errors: [
      '3:117 upstreams.u0.sign.algorithm: found "ed25519", expected one of hmac-sha256 for a secret of scheme rfc9421',
      '4:60 upstreams.u1.sign: algorithm is missing beside a private key, expected one of rsa-v1_5-sha256, rsa-pss-sha512, ecdsa-p256-sha256, ed25519',
      '5:105 upstreams.u2.sign.privateKeyFile: the file holds something else, expected a private key for ecdsa-p256-sha256 (P-256)',
      '6:105 upstreams.u3.sign.privateKeyFile: the file holds something else, expected a private key for rsa-pss-sha512 (RSA of 2048 to 8192 bits)',
      '7:105 upstreams.u4.sign.privateKeyFile: the file holds something else, expected a private key in PEM (-----BEGIN PRIVATE KEY-----)',
      '8:101 upstreams.u5.sign.privateKey: found a value that is not shown, expected a private key in PEM (-----BEGIN PRIVATE KEY-----)',
      '8:140 upstreams.u5.sign.encoding: found without secret: PEM says it itself',
      '9:97 upstreams.u6.sign.secret: found a value that is not shown, expected a secret in hex',
      '10:101 upstreams.u7.sign.secretFile: the file holds something else, expected a secret that is not blank',
      `11:101 upstreams.u8.sign.secretFile: file "${folder}/none": no such file`,
    ],
  },
  {
    title: 'covers that say nothing, twice the same, or what the scheme has not',
    text: withSigns(
      '{ scheme: rfc9421, keyId: a, secret: hunter2, cover: [] }',
      '{ scheme: rfc9421, keyId: a, secret: hunter2, cover: [ "@method", "@method", (created) ] }',
      '{ scheme: cavage, keyId: a, secret: hunter2, cover: [ "@method", Host ] }',
      '{ scheme: cavage, dialect: kong, keyId: a, secret: hunter2, cover: [ (created), "@request-target" ] }',
      '{ scheme: rfc9421, keyId: a, secret: hunter2, cover: [ "@method", content-digest ], unsignedBody: true }',
    ),
    errors: [
      '3:113 upstreams.u0.sign.cover: found an empty list, expected a list of at least 1',
      '4:126 upstreams.u1.sign.cover[1]: found "@method", expected each one once',
      '4:137 upstreams.u1.sign.cover[2]: found "(created)", expected a header: this component is of another scheme',
      '5:114 upstreams.u2.sign.cover[0]: found "@method", expected a header: this component is of another scheme',
      '5:125 upstreams.u2.sign.cover[1]: found "Host", expected a header or component in lower case, as host, content-digest or @authority',
      '6:129 upstreams.u3.sign.cover[0]: found "(created)", expected a header: this component is of another scheme',
      '7:126 upstreams.u4.sign.cover[1]: found "content-digest", expected another header: with unsignedBody no body is signed',
    ],
  },
  {
    title: 'a component that no request has',
    text: withSigns('{ scheme: rfc9421, keyId: a, secret: hunter2, cover: [ "@status" ] }'),
    errors: [
      '3:60 upstreams.u0.sign: no request can be signed like this: malformed, expected in cover what scheme rfc9421 can sign',
    ],
  },
])
