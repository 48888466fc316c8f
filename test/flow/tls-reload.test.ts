// Pins that certificates are renewed without a drop: open connections and requests in flight go on, new connections get
// the new certificate, nobody is refused meanwhile. What cannot be used is refused, and the old one stays in force, also
// for workers that are started then.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { makeAuthority, type Authority, type Certificate } from '../helpers/certificates.ts'
import { startGateway, type GatewayOptions, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

interface Site {
  readonly gateway: RunningGateway
  readonly authority: Authority
  readonly yaml: (tls?: string) => string
  /** Puts a certificate in the place of the one in use. */
  readonly use: (certificate: Certificate) => void
  /** Requests to /hold. */
  readonly held: ServerResponse[]
  /** Until so many are held. */
  readonly holds: (count: number) => Promise<void>
}

async function startSite(t: TestContext, options: GatewayOptions & { workers?: number } = {}): Promise<Site> {
  const authority = makeAuthority(t)
  const held: ServerResponse[] = []
  let onHeld = (): void => {}
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url !== '/hold') return void response.end(request.url)
    held.push(response)
    onHeld()
  })
  const live = { certificate: join(authority.folder, 'live.pem'), key: join(authority.folder, 'live.key') }
  // Written beside and renamed, as tools that renew certificates do; the pair is changed one file after the other.
  const use = (certificate: Certificate): void => {
    for (const kind of ['certificate', 'key'] as const) {
      copyFileSync(certificate[kind], `${live[kind]}.new`)
      renameSync(`${live[kind]}.new`, live[kind])
    }
  }
  const yaml = (more = ''): string => `
listen: [ { address: 127.0.0.1, port: %PORT%, tls: { certificate: ${live.certificate}, key: ${live.key}${more} } } ]
workers: ${options.workers ?? 1}
upstreams: { up: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: up } ]
`
  use(authority.issue('old.example'))
  const gateway = await startGateway(t, yaml(), options)
  const holds = (count: number): Promise<void> =>
    new Promise(resolve => {
      onHeld = () => {
        if (held.length >= count) resolve()
      }
      onHeld()
    })
  return { gateway, authority, yaml, use, held, holds }
}

async function handshake(t: TestContext, port: number, more = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...more })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** Of a new connection. */
async function shown(t: TestContext, port: number, servername?: string): Promise<string> {
  const socket = await handshake(t, port, servername === undefined ? {} : { servername })
  const name = nameOf(socket)
  socket.destroy()
  return name
}

const nameOf = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject?.CN)

test('SIGHUP: new connections have the new certificate, open ones and requests in flight go on', async t => {
  const { gateway, authority, yaml, use, held, holds } = await startSite(t)
  const before = await handshake(t, gateway.port)
  assert.equal(nameOf(before), 'old.example')
  before.destroy()
  const kept = await RawClient.connectTls(t, gateway.port)
  await kept.send(get('/1'))
  await kept.finals(1)
  const waiting = await RawClient.connectTls(t, gateway.port)
  await waiting.send(get('/hold'))
  await holds(1)

  use(authority.issue('new.example'))
  assert.match(await gateway.reload(yaml()), /reloaded version=/)

  assert.equal(await shown(t, gateway.port), 'new.example')
  await kept.send(get('/2'))
  assert.deepEqual((await kept.finals(2)).finals.map(statusOf), [200, 200])
  held[0]!.end('held')
  const [answer] = (await waiting.finals(1)).finals
  assert.deepEqual([statusOf(answer!), answer!.body.toString()], [200, 'held'])
  assert.ok(!kept.closed && !waiting.closed)
})

test('ten renewals under load: no connection and no request fails', async t => {
  const { gateway, authority, yaml, use } = await startSite(t, { workers: 2 })
  const two = [authority.issue('a.example'), authority.issue('b.example')]
  let over = false
  let served = 0
  const names = new Set<string>()
  const ask = async (client: RawClient, count: number): Promise<void> => {
    for (let i = 1; i <= count && !over; i++) {
      await client.send(get(`/${i}`))
      const { finals } = await client.finals(i)
      assert.equal(finals.length, i, 'the connection ended')
      assert.equal(statusOf(finals.at(-1)!), 200)
      served++
    }
  }
  const reconnecting = async (): Promise<void> => {
    while (!over) {
      const client = await RawClient.connectTls(t, gateway.port)
      names.add(nameOf(client.socket as TLSSocket))
      await ask(client, 3)
      client.destroy()
    }
  }
  const keeping = async (): Promise<void> => ask(await RawClient.connectTls(t, gateway.port), Infinity)
  const load = Promise.all([reconnecting(), reconnecting(), reconnecting(), keeping(), keeping()])
  for (let i = 0; i < 10; i++) {
    use(two[i % 2]!)
    assert.match(await gateway.reload(yaml()), /reloaded version=/)
    const from = served
    while (served < from + 20) await Promise.race([load, new Promise(resolve => setImmediate(resolve))])
  }
  over = true
  await load
  assert.ok(names.has('a.example') && names.has('b.example'))
  assert.equal(await shown(t, gateway.port), 'b.example')
})

