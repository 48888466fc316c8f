// Pins the plugin contract, one suite for all runtimes: what a plugin sees, what it may do, what its failures cost, and that
// the next request is unharmed. The probe plugin does what a request's header x-probe says.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho, startUpstream, type RunningUpstream } from '../helpers/upstream.ts'
import { statusOf, valuesOf } from '../helpers/wire.ts'
import { probeFor, runtimes, type Runtime } from './runtimes.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly rawHeaders: string[]
  readonly headers: Record<string, string>
  readonly body: string
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** What the upstream has seen. */
  readonly seen: Seen | null
  readonly code: string | null
}

const configuration = (probe: string, echo: RunningUpstream, other: RunningUpstream): string => `
accessLog: { target: access.log }
upstreams:
  echo: { peers: [ { url: "${echo.url}" } ] }
  other: { peers: [ { url: "${other.url}" } ] }
consumers: { alice: { keys: [ alice-key-1 ] }, bob: { keys: [ bob-key-01 ] } }
plugins:
  probe: { path: ${probe}, config: { name: first }, timeoutMs: 250 }
  second: { path: ${probe}, config: { name: second }, timeoutMs: 250 }
  open: { path: ${probe}, config: { name: open }, timeoutMs: 250, onFailure: open }
  shadow: { path: ${probe}, config: { name: shadow }, timeoutMs: 250, shadow: true }
routes:
  - { name: both, match: { path: /both }, upstream: echo, plugins: [ probe, second ] }
  - { name: open, match: { path: /open }, upstream: echo, plugins: [ open ] }
  - { name: shadow, match: { path: /shadow }, upstream: echo, plugins: [ shadow ] }
  - { name: own, match: { path: /own }, respond: { body: own }, plugins: [ probe ] }
  - { name: keyed, match: { path: /keyed }, upstream: echo, plugins: [ probe ], guards: [ key: { header: apikey } ] }
  - { name: other, match: { path: "/other/*" }, upstream: other, plugins: [ probe ] }
  - { name: plain, match: { path: /plain }, upstream: echo }
  - { name: all, match: { path: "/*" }, upstream: echo, plugins: [ probe ] }
`

for (const runtime of runtimes) describe(`the contract: ${runtime.name}`, () => suite(runtime))

