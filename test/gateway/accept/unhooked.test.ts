// Pins listeners where the front end cannot be hooked: TLS, certificates by name, versions and timers are then its own,
// and what it cannot do (insist on client certificates) is refused instead of being left out.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import type { ListenPlan, ListenTlsPlan } from '../../../ts/config/plan.ts'
import { loadFrontEnd } from '../../../ts/gateway/accept/front-end.ts'
import { Listeners } from '../../../ts/gateway/accept/listeners.ts'
import { makeAuthority, type Certificate } from '../../helpers/certificates.ts'
import { freePort } from '../../helpers/ports.ts'

const frontEnd = loadFrontEnd({ hooks: false })

const entry = ({ certificate, key }: Certificate, ...hosts: string[]) => ({ certificate, key, hosts })

const tlsOf = (fingerprint: string, certificates: ListenTlsPlan['certificates'], more = {}): ListenTlsPlan => ({
  certificates,
  clientCa: null,
  clientCertificate: 'required',
  clientCrl: null,
  minVersion: '1.2',
  fingerprint,
  contents: {},
  ...more,
})

/** Answers with the Host that was asked for. */
function listenersOf(t: TestContext): Listeners {
  const listeners = new Listeners({
    frontEnd,
    unixSockets: true,
    handlers: {
      request: (response, request, listener) => void response.end(`${listener.scheme} ${request.getHeader('host')}`),
      listening: () => {},
      webSockets: () => {},
    },
  })
  t.after(async () => {
    await listeners.stop()
    listeners.closeAll()
  })
  return listeners
}

async function fetchName(port: number, servername: string, more = {}): Promise<[name: string, body: string]> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, servername, ...more })
  try {
    await once(socket, 'secureConnect')
    socket.write(`GET / HTTP/1.1\r\nHost: ${servername}\r\n\r\n`)
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    return [String(socket.getPeerCertificate().subject.CN), bytes.toString().split('\r\n\r\n')[1]!]
  } finally {
    socket.destroy()
  }
}

test('it is not hooked', () => assert.equal(frontEnd.hooked, false))

test('client certificates are refused, and the port is free again', async t => {
  const port = await freePort()
  const authority = makeAuthority(t)
  const listeners = listenersOf(t)
  const tls = tlsOf('1', [entry(authority.issue('a.example'))], { clientCa: authority.certificate })
  const plan: ListenPlan = { address: '127.0.0.1', port, unix: null, tls }
  assert.throws(() => listeners.prepare([plan]), {
    message: `the TLS listener 127.0.0.1:${port}: client certificates are not supported on this platform`,
  })
  const socket = connectTcp(port, '127.0.0.1')
  assert.equal(((await once(socket, 'error')) as [NodeJS.ErrnoException])[0].code, 'ECONNREFUSED')
})

test('certificates by name, each with the same routes; others after a reload; TLS 1.3 alone', async t => {
  const port = await freePort()
  const authority = makeAuthority(t)
  const [first, named, renewed] = ['first.example', 'named.example', 'renewed.example'].map(name =>
    authority.issue(name),
  )
  const listeners = listenersOf(t)
  const use = (tls: ListenTlsPlan): Promise<void> =>
    listeners.prepare([{ address: '127.0.0.1', port, unix: null, tls }]).commit({ drainMs: 0, idleMs: 1000 })
  await use(tlsOf('1', [entry(first!), entry(named!, 'named.example')]))
  assert.deepEqual(await fetchName(port, 'other.example'), ['first.example', 'https other.example'])
  assert.deepEqual(await fetchName(port, 'named.example'), ['named.example', 'https named.example'])
  assert.deepEqual(await fetchName(port, 'other.example', { maxVersion: 'TLSv1.2' }), [
    'first.example',
    'https other.example',
  ])
  await use(tlsOf('2', [entry(renewed!)], { minVersion: '1.3' }))
  assert.deepEqual(await fetchName(port, 'named.example'), ['renewed.example', 'https named.example'])
  await assert.rejects(fetchName(port, 'named.example', { maxVersion: 'TLSv1.2' }))
})

test('the front end’s own timers close a client that says nothing', { timeout: 30_000 }, async t => {
  const port = await freePort()
  const listeners = listenersOf(t)
  const idleMs = 1000
  await listeners.prepare([{ address: '127.0.0.1', port, unix: null, tls: null }]).commit({ drainMs: 0, idleMs })
  const sinceMs = performance.now()
  const socket = connectTcp(port, '127.0.0.1')
  t.after(() => socket.destroy())
  await once(socket.resume(), 'close')
  assert.ok(performance.now() - sinceMs >= idleMs)
})