describe('a certificate that cannot be used: the reload is refused, the old one stays', () => {
  const bad: [string, RegExp, (authority: Authority, live: Certificate) => void][] = [
    [
      'another key',
      /is not the key of the certificate beside it/,
      (authority, live) => copyFileSync(authority.issue('other.example').key, live.key),
    ],
    ['garbage', /holds no certificate/, (_, live) => writeFileSync(live.certificate, 'garbage')],
    [
      'half a file',
      /holds no certificate|does not parse/,
      (_, live) => writeFileSync(live.certificate, readFileSync(live.certificate).subarray(0, 200)),
    ],
    [
      'an expired one',
      /expired on 2001/,
      (authority, live) => {
        const expired = authority.issue('old.example', { expired: true })
        copyFileSync(expired.certificate, live.certificate)
        copyFileSync(expired.key, live.key)
      },
    ],
  ]
  for (const [what, reason, spoil] of bad) {
    test(what, async t => {
      const { gateway, authority, yaml, use } = await startSite(t)
      const kept = await RawClient.connectTls(t, gateway.port)
      spoil(authority, { certificate: join(authority.folder, 'live.pem'), key: join(authority.folder, 'live.key') })
      const line = await gateway.reload(yaml())
      assert.match(line, /reload refused; the old plan stays/)
      assert.match(line, reason)
      assert.equal(await shown(t, gateway.port), 'old.example')
      await kept.send(get('/kept'))
      assert.equal((await kept.finals(1)).finals.length, 1)

      // A worker that starts now serves what is in force, not what lies on the disk.
      const [lost] = gateway.workers()
      const from = gateway.logs().length
      process.kill(lost!, 'SIGKILL')
      await gateway.line(/worker lost/, from)
      let name = ''
      while (name === '') name = await shown(t, gateway.port).catch(() => '')
      assert.equal(name, 'old.example')

      use(authority.issue('good.example'))
      assert.match(await gateway.reload(yaml()), /reloaded version=/)
      assert.equal(await shown(t, gateway.port), 'good.example')
    })
  }
})

test('server names and client certificates come and go with a reload', async t => {
  const { gateway, authority, yaml } = await startSite(t)
  const { certificate, key } = authority.issue('named.example')
  const named = `, sni: [ { hosts: [ named.example ], certificate: ${certificate}, key: ${key} } ]`
  assert.equal(await shown(t, gateway.port, 'named.example'), 'old.example')
  await gateway.reload(yaml(named))
  assert.equal(await shown(t, gateway.port, 'named.example'), 'named.example')
  await gateway.reload(yaml(`, clientCa: ${authority.certificate}, minVersion: "1.3"`))
  const stranger = await handshake(t, gateway.port)
  stranger.resume()
  const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException]
  assert.match(error.code!, /CERTIFICATE_REQUIRED/)
  await gateway.reload(yaml())
  assert.equal(await shown(t, gateway.port, 'named.example'), 'old.example')
})

test('a port changes from TLS to plain and back', async t => {
  const { gateway, yaml } = await startSite(t)
  const kept = await RawClient.connectTls(t, gateway.port)
  await gateway.reload(yaml().replace(/, tls: \{.*\} \}/, ' }'))
  // A connection of that moment may still have been given to the listener before.
  let status = 0
  while (status !== 200) {
    const client = await RawClient.connect(t, gateway.port)
    await client.send(get('/plain'))
    status = statusOf((await client.finals(1)).finals[0] ?? { startLine: 'HTTP/1.1 0 ' })
  }
  await kept.send(get('/kept'))
  assert.equal((await kept.finals(1)).finals.length, 1)
  await gateway.reload(yaml())
  let name = ''
  while (name === '') name = await shown(t, gateway.port).catch(() => '')
  assert.equal(name, 'old.example')
})

test('--watch: a renewed certificate needs no signal', async t => {
  const { gateway, authority, use } = await startSite(t, { args: ['--watch'] })
  const kept = await RawClient.connectTls(t, gateway.port)
  const from = gateway.logs().length
  use(authority.issue('watched.example'))
  await gateway.line(/reloaded version=/, from)
  assert.equal(await shown(t, gateway.port), 'watched.example')
  await kept.send(get('/kept'))
  assert.equal((await kept.finals(1)).finals.length, 1)
})
