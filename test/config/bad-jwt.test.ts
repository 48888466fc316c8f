// Errors in guards for JSON Web Tokens and in consumers' subjects. No message shows a secret.
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { badConfigurations, errorsOf } from './bad-configurations.ts'

const withJwt = (jwt: string, action = 'respond: {}'): string => `listen: [{ port: 8080 }]
consumers: { alice: {} }
routes:
  - { name: a, match: {}, ${action}, guards: [ { jwt: { ${jwt} } } ] }`

const jwks = 'jwks: "https://a.example/jwks", algorithms: [ES256]'
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = JSON.stringify(ec.publicKey.export({ type: 'spki', format: 'pem' }))
const privatePem = JSON.stringify(ec.privateKey.export({ type: 'pkcs8', format: 'pem' }))

badConfigurations([
  {
    title: 'a guard without keys, without algorithms, with two sources',
    text: `listen: [{ port: 8080 }]
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - jwt: {}
      - jwt: { jwks: "https://a.example/jwks", keys: [], algorithms: [] }`,
    errors: [
      '7:14 routes[0].guards[0].jwt: algorithms is missing (Algorithms that tokens may be signed with)',
      '7:14 routes[0].guards[0].jwt: found none of jwks, jwksFile, keys, expected one of them',
      '8:9 routes[0].guards[1].jwt: found a second jwt guard, expected one: a client has one token',
      '8:48 routes[0].guards[1].jwt.keys: found beside jwks, expected exactly one of jwks, jwksFile, keys',
      '8:54 routes[0].guards[1].jwt.keys: found an empty list, expected a list of at least 1',
      '8:70 routes[0].guards[1].jwt.algorithms: found an empty list, expected a list of at least 1',
    ],
  },
  {
    title: 'algorithms that there are not, and secrets in a public key set',
    text: withJwt('jwks: "https://a.example/jwks", algorithms: [none, rs256, ES512, HS256]'),
    errors: ['none', 'rs256', 'ES512']
      .map((found, at) => `4:${[104, 110, 117][at]} routes[0].guards[0].jwt.algorithms[${at}]: found "${found}"`)
      .map(
        line =>
          `${line}, expected one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512`,
      )
      .map((line, at) => line + ['', '; did you mean RS256?', '; did you mean RS512?'][at])
      .concat(
        '4:124 routes[0].guards[0].jwt.algorithms[3]: found "HS256", expected an algorithm with public keys, or keys with a secret: a key set that others read holds none',
      ),
  },
  {
    title: 'http: to elsewhere than this machine',
    text: withJwt('jwks: "http://a.example/jwks", algorithms: [ES256]'),
    errors: [
      '4:65 routes[0].guards[0].jwt.jwks: found "http://a.example/jwks", expected https://, or insecure: true: whoever is between can make tokens',
    ],
  },
  {
    title: 'insecure without need',
    text: withJwt(`${jwks}, insecure: true`),
    errors: ['4:122 routes[0].guards[0].jwt.insecure: found without a jwks that begins with http:'],
  },
  ...[
    'ftp://a/b',
    'https://user:pass@a/b',
    'https://a/b#c',
    'https:///b',
    'a/b',
    '//a/b',
    'https://a b/',
    'https://',
  ].map(url => ({
    title: `a URL that is none: ${url}`,
    text: withJwt(`jwks: "${url}", algorithms: [ES256]`),
    errors: [
      `4:65 routes[0].guards[0].jwt.jwks: found "${url}", expected ${/user|#/.test(url) ? 'a URL without user and fragment' : 'a URL, as https://login.example.com/.well-known/jwks.json'}`,
    ],
  })),
  {
    title: 'places, claims, headers and consumers that do not fit',
    text: `listen: [{ port: 8080 }]
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - jwt:
          jwks: "https://a.example/jwks"
          algorithms: [ES256]
          cookie: a
          query: b
          audience: []
          issuer: ""
          type: "a b"
          clockSkewSeconds: 601
          requiredClaims: { "": a, /a/: b, a~b: c, /a~b: d, e: { anyOf: [] }, f: { present: false }, g: [[h]] }
          consumerClaim: sub
          forwardClaims: { a: X-Consumer-Name, b: host, c: X-A, d: x_a, e: X-Request-Id }
  - name: b
    match: { path: /b }
    redirect: { to: /c }
    guards: [ { jwt: { ${jwks}, query: t, unknownConsumer: admit } } ]`,
    errors: [
      '10:19 routes[0].guards[0].jwt.cookie: found a second place, expected at most one of header, query, cookie',
      '12:21 routes[0].guards[0].jwt.audience: found an empty list, expected a list of at least 1',
      '13:19 routes[0].guards[0].jwt.issuer: found "", expected a text of 1 to 4096 characters without line breaks',
      '14:17 routes[0].guards[0].jwt.type: found "a b", expected a media type, as at+jwt',
      '15:29 routes[0].guards[0].jwt.clockSkewSeconds: found number 601, expected a whole number from 0 to 600 seconds',
      '16:29 routes[0].guards[0].jwt.requiredClaims[""]: found "", expected the name of a claim, as sub, or a pointer to one inside another, as /realm_access/roles',
      '16:36 routes[0].guards[0].jwt.requiredClaims["/a/"]: found "/a/", expected the name of a claim, as sub, or a pointer to one inside another, as /realm_access/roles',
      '16:52 routes[0].guards[0].jwt.requiredClaims["/a~b"]: found "/a~b", expected the name of a claim, as sub, or a pointer to one inside another, as /realm_access/roles',
      '16:73 routes[0].guards[0].jwt.requiredClaims.e.anyOf: found an empty list, expected a list of at least 1',
      '16:93 routes[0].guards[0].jwt.requiredClaims.f.present: found boolean false, expected true',
      '16:106 routes[0].guards[0].jwt.requiredClaims.g[0]: found a list, expected a text, a number or true or false',
      '17:26 routes[0].guards[0].jwt.consumerClaim: nobody could pass: there are no consumers',
      '18:31 routes[0].guards[0].jwt.forwardClaims.a: found "X-Consumer-Name", expected another header: this one is written by the gateway itself',
      '18:51 routes[0].guards[0].jwt.forwardClaims.b: found "host", expected another header: Host is what hostHeader of the upstream is for',
      '18:68 routes[0].guards[0].jwt.forwardClaims.d: found "x_a", expected a header of its own',
      '18:76 routes[0].guards[0].jwt.forwardClaims.e: found "X-Request-Id", expected another header: this one is written by the gateway itself',
      '22:15 routes[1].guards[0].jwt: found query on a redirect, expected header or cookie: a redirect keeps the query',
      '22:104 routes[1].guards[0].jwt.unknownConsumer: found without consumerClaim, which says who it is',
    ],
  },
  {
    title: 'limits by a consumer that no token names',
    text: `listen: [{ port: 8080 }]
routes:
  - name: a
    match: {}
    respond: {}
    guards: [ { jwt: { ${jwks} } }, { quota: { limit: 1, per: day } } ]`,
    errors: ['6:81 routes[0].guards[1].quota.by: by consumer, and no guard before it says who that is'],
  },
  {
    title: 'one subject of two consumers',
    text: `listen: [{ port: 8080 }]
consumers:
  alice: { jwt: [ a, { subject: b, issuer: i }, { subject: b, issuer: j } ] }
  bob: { jwt: [ a, b, { subject: b, issuer: i } ] }
  carol: {}
  dave: { jwt: [ carol ] }
  erin: { jwt: [] }
  frank: { jwt: [ "", { subject: x } ] }`,
    errors: [
      '4:17 consumers.bob.jwt[0]: the same subject as one of consumer alice, expected one of its own',
      '4:23 consumers.bob.jwt[2]: the same subject as one of consumer alice, expected one of its own',
      '6:18 consumers.dave.jwt[0]: the same subject as one of consumer carol, expected one of its own',
      '7:16 consumers.erin.jwt: found an empty list, expected a list of at least 1',
      '8:19 consumers.frank.jwt[0]: found "", expected a text of 1 to 4096 characters without line breaks',
      '8:23 consumers.frank.jwt[1]: issuer is missing (The issuer of the token)',
    ],
  },
  {
    title:
      'secrets: too short for one of the algorithms, blank, no base64, where no algorithm has one; no message shows one',
    text: `listen: [{ port: 8080 }]
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - jwt:
          algorithms: [HS256, HS512]
          audience: "*"
          keys:
            - secret: short-secret
            - { secret: "${'x'.repeat(63)}" }
            - { secret: "${'x'.repeat(64)}" }
            - { secret: "${' '.repeat(64)}" }
            - { secret: "\${JWT_SECRET}", encoding: base64 }
            - { secret: "${Buffer.from('y'.repeat(64)).toString('base64')}", encoding: base64 }
            - { secret: "${'x'.repeat(64)}", publicKey: a }
            - { publicKey: ${pem} }
            - { publicKey: ${pem}, encoding: text }
  - name: b
    match: { path: /b }
    respond: {}
    guards: [ { jwt: { algorithms: [ES256], keys: [ { secret: "${'x'.repeat(64)}" }, { publicKey: ${privatePem} } ] } } ]`,
    environment: { JWT_SECRET: 'not base64 at all' },
    errors: [
      '11:23 routes[0].guards[0].jwt.keys[0].secret: found a value that is not shown, expected at least 64 bytes for HS512',
      '12:25 routes[0].guards[0].jwt.keys[1].secret: found a value that is not shown, expected at least 64 bytes for HS512',
      '14:25 routes[0].guards[0].jwt.keys[3].secret: found a value that is not shown, expected a secret that is not blank',
      '15:25 routes[0].guards[0].jwt.keys[4].secret: found a value that is not shown, expected a secret in base64',
      '17:93 routes[0].guards[0].jwt.keys[6].publicKey: found beside secret, expected exactly one of secret, secretFile, publicKey, publicKeyFile',
      '18:28 routes[0].guards[0].jwt.keys[7].publicKey: found a key for ES256, and algorithms lists none of them',
      '19:28 routes[0].guards[0].jwt.keys[8].publicKey: found a key for ES256, and algorithms lists none of them',
      '19:224 routes[0].guards[0].jwt.keys[8].encoding: found without secret: PEM says it itself',
      '23:63 routes[1].guards[0].jwt.keys[0].secret: found a value that is not shown, expected a public key: algorithms lists none that has a secret',
      '23:146 routes[1].guards[0].jwt.keys[1].publicKey: found something else, expected a public key: a private one belongs to its owner alone',
    ],
  },
])

