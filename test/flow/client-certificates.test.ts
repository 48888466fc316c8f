// Pins client certificates below the guard: what `clientCertificate: optional` lets connect and what not, that a resumed
// session keeps its identity and takes it nowhere else, what a certificate's end, a reload and a list of revoked ones mean
// for new, for resumed and for open connections.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { makeAuthority, pairOf, type Authority, type Certificate } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { statusOf } from '../helpers/wire.ts'

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const versions = ['TLSv1.2', 'TLSv1.3'] as const

/** The status of a further request on a connection. */
async function statusOn(client: RawClient): Promise<number> {
  const asked = client.answers().finals.length
  await client.send(request)
  const { finals } = await within(10_000, 'an answer', client.finals(asked + 1))
  return finals[asked] ? statusOf(finals[asked]) : 0
}

/** A connection whose session can be resumed. */
async function connectKeeping(t: TestContext, port: number, options: ConnectionOptions) {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.after(() => socket.destroy())
  const statuses: string[] = []
  socket.setEncoding('latin1').on('data', (part: string) => {
    statuses.push(...[...part.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status))
  })
  // node:tls loses what is written while it tells of a session.
  const session = once(socket, 'session').then(
    ([bytes]) => new Promise<Buffer>(resolve => setImmediate(resolve, bytes as Buffer)),
  )
  await once(socket, 'secureConnect')
  return { socket, session, statuses }
}

/** Whether a session was resumed, and the status of a request; 0: the connection was refused. */
async function resume(t: TestContext, port: number, options: ConnectionOptions): Promise<[boolean, number]> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.after(() => socket.destroy())
  socket.on('secureConnect', () => socket.write(request))
  const answered = once(socket, 'data').then(([bytes]): number => Number(/^HTTP\/1\.1 (\d+)/.exec(String(bytes))?.[1]))
  // Whichever comes second has nobody who waits for it.
  const failed = once(socket, 'close').then(
    () => 0,
    () => 0,
  )
  const status = await within(10_000, 'an answer or an end', Promise.race([answered.catch(() => failed), failed]))
  return [socket.isSessionReused(), status]
}

/** How a connection is refused. */
async function refusal(t: TestContext, port: number, options: ConnectionOptions): Promise<string> {
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.after(() => socket.destroy())
  socket.on('secureConnect', () => socket.write(request))
  socket.resume()
  const failed = once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code ?? String(error))
  return within(
    10_000,
    'a refusal',
    Promise.race([failed, once(socket, 'data').then(([bytes]) => `served: ${String(bytes)}`)]),
  )
}

const files = ({ certificate, key }: Certificate): string => `certificate: ${certificate}, key: ${key}`
const guarded = 'routes: [ { name: own, match: {}, respond: {}, guards: [ { clientCertificate: {} } ] } ]\n'
const alices = 'consumers: { alice: { certificates: [ { subject: CN=alice } ] } }\n'

interface Site {
  readonly gateway: RunningGateway
  readonly authority: Authority
  /** `more`: further keys of the listener's TLS. */
  readonly yaml: (more?: string, consumers?: string) => string
}

async function startSite(t: TestContext, more = ''): Promise<Site> {
  const authority = makeAuthority(t)
  const site = authority.issue('site')
  const yaml = (now = more, consumers = alices): string =>
    `listen: [ { address: 127.0.0.1, port: %PORT%, tls: { ${files(site)}${now} } } ]\n${consumers}${guarded}`
  const clientCa = `, clientCa: ${authority.certificate}`
  const gateway = await startGateway(t, yaml(clientCa + more))
  return { gateway, authority, yaml: (now = '', consumers) => yaml(clientCa + now, consumers) }
}

