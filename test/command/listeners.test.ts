// Pins what an operator reads where listeners cannot be had, before the start (`check`) and at it (`run`): the place in
// the file or the address, the reason, exit status 1, nothing started. A port that is in use is none of check's
// business: the gateway that is to be reloaded holds it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { makeAuthority, type Authority, type Certificate } from '../helpers/certificates.ts'
import { freePort } from '../helpers/ports.ts'
import { polygate, temporaryFolder } from './polygate.ts'

const ends: (() => unknown)[] = []
let authority: Authority
let good: Certificate

before(() => {
  authority = makeAuthority({ after: end => ends.push(end) })
  good = authority.issue('site.example')
})
after(() => ends.forEach(end => end()))

/** A folder with a configuration, and with site.pem and site.key as they should be. */
function folderWith(t: TestContext, listen: string): string {
  const folder = temporaryFolder(t)
  copyFileSync(good.certificate, join(folder, 'site.pem'))
  copyFileSync(good.key, join(folder, 'site.key'))
  writeFileSync(join(folder, 'polygate.yaml'), `listen:\n  - ${listen}\nroutes: []\n`)
  return folder
}

const tls = (port: number, more = ''): string =>
  `{ address: 127.0.0.1, port: ${port}, tls: { certificate: site.pem, key: site.key${more} } }`

/** Status 1, nothing on standard output, and these lines, of both commands. */
async function bothRefuse(folder: string, expected: readonly RegExp[]): Promise<void> {
  for (const command of ['check', 'run']) {
    const { status, output, errors } = await polygate([command], folder)
    assert.deepEqual([status, output], [1, ''], errors)
    const lines = errors.trimEnd().split('\n')
    if (command === 'check') assert.match(lines.pop()!, /^\d+ errors?$/)
    assert.equal(lines.length, expected.length, errors)
    for (const [i, pattern] of expected.entries()) assert.match(lines[i]!, pattern)
    assert.doesNotMatch(errors, /PRIVATE KEY|^ +at /m)
  }
}

function makeKey(folder: string, newKey: readonly string[]): void {
  const { certificate, key } = authority.issue('keys.example', { newKey })
  copyFileSync(certificate, join(folder, 'site.pem'))
  copyFileSync(key, join(folder, 'site.key'))
}

describe('refused by check and by run', { concurrency: 2 }, () => {
  const cases: [string, (folder: string) => unknown, RegExp[]][] = [
    [
      'a missing certificate',
      folder => writeFileSync(join(folder, 'site.pem'), ''),
      [/^polygate\.yaml:2:\d+ listen\[0\]\.tls\.certificate: file .* holds no certificate, expected PEM/],
    ],
    [
      'a key that is another one',
      folder => copyFileSync(authority.issue('other.example').key, join(folder, 'site.key')),
      [/^polygate\.yaml:2:\d+ listen\[0\]\.tls\.key: file .* is not the key of the certificate beside it$/],
    ],
    [
      'certificate and key in each other’s place',
      folder => {
        copyFileSync(good.key, join(folder, 'site.pem'))
        copyFileSync(good.certificate, join(folder, 'site.key'))
      },
      [/tls\.certificate: file .* holds no certificate/, /tls\.key: file .* holds no private key that parses/],
    ],
    [
      'an expired certificate',
      folder => {
        const expired = authority.issue('site.example', { expired: true })
        copyFileSync(expired.certificate, join(folder, 'site.pem'))
        copyFileSync(expired.key, join(folder, 'site.key'))
      },
      [/tls\.certificate: file .* expired on 2001-01-01T00:00:00\.000Z$/],
    ],
    [
      'a key of RSA that is too short',
      folder => makeKey(folder, ['rsa:1024']),
      [
        /tls\.key: file .* holds a key of RSA of 1024 bits, expected RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519$/,
      ],
    ],
    [
      'a key of a curve that is not spoken',
      folder => makeKey(folder, ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521']),
      [/tls\.key: file .* holds a key of secp521r1, expected /],
    ],
  ]
  for (const [what, spoil, expected] of cases) {
    test(what, async t => {
      const folder = folderWith(t, tls(await freePort()))
      spoil(folder)
      await bothRefuse(folder, expected)
    })
  }

  test('files that are not there, one that is a folder, client authorities that are none', async t => {
    const sni = ', clientCa: site.key, sni: [ { hosts: [ a ], certificate: none.pem, key: . } ]'
    await bothRefuse(folderWith(t, tls(await freePort(), sni)), [
      /listen\[0\]\.tls\.clientCa: file .* holds no certificate/,
      /listen\[0\]\.tls\.sni\[0\]\.certificate: file .*: no such file$/,
      /listen\[0\]\.tls\.sni\[0\]\.key: file .*: a folder, expected a file$/,
    ])
  })
})

describe('only the start can tell', { concurrency: 2 }, () => {
  async function runRefuses(folder: string, expected: RegExp): Promise<void> {
    assert.equal((await polygate(['check'], folder)).status, 0)
    const { status, output, errors } = await polygate(['run'], folder)
    assert.deepEqual([status, output], [1, ''], errors)
    assert.match(errors, expected)
  }

  test('a port that is in use', async t => {
    const server = createServer()
    t.after(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    for (const listen of [tls(port), `{ address: 127.0.0.1, port: ${port} }`]) {
      await runRefuses(folderWith(t, listen), new RegExp(`^127\\.0\\.0\\.1:${port} is in use\n$`))
    }
  })

  test('an address that this machine has not', async t => {
    const folder = folderWith(t, `{ address: 192.0.2.1, port: ${await freePort()} }`)
    await runRefuses(folder, /^192\.0\.2\.1:\d+: this machine has no such address\n$/)
  })

  test('a unix socket where something else is', async t => {
    const folder = folderWith(t, '{ unix: ./taken }')
    writeFileSync(join(folder, 'taken'), 'mine')
    await runRefuses(folder, /^unix:.*\/taken: a file that is no socket is in the way\n$/)
    assert.equal(readFileSync(join(folder, 'taken'), 'utf8'), 'mine')
  })
})
