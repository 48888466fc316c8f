// Pins limits on requests in flight through a whole gateway: counted over all workers, given back however a request
// ends, held by a WebSocket for as long as it lives, and by a killed worker for no longer than its lease.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric } from '../helpers/metrics.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startUpstream } from '../helpers/upstream.ts'

const waitMs = 20_000
/** Leases live for 10 to 12.5 seconds. */
const leaseWaitMs = 30_000

interface Holding {
  readonly url: string
  readonly held: ServerResponse[]
  /** Resolves once so many requests have come. */
  arrived(count: number): Promise<void>
}

/** An upstream that keeps each request until the test answers it. */
async function startHolding(t: Scope): Promise<Holding> {
  const held: ServerResponse[] = []
  const checks = new Set<() => void>()
  const { url } = await startUpstream(t, (_request, response) => {
    held.push(response)
    for (const check of checks) check()
  })
  const arrived = (count: number): Promise<void> => {
    const coming = new Promise<void>(resolve => {
      const check = (): void => {
        if (held.length >= count) resolve()
      }
      checks.add(check)
      check()
    })
    return within(waitMs, `${count} requests at the upstream`, coming)
  }
  return { url, held, arrived }
}

const forwarding = (url: string, guards: string): string =>
  `upstreams: { held: { peers: [ { url: "${url}" } ], retries: 0 } }
routes: [ { name: a, match: { path: "/*" }, upstream: held, webSocket: true, guards: [ ${guards} ] } ]\n`

const outcome = (word: string): string =>
  `polygate_guard_decisions_total{http_route="a",guard="concurrency",outcome="${word}"}`

interface Asked {
  readonly request: ClientRequest
  /** Rejects when it is given up. */
  readonly answer: Promise<IncomingMessage>
}

/** On a connection of its own. */
function ask(t: Scope, gateway: RunningGateway, headers: Record<string, string> = {}): Asked {
  const sent = request({ port: gateway.port, host: '127.0.0.1', agent: false, headers })
  t.after(() => sent.destroy())
  const answer = once(sent, 'response').then(([response]) => (response as IncomingMessage).resume())
  answer.catch(() => {})
  sent.end()
  return { request: sent, answer }
}

