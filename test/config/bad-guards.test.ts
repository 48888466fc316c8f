// Errors in consumers and guards. No message shows a key, wherever the key was written.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { badConfigurations, errorsOf } from './bad-configurations.ts'

const withConsumers = (consumers: string): string => `listen: [{ port: 8080 }]
consumers:
${consumers}`

const withGuards = (guards: string, action = 'respond: {}'): string => `listen: [{ port: 8080 }]
consumers: { alice: { keys: [ alice-key-1 ] } }
routes:
  - { name: a, match: {}, ${action}, guards: [ ${guards} ] }`

/** All there are, in the order of the schema. */
const lookerNames = 'ipAllow, ipDeny, key, basic, signature, jwt, clientCertificate'
const guardNames = `${lookerNames}, rateLimit, quota, concurrency, anyOf, allOf`

const keyForm = 'expected a key of 8 to 512 printable ASCII characters without blanks'

badConfigurations([
  {
    title: 'keys that are none: too short, with a blank, not ASCII, a number, a list, empty',
    text: withConsumers(`  alice: { keys: [ short, "two words here", schlüssel, 12345678, [a], "" ] }`),
    errors: [
      `3:20 consumers.alice.keys[0]: found a value that is not shown, ${keyForm}`,
      `3:27 consumers.alice.keys[1]: found a value that is not shown, ${keyForm}`,
      '3:45 consumers.alice.keys[2]: found a value that is not shown, ' + keyForm,
      '3:56 consumers.alice.keys[3]: found a value that is not shown, expected a text, or a mapping with key or sha256, and notAfter',
      '3:66 consumers.alice.keys[4]: found a list, expected a text, or a mapping with key or sha256, and notAfter',
      `3:71 consumers.alice.keys[5]: found a value that is not shown, ${keyForm}`,
    ],
  },
  {
    title: 'an empty variable is no key: it fails closed',
    text: withConsumers(`  alice: { keys: [ "\${ALICE_KEY}", { key: "\${ALICE_KEY}" } ] }`),
    environment: { ALICE_KEY: '' },
    errors: [
      `3:20 consumers.alice.keys[0]: found a value that is not shown, ${keyForm}`,
      `3:43 consumers.alice.keys[1].key: found a value that is not shown, ${keyForm}`,
    ],
  },
  {
    title: 'a variable that is not set',
    text: withConsumers(`  alice: { keys: [ "\${ALICE_KEY}" ] }`),
    errors: [
      '3:21 consumers.alice.keys[0]: environment variable ALICE_KEY is not set; set it, or write ${ALICE_KEY:-default}',
    ],
  },
  {
    title: 'a key as a mapping: both forms, none, a broken digest, a broken moment',
    text: withConsumers(`  alice:
    keys:
      - { key: alice-key-1, sha256: aa }
      - { notAfter: 2027-01-01 }
      - { key: alice-key-2, notAfter: tomorrow }
      - { key: alice-key-3, notAfter: 2027-02-31T00:00:00 }`),
    errors: [
      '5:29 consumers.alice.keys[0].sha256: found beside key, expected exactly one of key, sha256',
      '5:37 consumers.alice.keys[0].sha256: found a value that is not shown, expected a SHA-256 of 64 hexadecimal digits',
      '6:9 consumers.alice.keys[1]: found none of key, sha256, expected one of them',
      '7:39 consumers.alice.keys[2].notAfter: found "tomorrow", expected a moment as 2027-01-01T00:00:00Z, or a day as 2027-01-01',
      '8:39 consumers.alice.keys[3].notAfter: found "2027-02-31T00:00:00", expected a moment as 2027-01-01T00:00:00Z, or a day as 2027-01-01',
    ],
  },
  {
    title: 'one key of two consumers, also where one is a digest',
    text: withConsumers(`  alice: { keys: [ alice-key-1, { key: alice-key-1 } ] }
  bob: { keys: [ { sha256: 4FF3CDAD1C3C4BFA8F8B5B18A1F9C0D6A53A48BB52F5FBD0BD7DF8F2F1C6A0A1 } ] }
  carol: { keys: [ { sha256: 4ff3cdad1c3c4bfa8f8b5b18a1f9c0d6a53a48bb52f5fbd0bd7df8f2f1c6a0a1 } ] }`),
    errors: [
      '3:33 consumers.alice.keys[1]: the same key as one of consumer alice, expected one of its own',
      '5:20 consumers.carol.keys[0]: the same key as one of consumer bob, expected one of its own',
    ],
  },
  {
    title: 'names that could not stand in a header',
    text: withConsumers(`  "al\\nice": {}
  "": {}
  "a b": {}`),
    errors: ['"al\\nice"', '""', '"a b"'].map(
      (name, at) =>
        `${at + 3}:3 consumers[${name}]: found ${name}, expected a name of letters, digits, ".", "_", "@", "+" and "-" that begins with a letter or digit, at most 128 long`,
    ),
  },
  {
    title: 'guards that are none',
    text: withGuards('{}, { keys: {} }, key, { key: {} }, { key: { header: a, query: b } }'),
    errors: [
      `4:50 routes[0].guards[0]: found none of ${guardNames}, expected one of them`,
      `4:54 routes[0].guards[1]: found none of ${guardNames}, expected one of them`,
      `4:56 routes[0].guards[1].keys: unknown key, expected one of ${guardNames}; did you mean key?`,
      `4:68 routes[0].guards[2]: found "key", expected a mapping with ${guardNames}`,
      '4:80 routes[0].guards[3].key: found none of header, query, cookie, expected one of them',
      '4:86 routes[0].guards[4].key: found a second key guard, expected one: a client has one key',
      '4:106 routes[0].guards[4].key.query: found beside header, expected exactly one of header, query, cookie',
    ],
  },
  {
    title: 'anyOf and allOf: nothing in them, limits, lists in lists',
    text: withGuards(
      '{ anyOf: [] }, { anyOf: [ { rateLimit: { limit: 1, per: 1s } } ] }, { allOf: [ { anyOf: [] } ] }',
    ),
    errors: [
      '4:59 routes[0].guards[0].anyOf: found an empty list, expected a list of at least 1',
      `4:76 routes[0].guards[1].anyOf[0]: found none of ${lookerNames}, allOf, expected one of them`,
      `4:78 routes[0].guards[1].anyOf[0].rateLimit: unknown key, expected one of ${lookerNames}, allOf`,
      `4:129 routes[0].guards[2].allOf[0]: found none of ${lookerNames}, expected one of them`,
      `4:131 routes[0].guards[2].allOf[0].anyOf: unknown key, expected one of ${lookerNames}`,
    ],
  },
  {
    title: 'one of two keys will do, but not beside a third that is always needed',
    text: withGuards('{ key: { header: a } }, { anyOf: [ { key: { query: b } }, { key: { query: c } } ] }'),
    errors: [
      '4:85 routes[0].guards[1].anyOf[0].key: found a second key guard, expected one: a client has one key',
      '4:108 routes[0].guards[1].anyOf[1].key: found a second key guard, expected one: a client has one key',
    ],
  },
  {
    title: 'places that no key can be in',
    text: withGuards('{ key: { header: host } }'),
    errors: [
      '4:67 routes[0].guards[0].key.header: found "host", expected another header: Host is what hostHeader of the upstream is for',
    ],
  },
  {
    title: 'a parameter and a cookie with odd names',
    text: `listen: [{ port: 8080 }]
consumers: { alice: { keys: [ alice-key-1 ] } }
routes:
  - { name: a, match: {}, respond: {}, guards: [ { key: { query: "a&b" } } ] }
  - { name: b, match: { path: /b }, respond: {}, guards: [ { key: { cookie: "a;b" } } ] }`,
    errors: [
      '4:66 routes[0].guards[0].key.query: found "a&b", expected a name of letters, digits, ".", "_", "~" and "-", at most 64 long',
      '5:77 routes[1].guards[0].key.cookie: found "a;b", expected the name of a cookie',
    ],
  },
  {
    title: 'a redirect would send a key of the query on',
    text: withGuards('{ key: { query: k } }', 'redirect: { to: /b }'),
    errors: [
      '4:59 routes[0].guards[0].key: found query on a redirect, expected header or cookie: a redirect keeps the query',
    ],
  },
  {
    title: 'addresses that are none',
    text: `listen: [{ port: 8080 }]
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - ipAllow: []
      - ipAllow: 10.0.0.0/8
      - ipDeny: [ 10.0.0.0/33, example.com, "fd00::/8", 1.2.3 ]
      - { ipAllow: [ "::1" ], ipDeny: [ 127.0.0.1 ] }`,
    errors: [
      '7:18 routes[0].guards[0].ipAllow: found an empty list, expected a list of at least 1',
      '8:18 routes[0].guards[1].ipAllow: found "10.0.0.0/8", expected a list',
      '9:19 routes[0].guards[2].ipDeny[0]: found "10.0.0.0/33", expected at most /32',
      '9:32 routes[0].guards[2].ipDeny[1]: found "example.com", expected an address block, as 10.0.0.0/8, fd00::/8 or 192.168.1.7',
      '9:57 routes[0].guards[2].ipDeny[3]: found "1.2.3", expected an address block, as 10.0.0.0/8, fd00::/8 or 192.168.1.7',
      `10:31 routes[0].guards[3].ipDeny: found beside ipAllow, expected exactly one of ${guardNames}`,
    ],
  },
  {
    title: 'limits that are none',
    text: `listen: [{ port: 8080 }]
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - rateLimit: { limit: 0, per: 1s }
      - rateLimit: { limit: 1, per: 0s }
      - rateLimit: { limit: 1, per: 25h, by: ip }
      - rateLimit: { limit: 1.5, per: second, burst: 0, by: "header:" }
      - rateLimit: { per: 1s, limits: 3 }
      - rateLimit: { limit: 1, per: 1s, onFailure: maybe }
      - quota: { limit: 1, per: week, by: route }
      - quota: { limit: 70000000000, per: day, by: route }`,
    errors: [
      '7:29 routes[0].guards[0].rateLimit.limit: found number 0, expected a whole number from 1 to 1000000000',
      '8:37 routes[0].guards[1].rateLimit.per: found "0s", expected a period as 1s, 10s, 1m or 1h, at most 24h',
      '9:37 routes[0].guards[2].rateLimit.per: found "25h", expected a period as 1s, 10s, 1m or 1h, at most 24h',
      '9:46 routes[0].guards[2].rateLimit.by: found "ip", expected address, consumer, key, route, or header: and the name of one',
      '10:29 routes[0].guards[3].rateLimit.limit: found number 1.5, expected a whole number from 1 to 1000000000',
      '10:39 routes[0].guards[3].rateLimit.per: found "second", expected a period as 1s, 10s, 1m or 1h, at most 24h',
      '10:54 routes[0].guards[3].rateLimit.burst: found number 0, expected a whole number from 1 to 1000000000',
      '10:61 routes[0].guards[3].rateLimit.by: found "header:", expected address, consumer, key, route, or header: and the name of one',
      '11:20 routes[0].guards[4].rateLimit: limit is missing (Requests in a period)',
      '11:31 routes[0].guards[4].rateLimit.limits: unknown key, expected one of limit, per, burst, by, onFailure; did you mean limit?',
      '12:52 routes[0].guards[5].rateLimit.onFailure: found "maybe", expected one of closed, open',
      '13:33 routes[0].guards[6].quota.per: found "week", expected one of hour, day, month',
      '14:25 routes[0].guards[7].quota.limit: found number 70000000000, expected a whole number from 1 to 68719476735',
    ],
  },
  {
    title: 'limits by a consumer whom nobody knows yet, too many by the same, a burst of years',
    text: `listen: [{ port: 8080 }]
consumers: { alice: { keys: [ alice-key-1 ] } }
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - quota: { limit: 1, per: day }
      - key: { header: apikey }
      - quota: { limit: 1, per: month }
      - rateLimit: { limit: 1, per: 24h, burst: 1000, by: consumer }
      - rateLimit: { limit: 1, per: 1s }
      - rateLimit: { limit: 1, per: 2s }
      - rateLimit: { limit: 1, per: 3s }
      - rateLimit: { limit: 1, per: 4s }
      - rateLimit: { limit: 1, per: 5s, by: address }
      - rateLimit: { limit: 1, per: 6s }`,
    errors: [
      '8:9 routes[0].guards[0].quota.by: by consumer, and no guard before it says who that is',
      '11:20 routes[0].guards[3].rateLimit.burst: found a burst that takes more than a year to fill again, expected a smaller one',
      '17:9 routes[0].guards[9].rateLimit: more than 5 limits by address',
    ],
  },
  {
    title: 'a guard that nobody could pass',
    text: `listen: [{ port: 8080 }]
consumers: { alice: {} }
routes:
  - { name: a, match: {}, respond: {}, guards: [ { key: { header: k } } ] }`,
    errors: ['4:50 routes[0].guards[0].key: nobody could pass: no consumer has a key'],
  },
])

test('no error shows a key, in no form', () => {
  const key = 'hunter2 with a blank'
  const texts = [`[ "${key}" ]`, `"${key}"`, `[ { key: "${key}" } ]`, `[ { sha256: "${key}" } ]`, `[ [ "${key}" ] ]`]
  for (const text of texts) {
    const errors = errorsOf(withConsumers(`  alice: { keys: ${text} }`)).join('\n')
    assert.notEqual(errors, '')
    assert.doesNotMatch(errors, /hunter2/, text)
  }
})
