// Pins: a request may announce any length below 2^63, padded with zeros or not; the upstream reads that number, once,
// and the body's first bytes with it. Beyond, and past 32 digits, it is refused and the upstream sees nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

const lengths: readonly (readonly [written: string, forwarded: string | null])[] = [
  ['9223372036854775808', null],
  ['18446744073709551621', null],
  ['99999999999999999999999999999999', null],
  ['0'.repeat(27) + '100000', null],
  ['999999999999999999', '999999999999999999'],
  ['1000000000000000000', '1000000000000000000'],
  ['4611686018427387904', '4611686018427387904'],
  ['9223372036854775807', '9223372036854775807'],
  ['0000000000000009223372036854775807'.slice(-32), '9223372036854775807'],
  ['0'.repeat(26) + '100000', '100000'],
]

test('announced lengths', async t => {
  const heads: string[] = []
  const upstream = await startRawUpstream(t, async (socket, received) => {
    const bytes = await received('hello')
    heads.push(bytes.toString('latin1'))
    socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  const gateway = await startGateway(
    t,
    `limits: { maxBodyBytes: 0 }
upstreams: { all: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: {}, upstream: all } ]
`,
  )
  for (const [written, forwarded] of lengths) {
    heads.length = 0
    const client = await RawClient.connect(t, gateway.port)
    await client.send(`POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: ${written}\r\n\r\nhello`)
    const { finals } = await client.finals(1)
    assert.equal(statusOf(finals[0]!), forwarded === null ? 400 : 200, written)
    assert.equal(heads.length, forwarded === null ? 0 : 1, written)
    if (forwarded === null) continue
    const fields = heads[0]!.split('\r\n').filter(line => /^content-length:/i.test(line))
    assert.deepEqual(
      fields.map(line => line.toLowerCase()),
      [`content-length: ${forwarded}`],
    )
    assert.ok(heads[0]!.endsWith('\r\n\r\nhello'))
  }
})