test('files: one that is not there, no key, no set, keys of another kind', t => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-jwt-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const empty = file('empty', '')
  const odd = file(
    'odd.json',
    JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }, ec.publicKey.export({ format: 'jwk' })] }),
  )
  const none = file('none.json', '{"keys":[]}')
  const errorsFor = (jwt: string): string[] =>
    errorsOf(withJwt(jwt)).map(line => line.replace(/^.*?: /, '').replaceAll(`${folder}/`, ''))
  for (const [jwt, expected] of [
    [`jwksFile: "${folder}/absent", algorithms: [ES256]`, ['file "absent": no such file']],
    [`jwksFile: "${empty}", algorithms: [ES256]`, ['file "empty": no JSON']],
    [`jwksFile: "${none}", algorithms: [ES256]`, ['file "none.json": holds no key for ES256']],
    [
      `jwksFile: "${odd}", algorithms: [RS256]`,
      [
        'file "odd.json": key 1: a symmetric key, which nobody else may know',
        'file "odd.json": holds no key for RS256',
      ],
    ],
    [
      `keys: [ { secretFile: "${file('short', 'short-secret\n')}" } ], algorithms: [HS256]`,
      ['found in "short" something else, expected at least 32 bytes for HS256'],
    ],
    [
      `keys: [ { secretFile: "${empty}" } ], algorithms: [HS256]`,
      ['found in "empty" something else, expected a secret that is not blank'],
    ],
    [
      `keys: [ { publicKeyFile: "${empty}" } ], algorithms: [ES256]`,
      ['found in "empty" something else, expected a public key or certificate in PEM (-----BEGIN PUBLIC KEY-----)'],
    ],
  ] as const) {
    assert.deepEqual(errorsFor(jwt), expected)
  }
})
