// Pins what a client gets when an upstream fails: the status and code of the design's table with no address in it, or,
// once a head is out, a broken connection and never a body that looks whole; the next request is served, and each
// failure is counted by its reason.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { makeAuthority, type Certificate } from '../helpers/certificates.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetrics } from '../helpers/metrics.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { statusOf, valuesOf, type WireMessage } from '../helpers/wire.ts'

const waitMs = 5000
/** Where a deadline is to end the wait; elsewhere none may, however slow the machine is. */
const deadlineMs = 250

/** What a peer does once the head of a request has come. */
type Script = (socket: Socket) => unknown

interface Fault {
  readonly name: string
  /** null: another peer than the scripted one. */
  readonly script: Script | null
  readonly status: number
  readonly code: string
  /** As `polygate_upstream_errors_total` names it. */
  readonly reason: string
}

const say =
  (text: string): Script =>
  socket =>
    socket.write(text, 'latin1')
const sayAndEnd =
  (text: string): Script =>
  socket =>
    socket.end(text, 'latin1')
/** A reset takes along what its sender still had to send, but not what the kernel of the other side has. */
const sayAndReset =
  (text: string): Script =>
  socket =>
    socket.write(text, 'latin1', () => setTimeout(() => socket.resetAndDestroy(), 20))

/** Writes again and again until the other side ends. */
const sayForEver =
  (begin: string, again: string): Script =>
  socket => {
    socket.write(begin)
    const timer = setInterval(() => socket.write(again), 20)
    socket.once('close', () => clearInterval(timer)).once('end', () => socket.destroy())
  }

const failed = { status: 502, code: 'upstream_failed' } as const
const late = { status: 504, code: 'upstream_timeout' } as const
const head = 'HTTP/1.1 200 OK\r\n'

const beforeTheHead: Fault[] = [
  { name: 'reset', script: socket => socket.resetAndDestroy(), ...failed, reason: 'reset' },
  { name: 'close', script: socket => socket.end(), ...failed, reason: 'closed' },
  { name: 'reset-in-head', script: sayAndReset(`${head}X-A: b`), ...failed, reason: 'reset' },
  { name: 'close-in-head', script: sayAndEnd(`${head}X-A: b\r\n`), ...failed, reason: 'closed' },
  { name: 'hang', script: () => {}, ...late, reason: 'responseTimeout' },
  { name: 'hang-in-head', script: say(`${head}X-A: b`), ...late, reason: 'responseTimeout' },
  { name: 'endless-head', script: sayForEver(head, 'X-A: b\r\n'), ...late, reason: 'responseTimeout' },
  {
    name: 'endless-interim',
    script: sayForEver('', 'HTTP/1.1 103 Early Hints\r\n\r\n'),
    ...late,
    reason: 'responseTimeout',
  },
  {
    name: 'large-head',
    script: say(head + `X-A: ${'b'.repeat(1000)}\r\n`.repeat(200)),
    ...failed,
    reason: 'headTooLarge',
  },
  { name: 'many-headers', script: say(`${head}${'X-A: b\r\n'.repeat(300)}\r\n`), ...failed, reason: 'headTooLarge' },
  { name: 'banner', script: say('SSH-2.0-OpenSSH_9.2\r\n\r\n'), ...failed, reason: 'badResponse' },
  { name: 'binary', script: say('\x15\x03\x01\0\x02\x02\x16\r\n\r\n'), ...failed, reason: 'badResponse' },
  { name: 'http-2', script: say('HTTP/2 200\r\n\r\n'), ...failed, reason: 'badResponse' },
  { name: 'status-99', script: say('HTTP/1.1 99 Odd\r\n\r\n'), ...failed, reason: 'badResponse' },
  {
    name: 'header-injection',
    script: say(`${head}X-A: b\rX-Evil: c\r\nContent-Length: 0\r\n\r\n`),
    ...failed,
    reason: 'badResponse',
  },
  {
    name: 'obs-fold',
    script: say(`${head}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n`),
    ...failed,
    reason: 'badResponse',
  },
  {
    name: 'two-lengths',
    script: say(`${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`),
    ...failed,
    reason: 'badResponse',
  },
  {
    name: 'length-and-chunked',
    script: say(`${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    ...failed,
    reason: 'badResponse',
  },
  {
    name: 'unasked-upgrade',
    script: say('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    ...failed,
    reason: 'badResponse',
  },
]

interface Cut {
  readonly name: string
  readonly script: Script
  readonly reason: string
}

const inTheBody: Cut[] = [
  { name: 'length-close', script: sayAndEnd(`${head}Content-Length: 10\r\n\r\nabc`), reason: 'closed' },
  { name: 'length-reset', script: sayAndReset(`${head}Content-Length: 10\r\n\r\nabc`), reason: 'reset' },
  { name: 'length-hang', script: say(`${head}Content-Length: 10\r\n\r\nabc`), reason: 'idleTimeout' },
  { name: 'length-close-at-once', script: sayAndEnd(`${head}Content-Length: 10\r\n\r\n`), reason: 'closed' },
  { name: 'chunk-close', script: sayAndEnd(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\nabc`), reason: 'closed' },
  {
    name: 'chunked-close',
    script: sayAndEnd(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`),
    reason: 'closed',
  },
  {
    name: 'last-chunk-close',
    script: sayAndEnd(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n`),
    reason: 'closed',
  },
  {
    name: 'chunked-reset',
    script: sayAndReset(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`),
    reason: 'reset',
  },
  { name: 'chunked-hang', script: say(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`), reason: 'idleTimeout' },
  { name: 'until-close-reset', script: sayAndReset(`${head}Connection: close\r\n\r\nabc`), reason: 'reset' },
  {
    name: 'bad-chunk',
    script: socket => {
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)
      setTimeout(() => socket.write('zz\r\n'), 20)
    },
    reason: 'badResponse',
  },
]

