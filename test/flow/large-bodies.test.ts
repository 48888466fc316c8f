// Pins: bodies far larger than any buffer come through whole, in each direction, whichever side is the slower one, and
// the same again on the same connections.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startUpstream } from '../helpers/upstream.ts'

const bodyBytes = 256 * 1024 ** 2
// Not a power of two, and never the same at a multiple of a buffer's size: a piece lost or doubled changes the digest.
const chunk = randomBytes(262_147)
const pauseEveryBytes = 4 * 1024 ** 2

const expectedDigest = ((): string => {
  const hash = createHash('sha256')
  for (let sent = 0; sent < bodyBytes; sent += chunk.length) hash.update(chunk.subarray(0, bodyBytes - sent))
  return hash.digest('hex')
})()

/** `slow`: lets the sender get ahead again and again. */
async function digest(stream: IncomingMessage, slow: boolean): Promise<string> {
  const hash = createHash('sha256')
  let sincePause = 0
  for await (const part of stream as AsyncIterable<Buffer>) {
    hash.update(part)
    sincePause += part.length
    if (slow && sincePause >= pauseEveryBytes) {
      sincePause = 0
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }
  return hash.digest('hex')
}

interface Sink {
  write(chunk: Buffer): boolean
  once(event: 'drain', listener: () => void): unknown
  end(): unknown
}

async function send(sink: Sink): Promise<void> {
  for (let sent = 0; sent < bodyBytes; sent += chunk.length) {
    if (!sink.write(chunk.subarray(0, bodyBytes - sent)))
      await new Promise<void>(resolve => sink.once('drain', resolve))
  }
  sink.end()
}

async function start(scope: Scope): Promise<{ port: number; agent: Agent; logs: () => string }> {
  const upstream = await startUpstream(scope, (req, res) => {
    const slow = req.url?.includes('slow') === true
    if (req.method === 'GET') {
      if (req.url?.includes('length')) res.setHeader('content-length', bodyBytes)
      void send(res)
    } else {
      digest(req, slow).then(
        hash => res.end(hash),
        () => res.destroy(),
      )
    }
  })
  const gateway = await startGateway(
    scope,
    `accessLog: true
upstreams: { upstream: { peers: [ { url: "${upstream.url}" } ] } }
routes: [ { name: everything, match: { path: "/*" }, upstream: upstream } ]`,
  )
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  scope.after(() => agent.destroy())
  return { port: gateway.port, agent, logs: gateway.logs }
}

/** Resolves with the digest that the receiving side has made. */
function exchange(port: number, agent: Agent, method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = method === 'POST' && path.includes('length') ? { 'content-length': bodyBytes } : {}
    const sent = request({ host: '127.0.0.1', port, agent, method, path, headers }, response => {
      if (response.statusCode !== 200) return reject(new Error(`${path} answered ${response.statusCode}`))
      if (method === 'GET') return void digest(response, path.includes('slow')).then(resolve, reject)
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve(text)).on('error', reject)
    })
    sent.on('error', reject)
    if (method === 'POST') send(sent).catch(reject)
    else sent.end()
  })
}

for (const [method, direction] of [
  ['GET', 'down'],
  ['POST', 'up'],
] as const) {
  test(`256 MiB ${direction}, with a length and chunked, to a fast and to a slow reader, twice`, async t => {
    const { port, agent, logs } = await start(t)
    for (const path of [
      '/length/fast',
      '/length/slow',
      '/chunked/fast',
      '/chunked/slow',
      '/length/slow',
      '/length/fast',
    ]) {
      const received = await within(60_000, path, exchange(port, agent, method, path)).catch((error: Error) => {
        throw new Error(`${path}: ${error.message}\n${logs()}`)
      })
      assert.equal(received, expectedDigest, path)
    }
  })
}
