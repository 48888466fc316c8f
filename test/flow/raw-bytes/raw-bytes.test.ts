// Pins: for every raw byte string on the socket the upstream sees nothing, or exactly the well-framed requests that
// the client's answers correspond to; the next request on the connection and the next client are unharmed. The byte
// strings are in cases/*.jsonl, one a line, named FILE/WHAT. Over TLS it is the same.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { makeAuthority } from '../../helpers/certificates.ts'
import { startGateway } from '../../helpers/gateway.ts'
import { freePort } from '../../helpers/ports.ts'
import { startRecorder } from '../../helpers/recorder.ts'
import { within, type Scope } from '../../helpers/scope.ts'
import { statusOf } from '../../helpers/wire.ts'
import { open, probe, replay, type RawCase, type Target } from './replay.ts'

const folder = join(import.meta.dirname, 'cases')
const cases = readdirSync(folder)
  .filter(name => name.endsWith('.jsonl'))
  .flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean))
  .map(line => JSON.parse(line) as RawCase)

const recordingConfig = (upstreamUrl: string, tls: string): string => `
listen: [ { address: 127.0.0.1, port: %PORT% }, ${tls} ]
upstreams: { recorder: { peers: [ { url: "${upstreamUrl}" } ] } }
routes: [ { name: everything, match: { path: "/*" }, upstream: recorder, webSocket: false } ]
`

const ends: (() => unknown)[] = []
const suite: Scope = { after: end => void ends.unshift(end) }
const targets: Target[] = []

before(async () => {
  const recorder = await startRecorder(suite)
  const { certificate, key } = makeAuthority(suite).issue('localhost')
  const tlsPort = await freePort()
  const tls = `{ address: 127.0.0.1, port: ${tlsPort}, tls: { certificate: ${certificate}, key: ${key} } }`
  const gateway = await startGateway(suite, recordingConfig(recorder.url, tls))
  targets.push({ port: gateway.port, tls: false, recorder }, { port: tlsPort, tls: true, recorder })
})
after(async () => {
  for (const end of ends) await end()
})

for (const [index, way] of ['raw bytes', 'raw bytes over TLS'].entries()) describe(way, () => rawBytes(index))

function rawBytes(index: number): void {
  let target: Target
  before(() => (target = targets[index]!))

  test('there are cases', () => assert.ok(cases.length > 300))

  for (const one of cases) {
    test(one.id, async t => assert.deepEqual(await replay(t, target, one), []))
  }

  test('a head of 1 MiB is refused, and the next client is served', async t => {
    for (const head of [`X-Long: ${'a'.repeat(1 << 20)}\r\n`, 'X-A: b\r\n'.repeat((1 << 20) / 8)]) {
      target.recorder.reset()
      const client = await open(t, target)
      void client.send(`GET /p HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\n${head}\r\n`)
      await within(5000, 'the end of the connection', client.ended())
      const [answer] = client.answers().finals
      // The answer may be lost to a reset when the client was still sending; it is never a success.
      if (answer) assert.equal(statusOf(answer), 431)
      await probe(t, target)
      assert.equal(target.recorder.requests.length, 1)
    }
  })

  test('a target of 1 MiB is refused, and the next client is served', async t => {
    target.recorder.reset()
    const client = await open(t, target)
    void client.send(`GET /${'a'.repeat(1 << 20)} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\n\r\n`)
    await within(5000, 'the end of the connection', client.ended())
    await probe(t, target)
    assert.equal(target.recorder.requests.length, 1)
  })

  test('a million bytes without a line end are refused', async t => {
    const client = await open(t, target)
    void client.send('A'.repeat(1_000_000))
    await within(5000, 'the end of the connection', client.ended())
    await probe(t, target)
  })

  test('a thousand pipelined requests are answered in order', async t => {
    target.recorder.reset()
    const client = await open(t, target)
    const count = 1000
    const one = (i: number): string => `GET /${i} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\n\r\n`
    await client.send(Array.from({ length: count }, (_, i) => one(i)).join(''))
    const { finals } = await within(20_000, 'the answers', client.finals(count))
    const targets = finals.map(answer => answer.headers.find(([name]) => name.toLowerCase() === 'x-target')?.[1])
    assert.deepEqual(
      targets,
      Array.from({ length: count }, (_, i) => `/${i}`),
    )
  })
}
