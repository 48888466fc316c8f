// Pins what signature guards remember, through whole gateways: a request is accepted once by two workers together, and
// after one is killed, a reload, a restart, a crash of all; by two gateways on one file; what a full file does to those
// that come and to those that are remembered; and that a signature of Mashery's, bound to an address, is that address's.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { untilLogged } from '../helpers/access-log.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetric, untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import {
  ask,
  bytesOf,
  cavageRequest as signedRequest,
  linesOf,
  type Answered,
  type Sent,
} from '../helpers/signed-requests.ts'
import { hmacKey, mashery, message, nowSeconds, sigV4, standardWebhook } from '../helpers/signers.ts'
import { statusOf } from '../helpers/wire.ts'

const waitMs = 20_000
const signer = { keyId: 'alice-key', secret: 'alices-own-secret', host: 'api.example' }
const { keyId, secret, host } = signer
const webhookSecret = `whsec_${Buffer.from('twenty-four-bytes-secret').toString('base64')}`

/** Outlives the gateway, so that another one finds what it has remembered. */
function stateFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-replays-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const route = (name: string, guard: string): string =>
  `  - { name: ${name}, match: { path: "/${name}/*" }, respond: {}, guards: [ { signature: { ${guard} } } ] }\n`

const consumers = `consumers:
  alice:
    signing:
      - { scheme: cavage, keyId: ${keyId}, secret: ${secret} }
      - { scheme: rfc9421, keyId: ${keyId}, secret: ${secret} }
      - { scheme: sigv4, keyId: ${keyId}, secret: ${secret} }
      - { scheme: standard-webhooks, secret: ${webhookSecret} }
      - { scheme: mashery-sha256, keyId: ${keyId}, secret: ${secret} }
`
const config = `accessLog: { target: access.log }
${consumers}routes:
${route('cavage', 'scheme: cavage')}${route('rfc9421', 'scheme: rfc9421')}${route('sigv4', 'scheme: sigv4, region: r, service: s')}${route('hook', 'scheme: standard-webhooks')}`

/** One of each scheme that can tell a replay; of RFC 9421 also by its nonce, under another signature. */
function oneOfEach(): Sent[] {
  const messageOf = (parameters: string, target = '/rfc9421/a'): Sent => {
    const signable = { method: 'POST', target, headers: {}, authority: host }
    const signed = message(signable, hmacKey(keyId, secret), ['@method', '@target-uri'], { parameters })
    return { target, lines: [`host: ${host}`, ...linesOf(signed)], body: null }
  }
  const aws = sigV4('POST', '/sigv4/a', { host, keyId, secret, region: 'r', service: 's', body: 'x' })
  const hook = standardWebhook(webhookSecret, '{}')
  return [
    signedRequest(signer, '/cavage/a'),
    signedRequest(signer, '/cavage/b', 'x'),
    messageOf(''),
    messageOf(';nonce="a1b2"'),
    { target: '/sigv4/a', lines: [`host: ${host}`, ...linesOf(aws)], body: 'x' },
    { target: '/hook/', lines: [`host: ${host}`, ...linesOf(hook)], body: '{}' },
  ]
}

/** How many clients each worker has. */
function connectionsOf(gateway: RunningGateway): number[] {
  const port = gateway.port.toString(16).toUpperCase().padStart(4, '0')
  const established = new Set<string>()
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
    if (local.endsWith(`:${port}`) && state === '01') established.add(`socket:[${inode}]`)
  }
  return gateway.workers().map(pid => {
    const sockets = readdirSync(`/proc/${pid}/fd`).map(fd => readlink(`/proc/${pid}/fd/${fd}`))
    return sockets.filter(socket => established.has(socket)).length
  })
}

/** '' when it has been closed meanwhile. */
function readlink(name: string): string {
  try {
    return readlinkSync(name)
  } catch {
    return ''
  }
}

/** Connections of which both workers have some; one that has just been started may have to be waited for. */
async function connectToBoth(t: Scope, gateway: RunningGateway): Promise<RawClient[]> {
  const connecting = async (): Promise<RawClient[]> => {
    for (;;) {
      const clients = await Promise.all(Array.from({ length: 24 }, () => RawClient.connect(t, gateway.port)))
      let counts = connectionsOf(gateway)
      while (sum(counts) < clients.length) counts = await pause().then(() => connectionsOf(gateway))
      if (counts.length === 2 && counts.every(count => count > 0)) return clients
      for (const client of clients) client.destroy()
      while (sum(connectionsOf(gateway)) > 0) await pause()
    }
  }
  return within(waitMs, 'connections to both workers', connecting())
}

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0)
const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 10))