/** Asks again and again until the upstream gets one, which stays there. */
async function untilFree(t: Scope, gateway: RunningGateway, upstream: Holding, ms = waitMs): Promise<Asked> {
  const before = upstream.held.length
  let last: Asked | null = null
  const asking = async (): Promise<void> => {
    while (upstream.held.length === before) {
      last = ask(t, gateway)
      const first = await Promise.race([upstream.arrived(before + 1), last.answer])
      if (first !== undefined) await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  await within(ms, 'a free place', asking())
  return last!
}

test('over two workers so many at once and not one more, and each end gives a place back', async t => {
  const upstream = await startHolding(t)
  const gateway = await startGateway(
    t,
    `workers: 2\n${forwarding(upstream.url, '{ concurrency: { limit: 6, by: route } }')}`,
  )
  const asked = Array.from({ length: 24 }, () => ask(t, gateway))
  const refusals: IncomingMessage[] = []
  for (const { answer } of asked) void answer.then(response => refusals.push(response)).catch(() => {})
  await upstream.arrived(6)
  await untilMetric(gateway, outcome('limited'), 18)
  await untilMetric(gateway, outcome('admitted'), 6)
  assert.equal(upstream.held.length, 6)
  const [refused] = refusals
  assert.equal(refused?.statusCode, 429)
  assert.equal(refused.headers['retry-after'], '1')
  const again = await fetch(gateway.url)
  const { code, detail } = (await again.json()) as { code: string; detail: string }
  assert.deepEqual([again.status, code, detail], [429, 'rate_limited', 'too many requests at once'])
  // An answer, a client that goes away while it waits, an upstream that breaks off: each makes room for one.
  upstream.held[0]!.end('done')
  const next = await untilFree(t, gateway, upstream)
  next.request.destroy()
  await untilFree(t, gateway, upstream)
  upstream.held[1]!.destroy()
  await untilFree(t, gateway, upstream)
  const half = upstream.held[2]!
  half.writeHead(200, { 'content-length': '10' }).write('half')
  half.destroy()
  await untilFree(t, gateway, upstream)
  assert.equal((await fetch(gateway.url)).status, 429)
})

test('each has places of its own, by consumer, key and header', async t => {
  const upstream = await startHolding(t)
  for (const [by, first, same, other] of [
    ['consumer', { k: 'key-1-of-alice' }, { k: 'key-2-of-alice' }, { k: 'key-of-bob' }],
    ['key', { k: 'key-1-of-alice' }, { k: 'key-1-of-alice' }, { k: 'key-2-of-alice' }],
    ['header:x-team', { k: 'key-of-bob', 'x-team': 'a' }, { k: 'key-1-of-alice', 'x-team': 'a' }, { k: 'key-of-bob' }],
  ] as const) {
    const gateway = await startGateway(
      t,
      `consumers: { alice: { keys: [ key-1-of-alice, key-2-of-alice ] }, bob: { keys: [ key-of-bob ] } }
${forwarding(upstream.url, `{ key: { header: k } }, { concurrency: { limit: 1, by: "${by}" } }`)}`,
    )
    const before = upstream.held.length
    ask(t, gateway, first)
    await upstream.arrived(before + 1)
    assert.equal((await fetch(gateway.url, { headers: same })).status, 429, by)
    ask(t, gateway, other)
    await upstream.arrived(before + 2)
  }
})

test('what another limit refuses holds no place, and what finds no place counts in no other limit', async t => {
  const upstream = await startHolding(t)
  const gateway = await startGateway(
    t,
    forwarding(
      upstream.url,
      '{ quota: { limit: 3, per: month, by: route } }, { ipDeny: [ "192.0.2.1" ] }, { concurrency: { limit: 2, by: route } }, { rateLimit: { limit: 2, per: 24h, by: "header:x" } }',
    ),
  )
  const [one, two] = [ask(t, gateway, { x: 'a' }), ask(t, gateway, { x: 'b' })]
  await upstream.arrived(2)
  for (let nth = 0; nth < 5; nth++) {
    const refused = await fetch(gateway.url, { headers: { x: 'a' } })
    assert.equal(((await refused.json()) as { detail: string }).detail, 'too many requests at once')
  }
  upstream.held[0]!.end()
  upstream.held[1]!.end()
  await Promise.all([one.answer, two.answer])
  // The quota has one left of its three, and the rate for each has one of two.
  ask(t, gateway, { x: 'a' })
  await upstream.arrived(3)
  const used = await fetch(gateway.url, { headers: { x: 'b' } })
  assert.equal(((await used.json()) as { code: string }).code, 'quota_exceeded')
})

test('a WebSocket holds its place until either side closes it', async t => {
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  t.after(() => {
    for (const client of sockets.clients) client.terminate()
    sockets.close()
  })
  await once(sockets, 'listening')
  const url = `http://127.0.0.1:${(sockets.address() as AddressInfo).port}`
  const gateway = await startGateway(t, forwarding(url, '{ concurrency: { limit: 1 } }'))
  const dial = async (): Promise<WebSocket | null> => {
    const socket = new WebSocket(gateway.url.replace('http', 'ws'))
    t.after(() => socket.terminate())
    const [opened] = await Promise.race([once(socket, 'open').then(() => [true]), once(socket, 'error')])
    return opened === true ? socket : null
  }
  const untilOpen = async (): Promise<WebSocket> => {
    for (;;) {
      const socket = await dial()
      if (socket !== null) return socket
      await new Promise(resolve => setTimeout(resolve, 25))
    }
  }
  const first = await dial()
  assert.ok(first)
  assert.equal(await dial(), null)
  // A reload on the same file takes no place away.
  await gateway.reload(forwarding(url, '{ concurrency: { limit: 1 } }, { ipDeny: [ "192.0.2.1" ] }'))
  assert.equal(await dial(), null)
  first.close()
  const second = await within(waitMs, 'a place after the client closed', untilOpen())
  assert.equal(await dial(), null)
  for (const client of sockets.clients) client.close()
  await once(second, 'close')
  const third = await within(waitMs, 'a place after the upstream closed', untilOpen())
  third.terminate()
  await within(waitMs, 'a place after the client was gone', untilOpen())
})

/** A file that several gateways count in. */
function sharedFile(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-places-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'counts')
}

test('the places of a killed worker come back with their lease; one that lives keeps its own for longer', async t => {
  const upstream = await startHolding(t)
  const yaml = `counting: { file: "${sharedFile(t)}" }\n${forwarding(upstream.url, '{ concurrency: { limit: 4, by: "header:x" } }')}`
  const [killed, living] = [await startGateway(t, yaml), await startGateway(t, yaml)]
  const kept = ask(t, living)
  const lost = [ask(t, killed), ask(t, killed), ask(t, killed)]
  await upstream.arrived(4)
  process.kill(killed.workers()[0]!, 'SIGKILL')
  for (const { answer } of lost) await assert.rejects(answer)
  await killed.line(/ended|replac|restart|lost/i)
  assert.equal((await fetch(living.url)).status, 429, 'not before the lease is over')
  for (let nth = 0; nth < 3; nth++) await untilFree(t, living, upstream, leaseWaitMs)
  assert.equal((await fetch(living.url)).status, 429)
  upstream.held[0]!.end()
  await kept.answer
  await untilFree(t, living, upstream)
  assert.equal((await fetch(living.url)).status, 429)
})

test('a gateway that stops gives all places back', async t => {
  const upstream = await startHolding(t)
  const yaml = `counting: { file: "${sharedFile(t)}" }
timeouts: { drainMs: 200 }
${forwarding(upstream.url, '{ concurrency: { limit: 1 } }')}`
  const [first, second] = [await startGateway(t, yaml), await startGateway(t, yaml)]
  ask(t, first)
  await upstream.arrived(1)
  assert.equal((await fetch(second.url)).status, 429)
  await first.stop()
  ask(t, second)
  await upstream.arrived(2)
})