for (const maxVersion of versions) {
  test(`${maxVersion}: where it is optional, none will do, but a wrong one will not`, async t => {
    const { gateway, authority } = await startSite(t, ', clientCertificate: optional')
    const tls = { minVersion: maxVersion, maxVersion }
    const stranger = pairOf(makeAuthority(t).issue('alice'))
    assert.match(await refusal(t, gateway.port, { ...tls, ...stranger }), /^ERR_SSL_.*(UNKNOWN_CA|DECRYPT)/)
    const expired = pairOf(authority.issue('alice', { expired: true }))
    assert.match(await refusal(t, gateway.port, { ...tls, ...expired }), /^ERR_SSL_.*EXPIRED/)
    assert.equal(await statusOn(await RawClient.connectTls(t, gateway.port, tls)), 401)
    const alice = pairOf(authority.issue('alice'))
    assert.equal(await statusOn(await RawClient.connectTls(t, gateway.port, { ...tls, ...alice })), 200)
  })

  test(`${maxVersion}: a resumed session is of whom it was, and on its own listener alone`, async t => {
    const [authority, other] = [makeAuthority(t), makeAuthority(t)]
    const site = authority.issue('site')
    const ports = { first: await freePort(), same: await freePort(), others: await freePort() }
    const listener = (port: number, { certificate }: Authority): string =>
      `  - { address: 127.0.0.1, port: ${port}, tls: { ${files(site)}, clientCa: ${certificate}, clientCertificate: optional } }\n`
    await startGateway(
      t,
      `listen:\n${listener(ports.first, authority)}${listener(ports.same, authority)}${listener(ports.others, other)}${alices}${guarded}`,
    )
    const tls = { minVersion: maxVersion, maxVersion }
    const named = await connectKeeping(t, ports.first, { ...tls, ...pairOf(authority.issue('alice')) })
    const unnamed = await connectKeeping(t, ports.first, tls)
    const [session, anonymous] = [await named.session, await unnamed.session]
    // Without a certificate of its own: what it is known by comes from the session.
    assert.deepEqual(await resume(t, ports.first, { ...tls, session }), [true, 200])
    assert.deepEqual(await resume(t, ports.first, { ...tls, session: anonymous }), [true, 401])
    for (const port of [ports.same, ports.others]) {
      assert.deepEqual(await resume(t, port, { ...tls, session }), [false, 401])
    }
  })

  test(`${maxVersion}: a certificate that ends: refused by the guard on what is open or resumed, and by TLS after`, async t => {
    const { gateway, authority } = await startSite(t)
    const tls = { minVersion: maxVersion, maxVersion, ...pairOf(authority.issue('alice', { lastsSeconds: 5 })) }
    const { socket, session, statuses } = await connectKeeping(t, gateway.port, tls)
    const bytes = await session
    const ends = async (): Promise<void> => {
      while (statuses.at(-1) !== '401') {
        const answered = once(socket, 'data')
        socket.write(request)
        await answered
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    }
    await within(20_000, 'the end of the certificate', ends())
    assert.equal(statuses[0], '200')
    assert.deepEqual(await resume(t, gateway.port, { ...tls, session: bytes }), [true, 401])
    assert.match(await refusal(t, gateway.port, tls), /^ERR_SSL_.*EXPIRED/)
    assert.match(gateway.logs(), /^ready/m)
  })
}

describe('a reload', () => {
  test('whose a certificate is counts at once, on open connections too', async t => {
    const { gateway, authority, yaml } = await startSite(t)
    const client = await RawClient.connectTls(t, gateway.port, pairOf(authority.issue('alice')))
    assert.equal(await statusOn(client), 200)
    assert.match(await gateway.reload(yaml('', alices.replace('CN=alice', 'CN=bob'))), /reloaded/)
    assert.equal(await statusOn(client), 401)
    assert.match(await gateway.reload(yaml()), /reloaded/)
    assert.equal(await statusOn(client), 200)
  })

  test('other authorities: open connections go on, new and resumed ones are judged by them', async t => {
    const { gateway, authority } = await startSite(t)
    const other = makeAuthority(t)
    const [alice, others] = [pairOf(authority.issue('alice')), pairOf(other.issue('alice'))]
    const open = await RawClient.connectTls(t, gateway.port, alice)
    const { session } = await connectKeeping(t, gateway.port, alice)
    const bytes = await session
    assert.equal(await statusOn(open), 200)
    const site = authority.issue('site2')
    const tls = `{ ${files(site)}, clientCa: ${other.certificate} }`
    const yaml = `listen: [ { address: 127.0.0.1, port: %PORT%, tls: ${tls} } ]\n${alices}${guarded}`
    assert.match(await gateway.reload(yaml), /reloaded/)
    assert.equal(await statusOn(open), 200)
    assert.equal(await statusOn(await RawClient.connectTls(t, gateway.port, others)), 200)
    assert.match(await refusal(t, gateway.port, alice), /^ERR_SSL_.*(UNKNOWN_CA|DECRYPT)/)
    assert.deepEqual(await resume(t, gateway.port, { session: bytes }), [false, 0])
  })
})

describe('revoked certificates', () => {
  for (const maxVersion of versions) {
    test(`${maxVersion}: are refused when they connect, and others served`, async t => {
      const authority = makeAuthority(t)
      const [alice, revoked] = [authority.issue('alice'), authority.issue('alice-before')]
      const tls = `{ ${files(authority.issue('site'))}, clientCa: ${authority.certificate}, clientCrl: ${authority.revoke([revoked])} }`
      const yaml = `listen: [ { address: 127.0.0.1, port: %PORT%, tls: ${tls} } ]\n${alices}${guarded}`
      const gateway = await startGateway(t, yaml)
      assert.match(await refusal(t, gateway.port, { maxVersion, ...pairOf(revoked) }), /^ERR_SSL_.*REVOKED/)
      assert.equal(await statusOn(await RawClient.connectTls(t, gateway.port, { maxVersion, ...pairOf(alice) })), 200)
    })
  }

  test('a list of another authority says nothing of these: all are refused', async t => {
    const list = makeAuthority(t).revoke([])
    const { gateway, authority } = await startSite(t, `, clientCrl: ${list}`)
    assert.match(await refusal(t, gateway.port, pairOf(authority.issue('alice'))), /^ERR_SSL_/)
  })

  test('a reload brings a new list: for new and resumed connections, while open ones go on', async t => {
    const authority = makeAuthority(t)
    const [alice, site] = [authority.issue('alice'), authority.issue('site')]
    const list = join(authority.folder, 'live.crl')
    copyFileSync(authority.revoke([]), list)
    const tls = `{ ${files(site)}, clientCa: ${authority.certificate}, clientCrl: ${list} }`
    const yaml = `listen: [ { address: 127.0.0.1, port: %PORT%, tls: ${tls} } ]\n${alices}${guarded}`
    const gateway = await startGateway(t, yaml)
    const open = await RawClient.connectTls(t, gateway.port, pairOf(alice))
    const { session } = await connectKeeping(t, gateway.port, pairOf(alice))
    const bytes = await session
    assert.deepEqual(await resume(t, gateway.port, { session: bytes }), [true, 200])
    copyFileSync(authority.revoke([alice]), list)
    assert.match(await gateway.reload(yaml), /reloaded/)
    assert.equal(await statusOn(open), 200)
    assert.match(await refusal(t, gateway.port, pairOf(alice)), /^ERR_SSL_.*REVOKED/)
    assert.deepEqual(await resume(t, gateway.port, { session: bytes }), [false, 0])
    copyFileSync(authority.revoke([], { ended: true }), list)
    assert.match(await gateway.reload(yaml), /refused|failed/)
    assert.match(gateway.logs(), /clientCrl: .*a revocation list that ended on 2001-01-01T00:00:00\.000Z/)
  })
})
