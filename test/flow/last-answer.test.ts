// Pins the last answer on a connection, in each framing: well-formed to its last byte, it says `Connection: close` once,
// whether the client has asked for that or the gateway wants no more requests on it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { valuesOf } from '../helpers/wire.ts'

const waitMs = 5000
const largeBytes = 3_000_000

/** What the upstream sends, in pieces that it sends one after the other. */
const answers: Record<string, readonly string[]> = {
  'a length': ['Content-Length: 5\r\n\r\nhello'],
  'a length, in pieces': ['Content-Length: 10\r\n\r\nhello', 'world'],
  'a length, large': [`Content-Length: ${largeBytes}\r\n\r\n${'x'.repeat(largeBytes)}`],
  'a length of 0': ['Content-Length: 0\r\n\r\n'],
  chunks: ['Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
  'chunks, in pieces': ['Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', '5\r\nworld\r\n', '0\r\n\r\n'],
  'no length': ['Connection: close\r\n\r\nhello'],
}
const bodies: Record<string, number> = {
  'a length': 5,
  'a length, in pieces': 10,
  'a length, large': largeBytes,
  'a length of 0': 0,
  chunks: 5,
  'chunks, in pieces': 10,
  'no length': 5,
}

describe('the last answer on a connection', () => {
  const ends: (() => unknown)[] = []
  const scope: Scope = { after: end => void ends.push(end) }
  const gateways = new Map<number, RunningGateway>()

  before(async () => {
    const upstream = await startRawUpstream(scope, async (socket, received) => {
      const head = (await received('\r\n\r\n')).toString('latin1')
      const [method = '', path = ''] = head.split(' ')
      const pieces = answers[decodeURIComponent(path.slice(1))] ?? []
      const [first = '', ...more] = pieces
      const start = `HTTP/1.1 200 OK\r\n${first}`
      if (method === 'HEAD') return socket.end(start.slice(0, start.indexOf('\r\n\r\n') + 4))
      socket.write(start)
      for (const piece of more) {
        await new Promise(resolve => setTimeout(resolve, 20))
        socket.write(piece)
      }
      socket.end()
    })
    for (const limit of [0, 1]) {
      const yaml = `
limits: { maxRequestsPerConnection: ${limit} }
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: all, match: { path: "/*" }, upstream: upstream } ]
`
      gateways.set(limit, await startGateway(scope, yaml))
    }
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  for (const name of Object.keys(answers)) {
    for (const method of ['GET', 'HEAD']) {
      for (const wish of ['the client', 'the gateway']) {
        test(`${name}, to ${method}, when ${wish} wants it`, async t => {
          const byClient = wish === 'the client'
          const client = await RawClient.connect(t, gateways.get(byClient ? 0 : 1)!.port)
          const close = byClient ? 'Connection: close\r\n' : ''
          await client.send(`${method} /${encodeURIComponent(name)} HTTP/1.1\r\nHost: a\r\n${close}\r\n`)
          const { finals, rest } = await within(waitMs, 'the answer', client.finals(1, [method]))
          const [answer] = finals
          assert.ok(answer, rest.toString('latin1').slice(0, 500))
          assert.deepEqual(answer.faults, [])
          assert.equal(rest.length, 0)
          assert.equal(answer.body.length, method === 'HEAD' ? 0 : bodies[name])
          // A client that has said so need not be told.
          const said = valuesOf(answer, 'connection').join()
          assert.ok(said === 'close' || (byClient && said === ''), said)
          if (byClient) await within(waitMs, 'the end of the connection', client.ended())
        })
      }
    }
  }
})
