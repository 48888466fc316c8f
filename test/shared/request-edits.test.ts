// Edits of a request in the addon, as plugins in JavaScript make them: what is refused and by which code, who reads the
// request with them and who as the client sent it, that both ways of forwarding send them, and that no slot's next
// request has any. What is sound at all is pinned by the tests of native/head.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, Socket, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { DirectCommands, firstDirectSlot } from '../../ts/shared/native-direct.ts'
import { editRefusals, noHead } from '../../ts/shared/native-edits.ts'
import type { HeadPolicyOptions, RequestHeads } from '../../ts/shared/native-heads.ts'
import { native, type NativeExchanges, type UpstreamClient } from '../../ts/shared/native.ts'

const plainPolicy: HeadPolicyOptions = {
  host: null,
  via: false,
  rfc7239: false,
  set: [],
  append: [],
  remove: [],
  hiddenHeaders: [],
  hiddenParameters: [],
  hiddenCookies: [],
  certificate: [],
}

interface Made {
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
}

/** With a request in slot 0. */
function make(fields = 'X-A: 1\r\nX-A: 2\r\n'): Made {
  const heads = new (native().RequestHeads)({ slots: 0x1_0000, maxHeadBytes: 16_384, maxHeaders: 100 })
  take(heads, 0, fields)
  return { heads, exchanges: new (native().Exchanges)(heads.id) }
}

const take = (heads: RequestHeads, slot: number, fields: string): void =>
  assert.equal(heads.takeText(slot, `GET /p?q=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: i\r\n${fields}\r\n`), 0)

const sentBy = ({ heads, exchanges }: Made, options: Partial<HeadPolicyOptions> = {}, slot = 0): string =>
  exchanges.compose(slot, heads.policy({ ...plainPolicy, ...options }), null, null, 0, 0, 0)

const own = 'x-forwarded-proto: http\r\nx-forwarded-host: a\r\n'

test('refusals have the texts of the addon, by code', () => {
  assert.deepEqual(editRefusals, [null, ...native().editRefusals()])
})