/** The same request on every connection, all at once: the statuses. */
async function sendToAll(clients: readonly RawClient[], sent: Sent, nth: number): Promise<number[]> {
  await Promise.all(clients.map(client => client.send(bytesOf(sent))))
  const answers = await within(waitMs, sent.target, Promise.all(clients.map(client => client.finals(nth + 1))))
  return answers.map(({ finals }) => statusOf(finals[nth]!)).sort()
}

const twoWorkers = (gateway: RunningGateway): Promise<unknown> =>
  untilMetrics(gateway, 'two workers', () => gateway.workers().length === 2)

test('two workers accept a request once, and none after a kill, a reload, a restart or a crash', async t => {
  const options = { env: { POLYGATE_STATE_DIR: stateFolder(t) } }
  const yaml = `workers: 2\n${config}`
  const gateway = await startGateway(t, yaml, options)
  await twoWorkers(gateway)
  const clients = await connectToBoth(t, gateway)
  const requests = oneOfEach()
  const once = [200, ...Array.from({ length: clients.length - 1 }, () => 401)]
  for (const [nth, sent] of requests.entries()) {
    assert.deepEqual(await sendToAll(clients, sent, nth), once, sent.target)
  }
  for (const client of clients) client.destroy()

  const refusedBy = async (what: string, one: RunningGateway): Promise<void> => {
    await twoWorkers(one)
    const all = await connectToBoth(t, one)
    for (const [nth, sent] of requests.entries()) {
      const statuses = await sendToAll(all, sent, nth)
      assert.deepEqual([...new Set(statuses)], [401], `${what}: ${sent.target}`)
    }
    for (const client of all) client.destroy()
    assert.equal((await ask(t, one.port, signedRequest(signer, `/cavage/${what}`))).status, 200, what)
  }
  const [killed] = gateway.workers()
  process.kill(killed!, 'SIGKILL')
  await gateway.line(/ended|replac|restart|lost/i)
  await untilMetrics(gateway, 'another worker', () => !gateway.workers().includes(killed!))
  await refusedBy('killed', gateway)
  assert.match(await gateway.reload(`${yaml}# the same\n`), /reloaded/)
  await refusedBy('reloaded', gateway)
  // What the killed worker wrote last may be missing.
  const logged = await untilLogged(gateway, clients.length * requests.length * 2 + 2)
  const reasons = new Set(logged.map(({ reason }) => reason))
  assert.deepEqual([...reasons].sort(), ['', 'signature replayed'])
  assert.equal(await gateway.stop(), 0)

  const restarted = await startGateway(t, yaml, options)
  await refusedBy('restarted', restarted)
  const workers = restarted.workers()
  restarted.signal('SIGKILL')
  for (const pid of workers) process.kill(pid, 'SIGKILL')
  await restarted.exited
  await refusedBy('crashed', await startGateway(t, yaml, options))
})

test('two gateways: with one file they accept a request once, with a file each each of them does', async t => {
  const options = { env: { POLYGATE_STATE_DIR: stateFolder(t) } }
  const [one, other] = [await startGateway(t, config, options), await startGateway(t, config, options)]
  const apart = await startGateway(t, config)
  for (const sent of oneOfEach()) {
    const statuses: number[] = []
    for (const gateway of [one, other, one, apart, apart]) statuses.push((await ask(t, gateway.port, sent)).status)
    assert.deepEqual(statuses, [200, 401, 401, 200, 401], sent.target)
  }
})

test('a file that is harmed while it is open forgets, says so, and remembers again', async t => {
  const state = stateFolder(t)
  const gateway = await startGateway(t, config, { env: { POLYGATE_STATE_DIR: state } })
  const sent = signedRequest(signer, '/cavage/a')
  const statusOfIt = async (): Promise<number> => (await ask(t, gateway.port, sent)).status
  assert.deepEqual([await statusOfIt(), await statusOfIt()], [200, 401])
  truncateSync(join(state, 'limits'), 5000)
  // 503 for as long as there is no file, never 200 without a memory of it.
  const again: number[] = []
  const untilAccepted = async (): Promise<void> => {
    while (again.at(-1) !== 200) again.push(await statusOfIt())
  }
  await within(waitMs, 'remembering again', untilAccepted())
  for (const status of again.slice(0, -1)) assert.equal(status, 503)
  await gateway.line(/another program has changed the limits file/)
  assert.equal(await statusOfIt(), 401)
})

