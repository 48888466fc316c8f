// Certificates and keys that a configuration names are read and checked with it: they exist, parse, belong together and
// are in force; a renewed file under the same name is another plan.
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfig } from '../../ts/config/load.ts'
import { filesNamedBy } from '../../ts/control/watch.ts'
import { makeAuthority, type Authority, type Certificate } from '../helpers/certificates.ts'
import { errorsOf } from './bad-configurations.ts'

let authority: Authority
let good: Certificate
let other: Certificate
let expired: Certificate

const ends: (() => unknown)[] = []
after(() => ends.forEach(end => end()))

before(() => {
  authority = makeAuthority({ after: end => ends.push(end) })
  good = authority.issue('a.example.com')
  other = authority.issue('b.example.com')
  expired = authority.issue('c.example.com', { expired: true })
})

const tls = (certificate: string, key: string, more = ''): string =>
  `listen: [{ port: 1, tls: { certificate: "${certificate}", key: "${key}"${more} } }]`

/** Messages without place and without the file's name. */
const reasons = (text: string, environment = {}): string[] =>
  errorsOf(text, environment).map(line => line.replace(/^\d+:\d+ /, '').replace(/: file .*?: /, ': '))

const written = (name: string, content: string): string => {
  const file = join(authority.folder, name)
  writeFileSync(file, content)
  return file
}

test('a key of another certificate', () => {
  assert.deepEqual(reasons(tls(good.certificate, other.key)), [
    'listen[0].tls.key: is not the key of the certificate beside it',
  ])
})

test('an expired certificate', () => {
  assert.deepEqual(reasons(tls(expired.certificate, expired.key)), [
    'listen[0].tls.certificate: expired on 2001-01-01T00:00:00.000Z',
  ])
})

test('files that hold something else', () => {
  const text = written('text.pem', 'hello')
  const broken = written('broken.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const pem = readFileSync(good.certificate, 'utf8')
  const chain = written('chain.pem', `${pem}${readFileSync(broken, 'utf8')}`)
  assert.deepEqual(reasons(tls(text, text)), [
    'listen[0].tls.certificate: holds no certificate, expected PEM (-----BEGIN CERTIFICATE-----)',
    'listen[0].tls.key: holds no private key that parses, expected PEM',
  ])
  assert.deepEqual(reasons(tls(broken, good.key)), [
    'listen[0].tls.certificate: holds a certificate that does not parse: the 1. of 1',
  ])
  assert.deepEqual(reasons(tls(chain, good.key)), [
    'listen[0].tls.certificate: holds a certificate that does not parse: the 2. of 2',
  ])
  assert.deepEqual(reasons(tls(good.certificate, authority.folder)), ['listen[0].tls.key: a folder, expected a file'])
})

test('an encrypted key', () => {
  const key = written(
    'encrypted.key',
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
  )
  assert.deepEqual(reasons(tls(good.certificate, key)), [
    'listen[0].tls.key: holds an encrypted key, expected one without passphrase',
  ])
})

test('authorities and client certificates of upstreams, SNI entries, all in one pass', () => {
  const text = `${tls(good.certificate, good.key, `, clientCa: ./no-ca.pem, sni: [{ hosts: [b], certificate: "${other.certificate}", key: "${good.key}" }]`)}
upstreams:
  a:
    peers: [{ url: "https://a", tls: { certificate: "${good.certificate}", key: "${other.key}" } }]
    tls: { ca: "${good.key}" }
`
  assert.deepEqual(reasons(text), [
    'listen[0].tls.clientCa: no such file',
    'listen[0].tls.sni[0].key: is not the key of the certificate beside it',
    'upstreams.a.peers[0].tls.key: is not the key of the certificate beside it',
    'upstreams.a.tls.ca: holds no certificate, expected PEM (-----BEGIN CERTIFICATE-----)',
  ])
})

test('revocation lists: none in the file, a broken one, one whose time is over; and its content counts', () => {
  const whole = authority.revoke([])
  const broken = written('broken.crl', readFileSync(whole, 'latin1').replace(/^MI/m, 'MM'))
  const withList = (list: string): string =>
    tls(good.certificate, good.key, `, clientCa: "${authority.certificate}", clientCrl: "${list}"`)
  const reasonOf = (list: string): string => reasons(withList(list)).join('\n')
  const none = 'holds no revocation list, expected PEM (-----BEGIN X509 CRL-----)'
  assert.equal(reasonOf(authority.certificate), `listen[0].tls.clientCrl: ${none}`)
  assert.equal(reasonOf(broken), 'listen[0].tls.clientCrl: holds a revocation list that does not parse: the 1.')
  assert.equal(
    reasonOf(authority.revoke([], { ended: true })),
    'listen[0].tls.clientCrl: holds a revocation list that ended on 2001-01-01T00:00:00.000Z',
  )
  assert.equal(reasonOf(whole), '')
  const plans = [whole, authority.revoke([other])].map(list => {
    const live = join(authority.folder, 'list.crl')
    copyFileSync(list, live)
    return readConfig(withList(live), join(authority.folder, 'f.yaml'), {}).plan
  })
  const [before, after] = plans.map(({ listen }) => listen[0]!.tls!)
  assert.deepEqual([before!.clientCrl, before!.clientCertificate], [join(authority.folder, 'list.crl'), 'required'])
  assert.notEqual(before!.fingerprint, after!.fingerprint)
  assert.ok(filesNamedBy(plans[0]!).includes(join(authority.folder, 'list.crl')))
})

test('a file named by the environment is not printed', () => {
  const [line] = errorsOf(tls('${FILE}', good.key), { FILE: './secret-place.pem' })
  assert.match(line!, /^1:41 listen\[0\]\.tls\.certificate: file a value from \$\{FILE\}: no such file$/)
})

test('good files become absolute names and a fingerprint; a renewed file is another plan', () => {
  const certificate = join(authority.folder, 'live.pem')
  const key = join(authority.folder, 'live.key')
  const use = (from: Certificate) => {
    copyFileSync(from.certificate, certificate)
    copyFileSync(from.key, key)
    const more = `, clientCa: "${authority.certificate}", sni: [{ hosts: ["*.B.example"], certificate: live.pem, key: live.key }]`
    return readConfig(tls('live.pem', 'live.key', more), join(authority.folder, 'f.yaml'), {}).plan
  }
  const first = use(good)
  const [listener] = first.listen
  assert.deepEqual(listener?.tls?.certificates, [
    { hosts: [], certificate, key },
    { hosts: ['*.b.example'], certificate, key },
  ])
  assert.equal(listener.tls.clientCa, authority.certificate)
  assert.deepEqual(Object.entries(listener.tls.contents), [
    [certificate, readFileSync(good.certificate, 'latin1')],
    [key, readFileSync(good.key, 'latin1')],
    [authority.certificate, readFileSync(authority.certificate, 'latin1')],
  ])
  assert.deepEqual(use(good), first)
  const renewed = use(other)
  assert.notEqual(renewed.version, first.version)
  assert.notEqual(renewed.listen[0]?.tls?.fingerprint, listener.tls.fingerprint)
})

test('a renewed file of an upstream is another plan, too', () => {
  const ca = join(authority.folder, 'upstream-ca.pem')
  const version = (from: string): string => {
    copyFileSync(from, ca)
    const text = `listen: [{ port: 1 }]\nupstreams: { a: { peers: [{ url: "https://a" }], tls: { ca: "${ca}" } } }`
    return readConfig(text, 'f.yaml', {}).plan.version
  }
  assert.notEqual(version(authority.certificate), version(good.certificate))
})