test('an unsound edit is refused by a code that says which, and changes nothing', () => {
  const made = make()
  const { exchanges } = made
  for (const [code, detail] of [
    [exchanges.setHeader(0, 'a b', '1'), /name is no token/],
    [exchanges.setHeader(0, '', '1'), /name is no token/],
    [exchanges.setHeader(0, 'caf\xe9', '1'), /name is no token/],
    [exchanges.removeHeader(0, 'a\r\nb'), /name is no token/],
    [exchanges.setHeader(0, 'content-length', '1'), /only the gateway/],
    [exchanges.appendHeader(0, 'Connection', 'x-a'), /only the gateway/],
    [exchanges.removeHeader(0, 'Transfer_Encoding'), /only the gateway/],
    [exchanges.setHeader(0, 'Host', 'b'), /call of its own/],
    [exchanges.setHeader(0, 'x-a', '1\r\nb: 2'), /control character/],
    [exchanges.setHeader(0, 'x-a', 'a\0'), /control character/],
    // Narrowed to bytes they would be a line feed and an A.
    [exchanges.setHeader(0, 'x-a', '1\u010a2'), /control character/],
    [exchanges.setHeader(0, 'x-a', '\u0141'), /control character/],
    [exchanges.setHeader(0, '\u0141', '1'), /name is no token/],
    [exchanges.setHeader(0, 'x-a', Buffer.from([10])), /control character/],
    [exchanges.setPath(0, 'a'), /does not begin with \//],
    [exchanges.setPath(0, '/a?b'), /does not begin with \//],
    [exchanges.setPath(0, '/\u012f'), /does not begin with \//],
    [exchanges.setPath(0, '/a/../..'), /climbs/],
    [exchanges.setQuery(0, 'a b'), /query/],
    [exchanges.setMethod(0, 'G T'), /method is not a token/],
    [exchanges.setMethod(0, 'CONNECT'), /method is not a token/],
    [exchanges.setMethod(0, 'HEAD'), /no other becomes HEAD/],
    [exchanges.setHost(0, 'a/b'), /host is not valid|not a valid host/],
    [exchanges.setHeader(0, 'x-large', 'a'.repeat(300_000)), /too large/],
  ] as const) {
    assert.match(editRefusals[code] ?? String(code), detail)
  }
  assert.equal(sentBy(made), `GET /p?q=1 HTTP/1.1\r\nhost: a\r\nX-A: 1\r\nX-A: 2\r\n${own}x-request-id: i\r\n\r\n`)
})

test('what is no text is a TypeError, and a slot without a head says so', () => {
  const { heads, exchanges } = make()
  assert.throws(() => exchanges.setHeader(0, 'x-a', 1 as unknown as string), TypeError)
  assert.throws(() => exchanges.setHeader(0, undefined as unknown as string, ''), TypeError)
  assert.throws(() => exchanges.setPath(0, null as unknown as string), TypeError)
  assert.throws(() => exchanges.setHeader('0' as unknown as number, 'a', 'b'), /number/)
  for (const slot of [1, 0xffff, 0x7fff_ffff]) {
    assert.equal(exchanges.setHeader(slot, 'x-a', '1'), noHead)
    assert.equal(exchanges.setPath(slot, '/'), noHead)
    assert.equal(exchanges.guardsPassed(slot), noHead)
    assert.equal(exchanges.editedPath(slot), '')
  }
  heads.release(0)
  assert.equal(exchanges.removeHeader(0, 'x-a'), noHead)
})

test('guards and plugins read the edits; the log and whom to trust, what the client sent', () => {
  const made = make()
  const { heads, exchanges } = made
  const ring = exchanges.keyRing(createHash('sha256').update('a-key').digest(), 'apikey')
  assert.equal(exchanges.findKey(ring, 0), -1)
  assert.equal(exchanges.setHeader(0, 'ApiKey', 'a-key'), 0)
  assert.equal(exchanges.findKey(ring, 0), 0)
  assert.equal(exchanges.appendHeader(0, 'x-a', Buffer.from('3\xff', 'latin1')), 0)
  assert.equal(heads.header(0, 'X-A'), '1, 2, 3\xff')
  assert.equal(exchanges.setHeader(0, 'x-long', 'l'.repeat(5000)), 0)
  assert.equal(heads.header(0, 'x-long'), 'l'.repeat(5000))
  assert.equal(exchanges.setHeader(0, 'x-a', ''), 0)
  assert.equal(exchanges.removeHeader(0, 'x-long'), 0)
  assert.deepEqual(heads.headers(0), ['host', 'a', 'x-request-id', 'i', 'apikey', 'a-key', 'x-a', ''])
  assert.deepEqual([heads.sentHeader(0, 'x-a'), heads.sentHeader(0, 'apikey')], ['1, 2', undefined])
  assert.deepEqual(
    [exchanges.editedMethod(0), exchanges.editedHost(0), exchanges.editedPath(0), exchanges.editedQuery(0)],
    ['GET', 'a', '/p', 'q=1'],
  )
  assert.deepEqual(
    [
      exchanges.setMethod(0, 'PUT'),
      exchanges.setHost(0, 'b:1'),
      exchanges.setPath(0, '/x/../y'),
      exchanges.setQuery(0, ''),
    ],
    [0, 0, 0, 0],
  )
  assert.deepEqual(
    [exchanges.editedMethod(0), exchanges.editedHost(0), exchanges.editedPath(0), exchanges.editedQuery(0)],
    ['PUT', 'b:1', '/y', ''],
  )
  const sent = sentBy(made)
  assert.equal(sent, `PUT /y HTTP/1.1\r\nhost: b:1\r\n${own}x-request-id: i\r\nApiKey: a-key\r\nx-a: \r\n\r\n`)
})

test('a credential that was set for the guards stays; one that is set after them goes', () => {
  const made = make()
  made.exchanges.setHeader(0, 'apikey', 'for the guards')
  assert.doesNotMatch(sentBy(made, { hiddenHeaders: ['ApiKey'] }), /apikey/)
  assert.match(sentBy(made), /apikey: for the guards/)
  made.exchanges.guardsPassed(0)
  made.exchanges.setHeader(0, 'apikey', 'for the upstream')
  assert.match(sentBy(made, { hiddenHeaders: ['ApiKey'] }), /apikey: for the upstream/)
})

test('edits are gone with the request', () => {
  const made = make()
  made.exchanges.setHeader(0, 'x-a', 'edited')
  made.exchanges.setPath(0, '/edited')
  made.exchanges.end(0)
  take(made.heads, 0, '')
  assert.doesNotMatch(sentBy(made), /edited/)
  made.exchanges.setPath(0, '/edited')
  take(made.heads, 0, '')
  assert.doesNotMatch(sentBy(made), /edited/)
  take(made.heads, 1, '')
  made.exchanges.setPath(1, '/edited')
  assert.doesNotMatch(sentBy(made), /edited/, 'another slot')
})

/** What a server gets until the first empty line, and a client to send it with. */
async function upstream(t: TestContext): Promise<{ client: UpstreamClient; endpoint: number; head: Promise<string> }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new (native().UpstreamClient)({ slabBytes: 1 << 16, maxRows: 8, headerPrefix: '' }, () => {})
  t.after(() => {
    client.close()
    server.close()
  })
  const endpoint = client.addEndpoint({
    ip: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    unix: null,
    tls: null,
    connectTimeoutMs: 5000,
    responseTimeoutMs: 5000,
    idleTimeoutMs: 5000,
    maxConnections: 1,
    maxWaiting: 1,
    poolIdleMs: 5000,
  })
  const head = once(server, 'connection').then(async ([socket]) => {
    assert.ok(socket instanceof Socket)
    t.after(() => socket.destroy())
    let text = ''
    while (!text.endsWith('\r\n\r\n')) text += String((await once(socket, 'data'))[0])
    return text
  })
  return { client, endpoint, head }
}

test('both ways of forwarding send them', async t => {
  const edit = ({ exchanges }: Made, slot: number): void => {
    exchanges.setHeader(slot, 'x-greeting', 'hello')
    exchanges.removeHeader(slot, 'x-a')
    exchanges.setPath(slot, '/edited')
    exchanges.setMethod(slot, 'REPORT')
  }
  const expected = `REPORT /edited?q=1 HTTP/1.1\r\nhost: a\r\n${own}x-request-id: i\r\nx-greeting: hello\r\n\r\n`
  await t.test('submit', async t => {
    const made = make()
    const { client, endpoint, head } = await upstream(t)
    edit(made, 0)
    const policy = made.heads.policy(plainPolicy)
    // The route's path does not count any more.
    assert.ok(made.exchanges.submit(client, 7, endpoint, 0, 0, policy, '/route', null, 0, 0, 0) > 0)
    assert.equal(await head, expected)
  })
  await t.test('the command of requests that went past the front end', async t => {
    const made = make()
    const { client, endpoint, head } = await upstream(t)
    const { commands } = made.exchanges.direct(client, () => {}, '')
    const list = new DirectCommands(commands, () => {
      made.exchanges.run()
    })
    take(made.heads, firstDirectSlot, 'X-A: 1\r\n')
    edit(made, firstDirectSlot)
    list.forward(firstDirectSlot, endpoint, 0, made.heads.policy(plainPolicy), 0)
    made.exchanges.run()
    assert.equal(await head, expected)
  })
})
