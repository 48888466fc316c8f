// Pins how a configuration names client certificates: what is refused, and that what means the same is one text. That
// native/certificates writes the same texts, test/flow/client-certificate-guard.test.ts shows with real certificates.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alternativeNameKey, certificateKey, fingerprint, readSubject } from '../../ts/config/certificate-names.ts'

const written = (text: string): string => {
  const read = readSubject(text)
  return typeof read === 'string' ? `expected ${read}` : read.text
}

const broken = [
  '',
  ' ',
  'alice',
  '=alice',
  'CN',
  'CN=',
  'CN= ',
  'CN=alice,',
  ',CN=alice',
  'CN=alice,,O=b',
  'CN=alice+',
  'CN=alice;O=b',
  'CN="alice"',
  'CN=a<b',
  'CN=a\\',
  'CN=a\\x',
  'CN=a\\4',
  'CN=a\0',
  'CN=\\ff',
  'CN=\\C3',
  'CN=#0c0161',
  '/CN=alice/O=Example',
  'O',
  '1.2.3.4=alice',
  '1.2.3.4=#0',
  '1.2.3.4=#',
  '1.2.3.4=#0c0161x',
  '1=#0c0161',
  'X-Y=alice',
  'C N=alice',
  'commonName=alice',
]
for (const text of broken) {
  test(`no subject: ${JSON.stringify(text)}`, () => assert.match(written(text), /^expected a subject as of RFC 4514/))
}

const same: readonly (readonly [canonical: string, ...others: string[]])[] = [
  ['CN=alice,O=Example,C=NL', 'cn=alice, o=Example , c = NL', '2.5.4.3=alice,2.5.4.10=Example,2.5.4.6=NL'],
  ['CN=Alice'],
  ['CN=a  b', 'CN=  a  b  ', 'CN=a\\20\\20b', 'CN=a\\ \\ b'],
  ['CN=\\20a\\20', 'CN=\\ a\\ ', 'CN= \\20a\\20 ', 'CN=\\ a\\   '],
  ['CN=a\\\\', 'CN=a\\\\  ', 'CN=a\\5c'],
  ['CN=\\23a#', 'CN=\\#a#', 'CN=\\23a\\23'],
  ['CN=a\\,O=b', 'CN=a\\2cO=b', 'CN=a\\,O\\=b'],
  ['CN=a\\+b\\"c\\;\\<d\\>=e\\\\', 'CN=a\\2Bb\\22c\\3B\\3Cd\\3E\\3De\\5C'],
  ['CN=Zo\\C3\\AB', 'CN=Zoë', 'CN=Zo\\c3\\ab'],
  ['CN=a\\0Ab', 'CN=a\\0ab', 'CN=a\nb'],
  ['CN=a+OU=b,O=c', 'OU=b+CN=a,O=c', 'OU=b + CN=a, O=c'],
  ['emailAddress=a@b.example', 'EMAILADDRESS=a@b.example', '1.2.840.113549.1.9.1=a@b.example'],
  ['1.2.3.4=#0c026162,CN=a', '1.2.3.4=#0C026162 , CN=a'],
  ['CN=/CN=b'],
]
for (const [canonical, ...others] of same) {
  test(`one subject: ${canonical}`, () => {
    for (const text of [canonical, ...others]) assert.equal(written(text), canonical, text)
  })
}

test('different subjects are different texts', () => {
  const texts = ['CN=a,O=b', 'O=b,CN=a', 'CN=A,O=b', 'CN=a+O=b', 'CN=a b,O=b', 'CN=a\\,O=b', 'CN=a', 'UID=a,O=b']
  assert.equal(new Set(texts.map(written)).size, texts.length)
})

test('alternative names', () => {
  const cases: readonly (readonly [text: string, key: string | null])[] = [
    ['', null],
    ['*.example.com', null],
    ['a b', null],
    ['a..b', null],
    ['-a.example', null],
    ['10.0.0.1', null],
    ['::1', null],
    ['a@', null],
    ['@a', null],
    ['a@b@c', null],
    ['zoë.example', null],
    ['a.example\0', null],
    ['Alice.Example.com', 'dns:alice.example.com'],
    ['spiffe://Example.com/Alice', 'uri:spiffe://Example.com/Alice'],
    ['urn:uuid:1', 'uri:urn:uuid:1'],
    ['Al.Ice@Example.COM', 'email:Al.Ice@example.com'],
  ]
  for (const [text, key] of cases) assert.equal(alternativeNameKey(text), key, text)
})

test('fingerprints with and without colons', () => {
  const digest = 'AB'.repeat(32)
  for (const text of ['', 'ab', digest.slice(1), `${digest}0`, `${digest.slice(2)}zz`, digest.replace('AB', 'AB:')]) {
    assert.notEqual(fingerprint(text), null, text)
  }
  const colons = digest.match(/../g)!.join(':')
  for (const sha256 of [digest, colons, digest.toLowerCase()]) {
    assert.equal(fingerprint(sha256), null)
    assert.equal(certificateKey({ subject: null, san: null, sha256 }), `sha256:${digest.toLowerCase()}`)
  }
})
