// Pins that the certificates made for tests are what they are asked to be: trusted by their authority, or expired.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect, createServer } from 'node:tls'
import { makeAuthority, type Certificate } from './certificates.ts'

async function handshake(t: TestContext, ca: string, { certificate, key }: Certificate): Promise<string> {
  const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, socket => socket.end())
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ host: '127.0.0.1', port, ca: readFileSync(ca), servername: 'one.example' })
  try {
    await once(client, 'secureConnect')
    return 'trusted'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  } finally {
    client.destroy()
  }
}

test('an issued certificate is trusted, an expired one and one for another name are not', async t => {
  const authority = makeAuthority(t)
  const names = ['one.example', '127.0.0.1']
  assert.equal(await handshake(t, authority.certificate, authority.issue('one.example', { names })), 'trusted')
  const expired = authority.issue('one.example', { names, expired: true })
  assert.equal(await handshake(t, authority.certificate, expired), 'CERT_HAS_EXPIRED')
  assert.equal(
    await handshake(t, authority.certificate, authority.issue('two.example')),
    'ERR_TLS_CERT_ALTNAME_INVALID',
  )
  assert.equal(
    await handshake(t, makeAuthority(t).certificate, authority.issue('one.example')),
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  )
})
