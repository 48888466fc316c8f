// Errors in signing keys and signature guards. No message shows a secret, wherever it was written.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { badConfigurations, errorsOf } from './bad-configurations.ts'

const folder = mkdtempSync(join(tmpdir(), 'polygate-bad-signatures-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const withKeys = (keys: string): string => `listen: [{ port: 8080 }]
consumers:
  alice:
    signing:
${keys}`

const withGuards = (guards: string, keys = '{ scheme: mashery-sha256, keyId: a, secret: hunter2 }'): string =>
  `listen: [{ port: 8080 }]
consumers: { alice: { signing: [ ${keys} ] } }
routes:
  - { name: a, match: {}, respond: {}, guards: [ { signature: ${guards} } ] }`

const pem = (key: { export(options: { type: 'spki'; format: 'pem' }): string | Buffer }): string =>
  key.export({ type: 'spki', format: 'pem' }).toString()
const ed25519 = file('ed25519.pem', pem(generateKeyPairSync('ed25519').publicKey))
const small = file('small.pem', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey))
const blank = file('blank', ' \n')
const spaced = file('spaced', 'hunter2 \n')

const every =
  'mashery-sha256, mashery-md5, cavage, rfc9421, sigv4, standard-webhooks, svix, stripe, github, slack, twilio, shopify, shopify-oauth, shopify-proxy'

badConfigurations([
  {
    title: 'keys of no scheme, without key id, with one where there is none, with none of the secrets or with two',
    text: withKeys(`      - { scheme: hmac, keyId: a, secret: hunter2 }
      - { scheme: mashery-sha256, secret: hunter2 }
      - { scheme: stripe, keyId: a, secret: hunter2 }
      - { scheme: cavage, keyId: a }
      - { scheme: cavage, keyId: a, secret: hunter2, secretFile: ${ed25519} }
      - { scheme: cavage, keyId: "a b", secret: hunter2 }
      - { scheme: sigv4, keyId: a/b, secret: hunter2 }`),
    errors: [
      `5:19 consumers.alice.signing[0].scheme: found "hmac", expected one of ${every}`,
      '6:9 consumers.alice.signing[1]: keyId is missing: requests name the key that signed them',
      '7:27 consumers.alice.signing[2].keyId: found beside scheme stripe, whose requests name no key',
      '8:9 consumers.alice.signing[3]: found none of secret, secretFile, publicKey, publicKeyFile, expected one of them',
      '9:54 consumers.alice.signing[4].secretFile: found beside secret, expected exactly one of secret, secretFile, publicKey, publicKeyFile',
      '10:34 consumers.alice.signing[5].keyId: found "a b", expected a key id of 1 to 256 printable ASCII characters without blanks, " and \\',
      '11:33 consumers.alice.signing[6].keyId: found a key id with /, comma, ; or =, expected one without',
    ],
  },
  {
    title: 'blank secrets, wherever they come from, fail closed',
    text: withKeys(`      - { scheme: mashery-sha256, keyId: a, secret: "" }
      - { scheme: mashery-sha256, keyId: a, secret: "\${SECRET}" }
      - { scheme: stripe, secret: "\\t " }
      - { scheme: rfc9421, keyId: a, secret: "ICAg", encoding: base64 }
      - { scheme: cavage, keyId: a, secretFile: ${blank} }`),
    environment: { SECRET: ' ' },
    errors: [
      '5:53 consumers.alice.signing[0].secret: found a value that is not shown, expected a secret that is not blank',
      '6:53 consumers.alice.signing[1].secret: found a value that is not shown, expected a secret that is not blank',
      '7:35 consumers.alice.signing[2].secret: found a value that is not shown, expected a secret that is not blank',
      '8:46 consumers.alice.signing[3].secret: found a value that is not shown, expected a secret that is not blank',
      '9:49 consumers.alice.signing[4].secretFile: the file holds something else, expected a secret that is not blank',
    ],
  },
  {
    title: 'secrets that are written wrongly, and files that are not there',
    text: withKeys(`      - { scheme: cavage, keyId: a, secret: hunter2, encoding: hex }
      - { scheme: cavage, keyId: a, secret: "aHVudGVyMg", encoding: base64 }
      - { scheme: cavage, keyId: a, secret: "hunter2 " }
      - { scheme: cavage, keyId: a, secretFile: ${spaced} }
      - { scheme: cavage, keyId: a, secretFile: ${folder}/none }
      - { scheme: standard-webhooks, secret: hunter2 }
      - { scheme: svix, secret: "whsec_hunter" }
      - { scheme: cavage, keyId: a, secret: hunter2, encoding: base32 }
      - { scheme: cavage, keyId: a, secret: 1234 }`),
    errors: [
      '5:45 consumers.alice.signing[0].secret: found a value that is not shown, expected a secret in hex',
      '6:45 consumers.alice.signing[1].secret: found a value that is not shown, expected a secret in base64',
      '7:45 consumers.alice.signing[2].secret: found a value that is not shown, expected a secret without blanks at its ends',
      '8:49 consumers.alice.signing[3].secretFile: the file holds something else, expected a secret without blanks at its ends',
      `9:49 consumers.alice.signing[4].secretFile: file ${JSON.stringify(`${folder}/none`)}: no such file`,
      '10:46 consumers.alice.signing[5].secret: found a value that is not shown, expected whsec_ and a secret in base64, or whpk_ and a public key',
      '11:33 consumers.alice.signing[6].secret: found a value that is not shown, expected whsec_ and a secret in base64, or whpk_ and a public key',
      '12:64 consumers.alice.signing[7].encoding: found "base32", expected one of text, base64, hex; did you mean base64?',
      '13:45 consumers.alice.signing[8].secret: found a value that is not shown, expected a text; put it in quotes',
    ],
  },
  {
    title: 'algorithms that do not fit: the scheme, the kind of key, the key itself',
    text: withKeys(`      - { scheme: mashery-sha256, keyId: a, secret: hunter2, algorithm: hmac-sha256 }
      - { scheme: rfc9421, keyId: a, secret: hunter2, algorithm: hmac-sha1 }
      - { scheme: rfc9421, keyId: a, secret: hunter2, algorithm: ed25519 }
      - { scheme: rfc9421, keyId: a, publicKeyFile: ${ed25519} }
      - { scheme: rfc9421, keyId: a, publicKeyFile: ${ed25519}, algorithm: ecdsa-p256-sha256 }
      - { scheme: rfc9421, keyId: a, publicKeyFile: ${small}, algorithm: rsa-pss-sha512 }
      - { scheme: rfc9421, keyId: a, publicKey: hunter2, algorithm: ed25519 }
      - { scheme: sigv4, keyId: a, publicKeyFile: ${ed25519} }`),
    errors: [
      '5:62 consumers.alice.signing[0].algorithm: found beside scheme mashery-sha256, which has its own',
      '6:66 consumers.alice.signing[1].algorithm: found hmac-sha1 for a secret of scheme rfc9421, expected one of hmac-sha256',
      '7:66 consumers.alice.signing[2].algorithm: found ed25519 for a secret of scheme rfc9421, expected one of hmac-sha256',
      '8:9 consumers.alice.signing[3]: algorithm is missing beside a public key, expected one of rsa-v1_5-sha256, rsa-pss-sha512, ecdsa-p256-sha256, ed25519',
      '9:53 consumers.alice.signing[4].publicKeyFile: the file holds something else, expected a public key for ecdsa-p256-sha256 (P-256)',
      '10:53 consumers.alice.signing[5].publicKeyFile: the file holds something else, expected a public key for rsa-pss-sha512 (RSA of 2048 to 8192 bits)',
      '11:49 consumers.alice.signing[6].publicKey: found a value that is not shown, expected a public key in PEM (-----BEGIN PUBLIC KEY-----)',
      '12:36 consumers.alice.signing[7].publicKeyFile: found beside scheme sigv4, expected secret or secretFile',
    ],
  },
  {
    title: 'moments that are none, or in the wrong order',
    text: withKeys(`      - { scheme: cavage, keyId: a, secret: hunter2, notBefore: soon }
      - { scheme: cavage, keyId: a, secret: hunter2, notBefore: 2028-01-01, notAfter: 2027-01-01 }`),
    errors: [
      '5:65 consumers.alice.signing[0].notBefore: found "soon", expected a moment as 2027-01-01T00:00:00Z, or a day as 2027-01-01',
      '6:87 consumers.alice.signing[1].notAfter: not after notBefore, expected a later one',
    ],
  },
  {
    title: 'one key id of two consumers; one of one consumer, or of two schemes, is well',
    text: `listen: [{ port: 8080 }]
consumers:
  alice: { signing: [ { scheme: cavage, keyId: a, secret: one }, { scheme: cavage, keyId: a, secret: two } ] }
  bob: { signing: [ { scheme: rfc9421, keyId: a, secret: one }, { scheme: cavage, keyId: a, secret: three } ] }`,
    errors: ['4:90 consumers.bob.signing[1].keyId: the same key id as one of consumer alice, expected one of its own'],
  },
  {
    title: 'guards of no scheme, with a skew past all measure, with odd names',
    text: withGuards(
      `{} }, { signature: { scheme: mashery } }, { signature: { scheme: mashery-sha256, clockSkewSeconds: 901 } }, { signature: { scheme: mashery-sha256, keyHeader: host, header: "a b", skew: 3 }`,
    ),
    errors: [
      '4:63 routes[0].guards[0].signature: scheme is missing (How requests are signed)',
      `4:92 routes[0].guards[1].signature.scheme: found "mashery", expected one of ${every}`,
      '4:162 routes[0].guards[2].signature.clockSkewSeconds: found number 901, expected a whole number from 1 to 900 seconds',
      '4:221 routes[0].guards[3].signature.keyHeader: found "host", expected another header: Host is what hostHeader of the upstream is for',
      `4:235 routes[0].guards[3].signature.header: found "a b", expected a header name (letters, digits and any of !#$%&'*+-.^_\`|~)`,
      '4:242 routes[0].guards[3].signature.skew: unknown key, expected one of scheme, clockSkewSeconds, keyHeader, header, keyParameter, parameter, bind, dialect, require, unsignedBody, tag, region, service, path, presigned, consumer, replay, onFailure, maxBodyBytes, forwardSignature',
    ],
  },
  {
    title: 'keys of other schemes',
    text: withGuards('{ scheme: mashery-sha256, dialect: kong, tag: x, maxBodyBytes: 1, consumer: alice, region: r }'),
    errors: [
      '4:89 routes[0].guards[0].signature.dialect: found beside scheme mashery-sha256, expected only with cavage',
      '4:104 routes[0].guards[0].signature.tag: found beside scheme mashery-sha256, expected only with rfc9421',
      '4:112 routes[0].guards[0].signature.maxBodyBytes: found beside scheme mashery-sha256, expected only with cavage, rfc9421, sigv4, standard-webhooks, svix, stripe, github, slack, twilio, shopify',
      '4:129 routes[0].guards[0].signature.consumer: found beside scheme mashery-sha256, expected only with standard-webhooks, svix, stripe, github, slack, twilio, shopify, shopify-oauth, shopify-proxy',
      '4:146 routes[0].guards[0].signature.region: found beside scheme mashery-sha256, expected only with sigv4',
    ],
  },
  {
    title: 'a clock where none is signed, what SigV4 needs, components of other schemes',
    text: withGuards(
      '{ scheme: github, clockSkewSeconds: 5 } }, { signature: { scheme: sigv4 } }, { signature: { scheme: sigv4, region: r, service: s, require: [ "@authority", "(created)" ] } }, { signature: { scheme: cavage, require: [ "@request-target", Host ] }',
      '{ scheme: github, secret: hunter2 }, { scheme: sigv4, keyId: a, secret: hunter2 }, { scheme: cavage, keyId: a, secret: hunter2 }',
    ),
    errors: [
      '4:81 routes[0].guards[0].signature.clockSkewSeconds: found beside scheme github, expected only with mashery-sha256, mashery-md5, cavage, rfc9421, sigv4, standard-webhooks, svix, stripe, slack, shopify-oauth, shopify-proxy',
      '4:119 routes[0].guards[1].signature: region is missing: scheme sigv4 signs it',
      '4:119 routes[0].guards[1].signature: service is missing: scheme sigv4 signs it',
      '4:204 routes[0].guards[2].signature.require[0]: found "@authority", expected a header: this component is of another scheme',
      '4:218 routes[0].guards[2].signature.require[1]: found "(created)", expected a header: this component is of another scheme',
      '4:279 routes[0].guards[3].signature.require[0]: found "@request-target", expected a header: this component is of another scheme',
      '4:298 routes[0].guards[3].signature.require[1]: found "Host", expected a header or component in lower case, as host, content-digest or @authority',
    ],
  },
  {
    title: 'places of Mashery: half of them, the same twice, on a redirect',
    text: `listen: [{ port: 8080 }]
consumers: { alice: { signing: [ { scheme: mashery-md5, keyId: a, secret: hunter2 } ] } }
routes:
  - name: a
    match: {}
    redirect: { to: /b }
    guards:
      - signature: { scheme: mashery-md5, keyHeader: k }
      - signature: { scheme: mashery-md5, parameter: k }
      - signature: { scheme: mashery-md5, keyHeader: k, header: K }`,
    errors: [
      '8:43 routes[0].guards[0].signature.keyHeader: found without a place for the signature, expected header or parameter beside it',
      '9:43 routes[0].guards[1].signature.parameter: found without a place for the key, expected keyHeader or keyParameter beside it',
      '9:43 routes[0].guards[1].signature.parameter: found on a redirect, which keeps the query: it would send the signature on',
      '10:65 routes[0].guards[2].signature.header: found "K", expected another header than keyHeader',
    ],
  },
  {
    title: 'replay where it cannot be told',
    text: withGuards(
      '{ scheme: mashery-sha256, replay: true } }, { signature: { scheme: github, replay: true } }, { signature: { scheme: sigv4, region: r, service: s, presigned: true, replay: true }',
      '{ scheme: mashery-sha256, keyId: a, secret: hunter2 }, { scheme: github, secret: hunter2 }, { scheme: sigv4, keyId: a, secret: hunter2 }',
    ),
    errors: [
      '4:97 routes[0].guards[0].signature.replay: found true, expected false: honest clients send the same signature for a whole second; bind: address lets one address alone use it',
      '4:146 routes[0].guards[1].signature.replay: found true, expected false: github signs no time, so the gateway would have to remember for ever, and refuse what is delivered again',
      '4:234 routes[0].guards[2].signature.replay: found true, expected false: a presigned request is meant to be sent more than once',
    ],
  },
  {
    title: 'guards that nobody could pass, and webhooks of one consumer or another',
    text: `listen: [{ port: 8080 }]
consumers:
  alice: { signing: [ { scheme: stripe, secret: hunter2 } ] }
  bob: { signing: [ { scheme: stripe, secret: hunter3 } ] }
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - signature: { scheme: mashery-sha256 }
      - signature: { scheme: stripe }
      - signature: { scheme: stripe, consumer: bod }
      - signature: { scheme: stripe, consumer: bob }`,
    errors: [
      '10:20 routes[0].guards[0].signature: nobody could pass: no consumer has a key for mashery-sha256 under signing',
      '11:20 routes[0].guards[1].signature: consumer is missing: alice, bob have secrets for stripe, whose requests name no key',
      '12:48 routes[0].guards[2].signature.consumer: found "bod", expected a consumer with a secret for stripe; did you mean bob?',
    ],
  },
])

test('no error shows a secret, in no form', () => {
  const wrong = ['"hunter2 "', '[ hunter2 ]', '{ a: hunter2 }', '"${SECRET}"']
  for (const secret of wrong) {
    for (const scheme of ['mashery-sha256', 'rfc9421', 'sigv4', 'svix']) {
      for (const encoding of ['text', 'base64', 'hex']) {
        const key = `      - { scheme: ${scheme}, keyId: a, secret: ${secret}, encoding: ${encoding}, notAfter: hm }`
        const errors = errorsOf(withKeys(key), { SECRET: 'hunter2 ' }).join('\n')
        assert.notEqual(errors, '')
        assert.doesNotMatch(errors, /hunter2/, key)
      }
    }
  }
})