/** Pipelined: many requests are few turns of the loop. */
async function askAll(t: Scope, gateway: RunningGateway, all: readonly Sent[]): Promise<number[]> {
  const client = await RawClient.connect(t, gateway.port)
  await client.send(Buffer.concat(all.map(bytesOf)))
  const { finals } = await within(60_000, 'the answers', client.finals(all.length))
  client.destroy()
  return finals.map(statusOf)
}

const fullConfig = (onFailure: string): string => `counting: { keys: 100, replays: 1000 }
${consumers}routes:
${route('cavage', `scheme: cavage, onFailure: ${onFailure}`)}  - { name: once, match: { path: /once }, respond: {}, guards: [ { quota: { limit: 1, per: month, by: address } } ] }
`

test('a full file, closed: 503 for what it has no room for, and nothing that it remembers is forgotten', async t => {
  const gateway = await startGateway(t, fullConfig('closed'))
  const limited = async (): Promise<number> => (await fetch(`${gateway.url}/once`)).status
  assert.deepEqual([await limited(), await limited()], [200, 429])
  const requests = Array.from({ length: 4000 }, (_, n) => signedRequest(signer, `/cavage/${n}`))
  const first = await askAll(t, gateway, requests)
  const accepted = first.filter(status => status === 200).length
  assert.ok(accepted >= 1000 && accepted < 3000, `${accepted} found room`)
  assert.equal(first.filter(status => status === 503).length, requests.length - accepted)
  const second = await askAll(t, gateway, requests)
  for (const [n, status] of first.entries()) assert.equal(second[n], status === 200 ? 401 : 503, `request ${n}`)
  const full = requests[first.indexOf(503)]!
  const { code, retryAfter } = await ask(t, gateway.port, full)
  assert.deepEqual([code, retryAfter], ['store_unavailable', '1'])
  await gateway.line(/the limits file is full of requests that must not come again window=signature:cavage:once/)
  assert.equal(gateway.logs().split('the limits file is full').length, 2, 'said once')
  assert.equal(await limited(), 429, 'a limit that is used up stays so')
  const series = (outcome: string): string =>
    `polygate_guard_decisions_total{http_route="cavage",guard="signature",outcome="${outcome}"}`
  await untilMetric(gateway, series('admitted'), accepted)
  await untilMetric(gateway, series('store unavailable'), 2 * (requests.length - accepted) + 1)
})

test('a full file, open: what it has no room for passes, and passes again; what it remembers does not', async t => {
  const gateway = await startGateway(t, fullConfig('open'))
  const requests = Array.from({ length: 4000 }, (_, n) => signedRequest(signer, `/cavage/${n}`))
  const first = await askAll(t, gateway, requests)
  assert.deepEqual([...new Set(first)], [200])
  const second = await askAll(t, gateway, requests)
  const remembered = second.filter(status => status === 401).length
  assert.ok(remembered >= 1000 && remembered < 3000, `${remembered} were remembered`)
  await gateway.line(/the limits file is full of requests that must not come again/)
  const series = (outcome: string): string =>
    `polygate_guard_decisions_total{http_route="cavage",guard="signature",outcome="${outcome}"}`
  await untilMetric(gateway, series('admitted'), remembered)
  await untilMetric(gateway, series('admitted without memory'), 2 * (requests.length - remembered))
})

const bound = `accessLog: { target: access.log }
forwarded: { trustedProxies: [ 127.0.0.9 ] }
${consumers}routes:
${route('bound', 'scheme: mashery-sha256, bind: address')}${route('free', 'scheme: mashery-sha256')}`

/** Mashery's, of that second. */
const masheryRequest = (seconds: number, target = '/bound/', ...lines: string[]): Sent => ({
  method: 'GET',
  target,
  lines: [`host: ${host}`, `api-key: ${keyId}`, `x-signature: ${mashery(keyId, secret, seconds)}`, ...lines],
  body: null,
})