/** TLS that goes wrong, each with a peer of its own. */
const overTls: Fault[] = [
  ...['expired', 'wrong-name', 'unknown-authority', 'no-tls'].map(name => ({
    name,
    script: null,
    ...failed,
    reason: 'tls',
  })),
  { name: 'silent-tls', script: null, ...late, reason: 'connectTimeout' },
]
/** Reasons that are deadlines. */
const timed = /Timeout$/
const refused: Fault = { name: 'refused', script: null, ...failed, reason: 'refused' }

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

/** A problem of the table, and nothing in it that a client has no business with. */
function expectProblem(answer: WireMessage | undefined, { status, code }: Pick<Fault, 'status' | 'code'>): void {
  assert.ok(answer, 'there is no answer')
  assert.deepEqual(answer.faults, [])
  const text = answer.body.toString('latin1')
  assert.equal(statusOf(answer), status, text)
  assert.deepEqual(valuesOf(answer, 'content-type'), ['application/problem+json'])
  const problem = JSON.parse(text) as Record<string, unknown>
  assert.equal(problem['code'], code)
  assert.equal(problem['status'], status)
  assert.deepEqual(valuesOf(answer, 'x-request-id'), [problem['requestId']])
  const whole = text + JSON.stringify(answer.headers)
  assert.doesNotMatch(whole, /127\.0\.0|localhost|\.example|\.pem|:\d{4,5}\b|at .*\(|Error:/)
}

async function listenTls(scope: Scope, { certificate, key }: Certificate): Promise<string> {
  const server = createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, socket => socket.end())
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  scope.after(() => server.close())
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('an upstream that fails', () => {
  const ends: (() => unknown)[] = []
  const scope: Scope = { after: end => void ends.push(end) }
  let gateway: RunningGateway

  before(async () => {
    const scripts = new Map<string, Script>()
    for (const { name, script } of [...beforeTheHead, ...inTheBody]) if (script) scripts.set(`/${name}`, script)
    const scripted = await startRawUpstream(scope, async (socket, received) => {
      const asked = (await received('\r\n\r\n')).toString('latin1')
      const script = scripts.get(asked.split(' ')[1] ?? '')
      if (script) return void script(socket)
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    const silent = await startRawUpstream(scope, () => {})
    const plain = await startRawUpstream(scope, say('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const authority = makeAuthority(scope)
    const names = ['127.0.0.1']
    const peers = new Map<string, string>([
      ['refused', `http://127.0.0.1:${await freePort()}`],
      ['expired', await listenTls(scope, authority.issue('expired', { names, expired: true }))],
      ['wrong-name', await listenTls(scope, authority.issue('other.example'))],
      ['unknown-authority', await listenTls(scope, makeAuthority(scope).issue('stranger', { names }))],
      ['no-tls', plain.url.replace('http', 'https')],
      ['silent-tls', silent.url.replace('http', 'https')],
    ])
    const slow = new Set(
      [...beforeTheHead, ...inTheBody, ...overTls].filter(one => timed.test(one.reason)).map(one => one.name),
    )
    const upstream = (name: string): string => {
      const url = peers.get(name) ?? scripted.url
      const tls = url.startsWith('https') ? `, tls: { ca: "${authority.certificate}" }` : ''
      const ms = slow.has(name) ? deadlineMs : 10 * waitMs
      const timeouts = `{ connectMs: ${ms}, responseMs: ${ms}, idleMs: ${ms} }`
      return `  ${name}: { peers: [ { url: "${url}"${tls} } ], retries: 0, timeouts: ${timeouts} }\n`
    }
    const all = [refused, ...beforeTheHead, ...inTheBody, ...overTls].map(({ name }) => name)
    const yaml =
      `upstreams:\n${[...all, 'good'].map(upstream).join('')}routes:\n` +
      all.map(name => `  - { name: ${name}, match: { path: /${name} }, upstream: ${name} }\n`).join('') +
      '  - { name: good, match: { path: /good }, upstream: good }\n'
    gateway = await startGateway(scope, yaml)
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  for (const fault of [refused, ...beforeTheHead, ...overTls]) {
    test(`${fault.name}: ${fault.status} ${fault.code}, and the connection serves on`, async t => {
      const client = await RawClient.connect(t, gateway.port)
      await client.send(get(`/${fault.name}`))
      const { finals } = await within(waitMs, 'the answer', client.finals(1))
      expectProblem(finals[0], fault)
      await client.send(get('/good'))
      const next = await within(waitMs, 'the next answer', client.finals(2))
      assert.equal(next.finals[1]?.body.toString(), 'ok')
      assert.equal(next.rest.length, 0)
    })
  }

  for (const cut of inTheBody) {
    test(`${cut.name}: the client's connection breaks, and no body looks whole`, async t => {
      const client = await RawClient.connect(t, gateway.port)
      const other = await RawClient.connect(t, gateway.port)
      await client.send(get(`/${cut.name}`))
      await within(waitMs, 'the end of the connection', client.ended())
      const { finals, rest } = client.answers()
      assert.equal(finals.length, 0, client.bytes.toString('latin1'))
      assert.ok(rest.toString('latin1').startsWith('HTTP/1.1 200 OK\r\n'), rest.toString('latin1'))
      await other.send(get('/good'))
      assert.equal((await within(waitMs, 'another client', other.finals(1))).finals[0]?.body.toString(), 'ok')
    })
  }

  test('each is counted once, by upstream and reason, and as the answer that the client got', async () => {
    const wanted = new Map<string, number>([['http_server_active_requests', 0]])
    const answered = (route: string, status: number): string =>
      `http_server_request_duration_seconds_count{http_route="${route}",http_request_method="GET",http_response_status_code="${status}"}`
    const failure = (name: string, reason: string): string =>
      `polygate_upstream_errors_total{upstream="${name}",reason="${reason}"}`
    for (const { name, status, reason } of [refused, ...beforeTheHead, ...overTls]) {
      wanted.set(answered(name, status), 1).set(failure(name, reason), 1)
    }
    for (const { name, reason } of inTheBody) wanted.set(answered(name, 200), 1).set(failure(name, reason), 1)
    const got = await untilMetrics(gateway, 'the failures in the metrics', samples =>
      [...wanted].every(([series, value]) => samples.get(series) === value),
    )
    const errors = [...got].filter(([series]) => series.startsWith('polygate_upstream_errors_total'))
    assert.deepEqual(
      errors.filter(([series]) => !wanted.has(series)),
      [],
    )
  })
})

/** Listens on a port that is named, as a peer that comes back does. */
async function listenOn(scope: Scope, port: number): Promise<void> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  scope.after(() => server.close())
}

test('all peers down by their checks: 503 with Retry-After, and served again when one is back', async t => {
  const ports = [await freePort(), await freePort()]
  const peers = ports.map(port => `{ url: "http://127.0.0.1:${port}" }`).join(', ')
  const gateway = await startGateway(
    t,
    `
upstreams:
  pair: { peers: [ ${peers} ], health: { active: { intervalMs: 200, timeoutMs: 200, healthyAfter: 1, unhealthyAfter: 1 } } }
routes: [ { name: all, match: { path: "/*" }, upstream: pair } ]
`,
  )
  const down = /health .*unhealthy/
  await within(waitMs, 'the first peer to be seen down', gateway.line(new RegExp(`${down.source}.*:${ports[0]}`)))
  await within(waitMs, 'the second peer to be seen down', gateway.line(new RegExp(`${down.source}.*:${ports[1]}`)))
  const client = await RawClient.connect(t, gateway.port)
  await client.send(get('/'))
  const { finals } = await within(waitMs, 'the answer', client.finals(1))
  expectProblem(finals[0], { status: 503, code: 'no_peer' })
  assert.match(valuesOf(finals[0]!, 'retry-after')[0] ?? '', /^[1-9]\d*$/)
  await untilMetrics(
    gateway,
    'both peers down in the metrics',
    samples =>
      [...samples].filter(([series, value]) => /endpoint_health.*"down"/.test(series) && value === 1).length === 2,
  )

  const logged = gateway.logs().length
  await listenOn(t, ports[1]!)
  await within(waitMs, 'the peer to be seen up', gateway.line(new RegExp(`health .*[^n]healthy.*:${ports[1]}`), logged))
  await client.send(get('/'))
  assert.equal((await within(waitMs, 'the answer', client.finals(2))).finals[1]?.body.toString(), 'ok')
})

test('all peers refuse, without checks: 502 after the retries, and served again when one is back', async t => {
  const ports = [await freePort(), await freePort()]
  const peers = ports.map(port => `{ url: "http://127.0.0.1:${port}" }`).join(', ')
  const gateway = await startGateway(
    t,
    `
upstreams: { pair: { peers: [ ${peers} ], retries: 1, health: { passive: { failures: 1, ejectMs: 60000 } } } }
routes: [ { name: all, match: { path: "/*" }, upstream: pair } ]
`,
  )
  const client = await RawClient.connect(t, gateway.port)
  await client.send(get('/'))
  expectProblem((await within(waitMs, 'the answer', client.finals(1))).finals[0], failed)
  await untilMetrics(gateway, 'both attempts', samples => {
    const refusals = samples.get('polygate_upstream_errors_total{upstream="pair",reason="refused"}')
    return refusals === 2 && samples.get('polygate_upstream_retries_total{upstream="pair"}') === 1
  })

  await listenOn(t, ports[0]!)
  await client.send(get('/'))
  assert.equal((await within(waitMs, 'the answer', client.finals(2))).finals[1]?.body.toString(), 'ok')
})