function suite(runtime: Runtime): void {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  let gateway: RunningGateway

  before(async () => {
    const echo = await startEcho(scope)
    const other = await startUpstream(scope, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'x-upstream': 'other' }).end('other says hello')
    })
    gateway = await startGateway(scope, configuration(probeFor(scope, runtime), echo, other))
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  /** Everywhere a consumer is named, for the probe authenticates too. */
  async function ask(path: string, headers: Record<string, string>, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(gateway.url + path, {
      ...init,
      headers: { 'x-probe-consumer': 'alice', ...headers },
    })
    const text = await response.text()
    const isJson = (response.headers.get('content-type') ?? '').includes('json')
    const parsed = isJson ? (JSON.parse(text) as Partial<Seen> & { code?: string }) : null
    return {
      status: response.status,
      headers: response.headers,
      text,
      seen: parsed?.rawHeaders === undefined ? null : (parsed as Seen),
      code: parsed?.code ?? null,
    }
  }

  const probe = (what: string, more: Record<string, string> = {}): Record<string, string> => ({
    'x-probe': what,
    ...more,
  })

  /** After whatever has just been done. */
  async function unharmed(): Promise<void> {
    const { status, seen } = await ask('/a', probe('edit'))
    assert.equal(status, 200)
    assert.equal(seen?.headers['x-set'], 'one')
  }

  function check(title: string, body: () => Promise<void>): void {
    const reason = runtime.skip[title]
    test(reason === undefined ? title : `${title} (cannot: ${reason})`, { skip: reason !== undefined }, body)
  }

  check('edits of headers: set, append, delete, and reads that see them', async () => {
    const client = await RawClient.connect(scope, gateway.port)
    await client.send(
      'GET /a HTTP/1.1\r\nHost: a\r\nX-Probe: edit\r\nX-Probe-Consumer: alice\r\nx-repeated: first\r\nX-Repeated: second\r\nX-Gone: 1\r\n\r\n',
    )
    const { finals } = await within(10_000, 'the answer', client.finals(1))
    const seen = JSON.parse(finals[0]!.body.toString()) as Seen
    const values = (name: string): string[] =>
      seen.rawHeaders.filter((_, at) => at % 2 === 1 && seen.rawHeaders[at - 1]!.toLowerCase() === name)
    assert.deepEqual(values('x-set'), ['one'])
    assert.deepEqual(values('x-repeated'), ['first', 'second', 'third'])
    assert.deepEqual(values('x-gone'), [])
    assert.deepEqual(values('x-read'), ['first|second|third'])
  })

  for (const at of ['request', 'authenticate', 'authorize', 'forward']) {
    check(`edits at the hook ${at}`, async () => {
      const { seen } = await ask('/a', probe('edit', { 'x-probe-at': at }))
      assert.equal(seen?.headers['x-set'], 'one')
    })
  }

  check('method, path and query', async () => {
    const { seen } = await ask('/a?x=y', probe('target'), { method: 'POST', body: 'text' })
    assert.deepEqual([seen?.method, seen?.url, seen?.body], ['PUT', '/other/path?a=b', 'text'])
  })

  check('what a plugin sees', async () => {
    const { seen, headers } = await ask('/a%20b//c?x=1', probe('see', { 'x-probe-at': 'forward' }))
    const host = new URL(gateway.url).host
    assert.equal(seen?.headers['x-seen'], `GET http ${host} /a%20b//c x=1 127.0.0.1`)
    assert.equal(seen?.headers['x-seen-route'], `all alice ${headers.get('x-request-id')}`)
  })

  check('bytes of a header survive', async () => {
    const client = await RawClient.connect(scope, gateway.port)
    const head =
      'GET /a HTTP/1.1\r\nHost: a\r\nX-Probe: bytes\r\nX-Probe-Consumer: alice\r\nX-Latin: caf\xe9 \xff\r\n\r\n'
    await client.send(Buffer.from(head, 'latin1'))
    const { finals } = await within(10_000, 'the answer', client.finals(1))
    const seen = JSON.parse(finals[0]!.body.toString()) as Seen
    assert.equal(seen.headers['x-bytes'], 'caf\xe9 \xff')
  })

  check('two configurations of one plugin, in the order of the list, with a common context', async () => {
    const { seen } = await ask('/both', probe('context'))
    assert.equal(seen?.headers['x-context'], 'firstsecond')
    const names = await Promise.all(
      Array.from({ length: 20 }, async (_, nth) => {
        const route = nth % 2 === 0 ? '/a' : '/open'
        return [route, (await ask(route, probe('name'))).seen?.headers['x-name']]
      }),
    )
    for (const [route, name] of names) assert.equal(name, route === '/a' ? 'first' : 'open')
  })

  check('an answer in the upstream’s place', async () => {
    const { status, headers, text } = await ask('/a', probe('respond'))
    assert.deepEqual([status, text, headers.get('content-type')], [418, 'a teapot', 'text/plain'])
    assert.deepEqual(headers.getSetCookie(), ['a=1', 'b=2'])
    assert.equal((await ask('/own', probe('respond'))).status, 418, 'also of a route that answers by itself')
    assert.equal((await ask('/own', probe('none'))).text, 'own')
  })

  check('an answer later, and edits later', async () => {
    assert.equal((await ask('/a', probe('later'))).seen?.headers['x-set'], 'later')
    const uploaded = await ask('/a', probe('later'), { method: 'POST', body: 'x'.repeat(1000) })
    assert.equal(uploaded.seen?.body.length, 1000, 'the body has waited')
  })

  check('the body, and another in its place', async () => {
    assert.equal((await ask('/a', probe('body'), { method: 'POST', body: 'text' })).seen?.body, 'text!')
    assert.equal((await ask('/a', probe('body'))).seen?.body, '!', 'also where the client has sent none')
    const long = await ask('/a', probe('body'), { method: 'POST', body: 'x'.repeat(5000) })
    assert.deepEqual([long.status, long.code], [413, 'too_large'], 'never cut')
    await unharmed()
  })

  check('another upstream', async () => {
    const { headers, text } = await ask('/a', probe('upstream'))
    assert.deepEqual([headers.get('x-upstream'), text], ['other', 'other says hello'])
    assert.equal((await ask('/a', probe('no upstream'))).code, 'plugin_failed')
  })

  check('the response: its head, its status, its body, another one', async () => {
    const { headers } = await ask('/other/a', probe('reply'))
    assert.deepEqual([headers.get('x-reply'), headers.get('x-upstream')], ['200 text/plain', null])
    assert.equal((await ask('/other/a', probe('status'))).status, 202)
    assert.equal((await ask('/other/a', probe('reply body'))).text, 'OTHER SAYS HELLO')
    assert.equal((await ask('/other/a', probe('replace'))).text, 'replaced')
    assert.equal((await ask('/other/a', probe('reply later'))).headers.get('x-reply'), 'later')
    assert.equal((await ask('/other/a', probe('reply throw'))).code, 'plugin_failed')
    assert.equal((await ask('/other/a', probe('reply framing'))).code, 'plugin_failed')
    await unharmed()
  })

  check('who the client is', async () => {
    const known = await ask('/a', { 'x-probe-consumer': 'bob' })
    assert.equal(known.seen?.headers['x-consumer-name'], 'bob')
    const unknown = await ask('/a', { 'x-probe-consumer': 'mallory' })
    assert.deepEqual([unknown.status, unknown.code], [401, 'unauthorized'])
    const nobody = await fetch(`${gateway.url}/a`)
    assert.equal(nobody.status, 401)
    await nobody.arrayBuffer()
    const both = await ask('/keyed', { 'x-probe-consumer': 'bob', apikey: 'alice-key-1' })
    assert.equal(both.status, 401, 'credentials of two consumers')
    assert.equal((await ask('/keyed', { apikey: 'alice-key-1' })).seen?.headers['x-consumer-name'], 'alice')
  })

  for (const what of ['fail', 'throw', 'reject', 'odd', 'bad name', 'bad value', 'framing', 'bad path', 'bad status']) {
    check(`${what}: the request is refused, or goes on untouched where the operator wants that`, async () => {
      const closed = await ask('/a', probe(what))
      assert.deepEqual([closed.status, closed.code], [500, 'plugin_failed'])
      assert.doesNotMatch(closed.text, /probe|Error|plugin\.(ts|lua)/, 'nothing of the plugin is told')
      const open = await ask('/open', probe(what))
      assert.equal(open.status, 200)
      assert.equal(open.seen?.headers['x-fine'], undefined)
      assert.equal((await ask('/shadow', probe(what))).status, 200)
      await unharmed()
    })
  }

  for (const what of ['never', 'late']) {
    check(`${what}: a deadline, and other requests do not wait`, async () => {
      const beganMs = performance.now()
      const slow = ask('/a', probe(what))
      await unharmed()
      const { status, code } = await slow
      assert.deepEqual([status, code], [504, 'plugin_timeout'])
      assert.ok(performance.now() - beganMs < 5000)
      assert.equal((await ask('/open', probe(what))).seen?.headers['x-set'], undefined)
    })
  }

  if (runtime.isolated) {
    for (const what of ['loop', 'hog', 'exit']) {
      check(`${what}: what ran it is replaced, and nothing else is harmed`, async () => {
        const workers = gateway.workers()
        const [{ status }, plain] = await Promise.all([ask('/a', probe(what)), ask('/plain', {})])
        assert.ok(status === 504 || status === 500)
        assert.equal(plain.status, 200, 'a route without plugins')
        await unharmed()
        assert.deepEqual(gateway.workers(), workers, 'no worker was lost')
      })
    }
  }

  check('shadow: it runs, and changes nothing', async () => {
    const from = gateway.logs().length
    const { status, seen } = await ask('/shadow', probe('edit'))
    assert.deepEqual([status, seen?.headers['x-set']], [200, undefined])
    await within(10_000, 'the line', gateway.line(/shadow mode.*plugin=shadow/, from))
    assert.equal((await ask('/shadow', probe('respond'))).status, 200)
  })

  check('a plugin that keeps a request sees no other through it', async () => {
    await ask('/a', probe('keep', { 'x-secret': 'mine' }))
    const { status, seen } = await ask('/a', probe('kept', { 'x-secret': 'another’s'.replace('’', "'") }))
    assert.ok(status === 500 || seen?.headers['x-kept'] === 'mine' || seen?.headers['x-kept'] === 'nothing')
  })

  check('its own lines in the log, with name, hook, route and request id', async () => {
    const from = gateway.logs().length
    await ask('/a/logged', { 'x-probe-log': '1' })
    await within(10_000, 'the line', gateway.line(/seen by the probe(?=.* plugin=probe)(?=.*path=\/a\/logged)/, from))
    const failed = await ask('/a', probe('throw'))
    const id = failed.headers.get('x-request-id')!
    const line = await within(10_000, 'the line', gateway.line(new RegExp(`plugin failed.*requestId=${id}`), from))
    assert.match(line, /plugin=probe version=1\.0\.0 hook=request route=all .*cause=error.*thrown by the probe/)
  })

  check('with nothing past the front end: pipelined, and with a body', async () => {
    const client = await RawClient.connect(scope, gateway.port)
    const one = (path: string, body: string): string =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nX-Probe: later\r\nX-Probe-Consumer: alice\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    await client.send(one('/1', 'first') + one('/2', '') + one('/3', 'third'))
    const { finals } = await within(10_000, 'the answers', client.finals(3, ['POST', 'POST', 'POST']))
    assert.deepEqual(finals.map(statusOf), [200, 200, 200])
    const seen = finals.map(final => JSON.parse(final.body.toString()) as Seen)
    assert.deepEqual(
      seen.map(({ url, body }) => [url, body]),
      [
        ['/1', 'first'],
        ['/2', ''],
        ['/3', 'third'],
      ],
    )
    assert.ok(finals.every(final => valuesOf(final, 'x-request-id').length === 1))
  })
}