test("bind: address: a signature is the first address's, over two workers, and after a restart", async t => {
  const options = { env: { POLYGATE_STATE_DIR: stateFolder(t) } }
  const yaml = `workers: 2\n${bound}`
  let gateway = await startGateway(t, yaml, options)
  await twoWorkers(gateway)
  const now = nowSeconds()
  const send = (sent: Sent, from?: string): Promise<Answered> => ask(t, gateway.port, sent, from)
  /** Often enough for either worker. */
  const statusesFrom = async (from: string, sent: Sent): Promise<number[]> => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => send(sent, from)))
    return [...new Set(answers.map(({ status }) => status))]
  }
  assert.deepEqual(await statusesFrom('127.0.0.1', masheryRequest(now)), [200])
  assert.deepEqual(await statusesFrom('127.0.0.2', masheryRequest(now)), [401])
  assert.deepEqual(await statusesFrom('127.0.0.2', masheryRequest(now + 1)), [200])
  assert.deepEqual(await statusesFrom('127.0.0.1', masheryRequest(now + 1)), [401])
  assert.deepEqual(await statusesFrom('127.0.0.1', masheryRequest(now)), [200], 'it is still its own')
  assert.deepEqual(await statusesFrom('127.0.0.2', masheryRequest(now, '/free/')), [200], 'where nothing is bound')
  // What is not genuine takes nothing from anybody.
  const forged = masheryRequest(now + 2)
  assert.equal(
    (
      await send(
        { ...forged, lines: forged.lines.map(line => line.replace(/(x-signature: .*).$/, '$1x')) },
        '127.0.0.2',
      )
    ).status,
    401,
  )
  assert.deepEqual(await statusesFrom('127.0.0.1', forged), [200])
  const told = await send(masheryRequest(now), '127.0.0.2')
  assert.deepEqual(
    [told.code, (JSON.parse(told.text) as { detail: string }).detail],
    ['unauthorized', 'a valid signature is needed'],
  )
  const logged = await untilLogged(gateway, 12 * 7 + 2)
  assert.deepEqual([...new Set(logged.map(({ reason }) => reason))].sort(), [
    '',
    'signature malformed',
    'signature of another address',
  ])
  assert.equal(await gateway.stop(), 0)
  gateway = await startGateway(t, yaml, options)
  assert.deepEqual(await statusesFrom('127.0.0.2', masheryRequest(now)), [401])
  assert.deepEqual(await statusesFrom('127.0.0.1', masheryRequest(now)), [200])
})

test('bind: address behind a proxy: what a trusted one says of the client counts, and no other', async t => {
  const gateway = await startGateway(t, bound)
  const [proxy, other] = ['127.0.0.9', '127.0.0.2']
  let second = nowSeconds() - 100
  /** The statuses of one signature, from one address after another, each with what is said of it. */
  const statusesOf = async (...steps: readonly (readonly [from: string, forwarded: string])[]): Promise<number[]> => {
    const statuses: number[] = []
    second++
    for (const [from, forwarded] of steps) {
      const lines = forwarded === '' ? [] : [`x-forwarded-for: ${forwarded}`]
      statuses.push((await ask(t, gateway.port, masheryRequest(second, '/bound/', ...lines), from)).status)
    }
    return statuses
  }
  for (const [what, steps, statuses] of [
    [
      'two clients',
      [
        [proxy, '192.0.2.1'],
        [proxy, '192.0.2.2'],
        [proxy, '192.0.2.1'],
      ],
      [200, 401, 200],
    ],
    [
      'the last counts',
      [
        [proxy, '192.0.2.1'],
        [proxy, '192.0.2.1, 192.0.2.2'],
      ],
      [200, 401],
    ],
    [
      'others may say what they like',
      [
        [proxy, '192.0.2.1'],
        [other, '192.0.2.1'],
        [other, ''],
      ],
      [200, 401, 401],
    ],
    [
      'and are who they are',
      [
        [other, '192.0.2.1'],
        [other, '192.0.2.2'],
        [proxy, '192.0.2.1'],
      ],
      [200, 200, 401],
    ],
    [
      'one /64',
      [
        [proxy, '2001:db8::1'],
        [proxy, '2001:DB8:0:0:ffff::9'],
        [proxy, '2001:db8:0:1::1'],
      ],
      [200, 200, 401],
    ],
    [
      'the proxy itself',
      [
        [proxy, ''],
        [proxy, '192.0.2.1'],
      ],
      [200, 401],
    ],
    [
      'no address',
      [
        [proxy, 'unknown'],
        [proxy, ''],
        [proxy, '192.0.2.1'],
      ],
      [200, 200, 401],
    ],
  ] as const) {
    assert.deepEqual(await statusesOf(...steps), statuses, what)
  }
})
