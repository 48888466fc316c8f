// Pins by which address a consistent hash on the address chooses: the one that trusted proxies vouch for, so that the
// clients behind a proxy are spread, and the peer's own where nobody is trusted, whatever it claims.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

/** Which of three peers answers for each X-Forwarded-For. */
async function peersFor(t: TestContext, more: string, forwardedFor: readonly string[]): Promise<string[]> {
  const names = ['a', 'b', 'c']
  const peers = await Promise.all(names.map(name => startUpstream(t, (_, response) => void response.end(name))))
  const gateway = await startGateway(
    t,
    `${more}
upstreams:
  up:
    balance: { kind: consistent-hash, on: { address: true } }
    peers: [ ${peers.map(({ url }) => `{ url: "${url}" }`).join(', ')} ]
routes: [ { name: all, match: {}, upstream: up } ]
`,
  )
  const found: string[] = []
  for (const address of forwardedFor) {
    const answer = await fetch(gateway.url, { headers: { 'x-forwarded-for': address } })
    found.push(await answer.text())
  }
  return found
}

const clients = Array.from({ length: 24 }, (_, at) => `192.0.2.${at + 1}`)

test('nobody is trusted: what a client claims moves it nowhere', async t => {
  const found = await peersFor(t, '', clients)
  assert.equal(new Set(found).size, 1)
})

test('a trusted proxy: each of its clients has a peer of its own, and keeps it', async t => {
  const trusting = 'forwarded: { trustedProxies: [ 127.0.0.0/8 ] }'
  const found = await peersFor(t, trusting, [...clients, ...clients, ...clients.map(one => `203.0.113.9, ${one}`)])
  const [first, second, forged] = [0, 1, 2].map(nth => found.slice(nth * clients.length, (nth + 1) * clients.length))
  assert.equal(new Set(first).size, 3)
  assert.deepEqual(second, first)
  assert.deepEqual(forged, first, 'what a client writes before its proxy does not count')
})
