// Pins what native/downstream makes of uWebSockets.js: malformed requests get problem+json and a closed connection;
// requests sent ahead wait and are answered in order whatever the handler does; head and address are as on the wire.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { native } from '../../../ts/shared/native.ts'
import { makeAuthority } from '../../helpers/certificates.ts'
import { RawClient } from '../../helpers/raw-client.ts'
import { statusOf } from '../../helpers/wire.ts'
import { frontEnd, startApp } from './front-end-app.ts'

const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`
const post = (path: string, fields: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n${body}`
const options = {
  skip: process.platform === 'linux' ? false : 'the front end is hooked on Linux only',
  timeout: 20_000,
}
const bodies = (client: RawClient): string[] => client.answers().finals.map(answer => answer.body.toString('latin1'))

test('the front end is native and says which it is', () => {
  assert.match(frontEnd.name, /^uWebSockets\.js 20\.(57\.0( \(symbol-edited\))?|30\.0 \(fallback\))$/)
  assert.equal(frontEnd.hooked, process.platform === 'linux')
})

describe('refused', options, () => {
  const cases: [name: string, bytes: string, status: number, code: string][] = [
    ['no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
    ['no version', 'GET /\r\nHost: x\r\n\r\n', 400, 'bad_request'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'bad_request'],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n', 505, 'bad_request'],
    ['no Host', 'GET / HTTP/1.1\r\nA: b\r\n\r\n', 400, 'bad_request'],
    ['a control character', get('/', 'A: \x01\r\n'), 400, 'bad_request'],
    ['a space before the colon', get('/', 'A : b\r\n'), 400, 'bad_request'],
    ['a folded line', get('/', 'A: b\r\n c\r\n'), 400, 'bad_request'],
    ['an empty name', get('/', ': b\r\n'), 400, 'bad_request'],
    ['two lengths', post('/', 'Content-Length: 1\r\nContent-Length: 2\r\n', 'ab'), 400, 'bad_request'],
    [
      'length and chunked',
      post('/', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
      400,
      'bad_request',
    ],
    ['an unknown coding', post('/', 'Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 400, 'bad_request'],
    ['a bad chunk size at once', post('/', 'Transfer-Encoding: chunked\r\n', 'G\r\n'), 400, 'bad_request'],
    ['too many header lines', get('/', 'A: b\r\n'.repeat(200)), 431, 'too_large'],
    ['a head of 1 MiB', get('/', `A: ${'b'.repeat(1024 * 1024)}\r\n`), 431, 'too_large'],
    ['an endless request line', `GET /${'a'.repeat(17_000)}`, 431, 'too_large'],
  ]
  for (const [name, bytes, status, code] of cases) {
    test(name, async t => {
      const app = startApp(t)
      const count = (): number =>
        native()
          .frontEndAnswers()
          .find(([known]) => known === status)![1]
      const before = count()
      const client = await RawClient.connect(t, app.port)
      // Also behind a good request, whose answer must come whole and first.
      void client.send(get('/good') + bytes)
      const { finals, rest } = await client.finals(3)
      await client.ended()
      assert.deepEqual(finals.map(statusOf), [200, status])
      assert.equal(rest.length, 0)
      assert.deepEqual(
        finals[1]!.headers.filter(([header]) => /type|connection/i.test(header)).map(([, value]) => value),
        ['application/problem+json', 'close'],
      )
      const problem = JSON.parse(finals[1]!.body.toString()) as Record<string, unknown>
      assert.deepEqual([problem['status'], problem['code']], [status, code])
      assert.match(String(problem['requestId']), /^[0-9a-f]{32}$/)
      assert.equal(count(), before + 1)
      assert.deepEqual(
        app.seen.map(one => one.url),
        ['/good'],
      )
    })
  }

  test('a bad chunk in a body that is being received ends request and connection', async t => {
    const app = startApp(t)
    const client = await RawClient.connect(t, app.port)
    await client.send(post('/', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'))
    await app.until(() => app.seen.length === 1)
    await client.send('5 x\r\n')
    await client.ended()
    assert.deepEqual(client.answers().finals.map(statusOf), [400])
    await app.until(() => app.seen[0]!.aborted)
  })
})

describe('sent ahead', options, () => {
  test('50 requests in one segment to a handler that answers later are answered in order', async t => {
    const app = startApp(t)
    const client = await RawClient.connect(t, app.port)
    const paths = Array.from({ length: 50 }, (_, i) => `/${i}`)
    await client.send(paths.map(path => get(path)).join(''))
    await client.finals(50)
    assert.deepEqual(bodies(client), paths)
    assert.deepEqual(
      app.seen.map(one => one.number),
      paths.map((_, i) => i + 1),
    )
  })

  test('a handler that answers at once, and one that does now and then', async t => {
    const app = startApp(t, {
      onRequest: one => {
        if (one.url.length % 2 === 0) one.answer(one.url)
        else setTimeout(() => one.answer(one.url), 1)
      },
    })
    const client = await RawClient.connect(t, app.port)
    const paths = Array.from({ length: 200 }, (_, i) => `/${'a'.repeat(i % 7)}`)
    await client.send(paths.map(path => get(path)).join(''))
    await client.finals(200)
    assert.deepEqual(bodies(client), paths)
  })

  test('a request that arrives while one is pending waits for it', async t => {
    const app = startApp(t, { onRequest: () => {} })
    const client = await RawClient.connect(t, app.port)
    await client.send(get('/1'))
    await app.until(() => app.seen.length === 1)
    await client.send(get('/2'))
    // Another connection's answer shows that the loop has had its turn and read the second request.
    const other = await RawClient.connect(t, app.port)
    await other.send(get('/other'))
    await app.until(() => app.seen.length === 2)
    assert.deepEqual(
      app.seen.map(one => one.url),
      ['/1', '/other'],
    )
    app.seen[0]!.answer('first')
    await app.until(() => app.seen.length === 3)
    app.seen[2]!.answer('second')
    await client.finals(2)
    assert.deepEqual(bodies(client), ['first', 'second'])
  })

  const mixed = [
    get('/1'),
    post('/2', 'Content-Length: 5\r\n', 'hello'),
    post('/3', 'Transfer-Encoding: chunked\r\n', '5;x=y\r\nworld\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n'),
    `\r\n${get('/4')}`,
  ].join('')
  const expected = ['/1:', '/2:hello', '/3:world!', '/4:']
  const echo = (t: Parameters<typeof startApp>[0]) =>
    startApp(t, { onRequest: one => void setImmediate(() => one.answer(`${one.url}:${one.body.toString()}`)) })

  test('bodies by length and chunked, cut at every byte', async t => {
    const app = echo(t)
    for (let cut = 1; cut < mixed.length; cut++) {
      const client = await RawClient.connect(t, app.port)
      await client.send(mixed.slice(0, cut))
      await new Promise(resolve => setImmediate(resolve))
      await client.send(mixed.slice(cut))
      await client.finals(4)
      assert.deepEqual(bodies(client), expected, `cut at ${cut}`)
      client.destroy()
    }
  })

  test('byte by byte', async t => {
    const app = echo(t)
    const client = await RawClient.connect(t, app.port)
    client.socket.setMaxListeners(0)
    for (const byte of mixed) {
      await client.send(byte)
      await new Promise(resolve => setImmediate(resolve))
    }
    await client.finals(4)
    assert.deepEqual(bodies(client), expected)
  })

  test('large bodies come whole, and what is behind them', async t => {
    const app = startApp(t, {
      onRequest: one => void setImmediate(() => one.answer(`${one.body.length} ${one.body.subarray(-3).toString()}`)),
    })
    const client = await RawClient.connect(t, app.port)
    const large = `${'x'.repeat(3_000_000)}end`
    const chunk = `${large.length.toString(16)}\r\n${large}\r\n`
    await client.send(post('/', `Content-Length: ${large.length}\r\n`, large) + get('/'))
    await client.send(post('/', 'Transfer-Encoding: chunked\r\n', `${chunk}${chunk}0\r\n\r\n`) + get('/'))
    await client.finals(4)
    assert.deepEqual(bodies(client), ['3000003 end', '0 ', '6000006 end', '0 '])
  })

  test('more than is kept stays with the sender until there is room', async t => {
    const app = startApp(t, { onRequest: one => void (one.url === '/first' || setImmediate(() => one.answer('ok'))) })
    const client = await RawClient.connect(t, app.port)
    await client.send(get('/first'))
    await app.until(() => app.seen.length === 1)
    const many = 16_000
    let sent = false
    const all = client.send(get('/', `A: ${'a'.repeat(1000)}\r\n`).repeat(many)).then(() => (sent = true))
    // 16 MB do not fit into the socket buffers: a round of other requests passes, and the sender still has bytes.
    for (let i = 0; i < 20; i++) {
      const other = await RawClient.connect(t, app.port)
      await other.send(get('/other'))
      await other.finals(1)
      other.destroy()
    }
    assert.equal(sent, false)
    assert.equal(app.seen.filter(one => one.url === '/').length, 0)
    app.seen[0]!.answer('first')
    await all
    await app.until(() => app.seen.filter(one => one.url === '/').length === many)
    await client.contains('first')
  })

  test('responses to a slow reader: the next request begins when the last byte of the one before has left', async t => {
    // More than the socket buffers of both sides take.
    const large = 'y'.repeat(24_000_000)
    const app = startApp(t, { onRequest: one => void setImmediate(() => one.answer(one.url === '/1' ? large : 'x')) })
    const socket = connect(app.port, '127.0.0.1')
    t.after(() => socket.destroy())
    socket.pause()
    socket.write(get('/1') + get('/2'))
    await app.until(() => app.seen.length === 1)
    for (let i = 0; i < 10; i++) {
      const other = await RawClient.connect(t, app.port)
      await other.send(get('/other'))
      await other.finals(1)
    }
    assert.ok(app.seen.every(one => one.url !== '/2'))
    let length = 0
    let text = ''
    socket.setEncoding('latin1').on('data', (part: string) => {
      length += part.length
      text = (text + part).slice(-500)
    })
    socket.resume()
    while (!text.endsWith('\r\n\r\nx')) await new Promise(resolve => socket.once('data', resolve))
    assert.match(text, /yyyHTTP\/1\.1 200 OK\r\n/)
    assert.ok(length > large.length && length < large.length + 300)
  })

  test('1,000 connections', async t => {
    const app = startApp(t)
    const clients = await Promise.all(Array.from({ length: 1000 }, () => RawClient.connect(t, app.port)))
    await Promise.all(clients.map((client, i) => client.send(get(`/${i}a`) + get(`/${i}b`) + get(`/${i}c`))))
    await Promise.all(clients.map(client => client.finals(3)))
    clients.forEach((client, i) => assert.deepEqual(bodies(client), [`/${i}a`, `/${i}b`, `/${i}c`]))
  })
})

describe('the client goes', options, () => {
  test('during a request, with others sent ahead: it is aborted, the others never begin', async t => {
    const app = startApp(t, { onRequest: () => {} })
    const client = await RawClient.connect(t, app.port)
    await client.send(get('/1') + get('/2') + get('/3'))
    await app.until(() => app.seen.length === 1)
    client.socket.resetAndDestroy()
    await app.until(() => app.seen[0]!.aborted)
    assert.equal(app.seen.length, 1)
  })

  test('after one request, by closing its side: the request is aborted', async t => {
    const app = startApp(t, { onRequest: () => {} })
    const client = await RawClient.connect(t, app.port)
    client.socket.end(get('/1'))
    await app.until(() => app.seen.length === 1 && app.seen[0]!.aborted)
  })

  test('after closing its side, with requests sent ahead: those before the last are answered', async t => {
    const app = startApp(t, { onRequest: one => void (one.url === '/3' || setImmediate(() => one.answer(one.url))) })
    const client = await RawClient.connect(t, app.port)
    client.socket.end(get('/1') + get('/2') + get('/3'))
    await client.ended()
    assert.deepEqual(bodies(client), ['/1', '/2'])
    await app.until(() => app.seen.length === 3 && app.seen[2]!.aborted)
  })

  test('in a head or in a body: no request, or an aborted one', async t => {
    const app = startApp(t)
    for (const part of [get('/').slice(0, 20), post('/b', 'Content-Length: 5\r\n', 'hel')]) {
      const client = await RawClient.connect(t, app.port)
      client.socket.end(part)
      await client.ended()
      assert.equal(client.bytes.length, 0)
    }
    await app.until(() => app.seen.length === 1 && app.seen[0]!.aborted)
  })

  test('with a full stash: the reset is noticed', async t => {
    const app = startApp(t, { onRequest: () => {} })
    const client = await RawClient.connect(t, app.port)
    await client.send(get('/1'))
    await app.until(() => app.seen.length === 1)
    void client.send(get('/', `A: ${'a'.repeat(1000)}\r\n`).repeat(4000))
    for (let i = 0; i < 20; i++) {
      const other = await RawClient.connect(t, app.port)
      await other.send(get('/other'))
      await app.until(() => app.seen.length === i + 2)
    }
    client.socket.resetAndDestroy()
    await app.until(() => app.seen[0]!.aborted)
  })
})

describe('seen', options, () => {
  test('the head as it was received, also in pieces and in absolute form', async t => {
    const app = startApp(t)
    const client = await RawClient.connect(t, app.port)
    const odd = 'GET http://h/p?q HTTP/1.1\r\nHost: h\r\nX-CaSe:  caf\xe9 \r\n\r\n'
    await client.send(odd)
    await client.finals(1)
    await client.send(odd.slice(0, 30))
    await new Promise(resolve => setImmediate(resolve))
    await client.send(odd.slice(30) + 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n')
    await client.finals(3)
    assert.deepEqual(
      app.seen.map(one => one.head),
      [odd, odd, 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n'],
    )
    assert.deepEqual(bodies(client), ['/p', '/p', '/'])
  })

  test('the address, IPv4 and IPv6 on one listener', async t => {
    const app = startApp(t, { host: '::' })
    for (const host of ['127.0.0.1', '::1']) {
      const socket = connect(app.port, host)
      t.after(() => socket.destroy())
      socket.write(get('/'))
      await app.until(() => app.seen.some(one => one.address === host))
    }
    assert.equal(app.seen.length, 2)
  })

  test('no address on a unix socket', async t => {
    const unix = join(tmpdir(), `polygate-front-end-${process.pid}.sock`)
    const app = startApp(t, { unix })
    const socket = connect(unix)
    t.after(() => socket.destroy())
    socket.write(get('/1') + get('/2'))
    await app.until(() => app.seen.length === 2)
    assert.deepEqual(
      app.seen.map(one => one.address),
      ['', ''],
    )
  })

  test('nothing outside a handler', () => {
    assert.equal(native().frontEndHead(), null)
    assert.equal(native().frontEndAddress(), null)
    assert.equal(native().frontEndBegin(999), 0)
    native().frontEndEnd(999)
    native().frontEndEnd(4_000_000_000)
  })
})

test('keys of all kinds that the configuration allows', options, async t => {
  const authority = makeAuthority(t)
  const p384 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']
  for (const newKey of [['rsa:2048'], ['rsa:4096'], p384, ['ed25519']]) {
    const app = startApp(t, { tls: authority.issue('keys.example', { newKey }) })
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await RawClient.connectTls(t, app.port, { maxVersion })
      await client.send(get('/1'))
      await client.finals(1)
      assert.deepEqual(bodies(client), ['/1'])
      client.destroy()
    }
  }
})

test('a held listener lets clients wait, and serves them when it accepts', options, async t => {
  const app = startApp(t, { held: true })
  const open = startApp(t)
  const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect(t, app.port)))
  await Promise.all(clients.map((client, i) => client.send(get(`/${i}`))))
  // The loop has its turns: another listener's clients are served meanwhile.
  for (let i = 0; i < 20; i++) {
    const other = await RawClient.connect(t, open.port)
    await other.send(get('/other'))
    await other.finals(1)
  }
  assert.equal(app.seen.length, 0)
  native().frontEndAccept()
  await Promise.all(clients.map(client => client.finals(1)))
  clients.forEach((client, i) => assert.deepEqual(bodies(client), [`/${i}`]))
  // One that is closed without ever having accepted takes nothing with it.
  const ends: (() => unknown)[] = []
  startApp({ after: end => void ends.push(end) }, { held: true })
  for (const end of ends) end()
  native().frontEndAccept()
})

test('over TLS all is the same: heads, order, address, answers', options, async t => {
  const authority = makeAuthority(t)
  const app = startApp(t, { tls: authority.issue('localhost', { names: ['localhost'] }) })
  const socket = connectTls({ port: app.port, host: '127.0.0.1', rejectUnauthorized: false })
  t.after(() => socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => (text += part))
  socket.write(get('/1') + post('/2', 'Content-Length: 5\r\n', 'hello') + get('/3') + 'no request\r\n\r\n')
  await once(socket, 'end')
  assert.deepEqual(
    [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '200', '200', '400'],
  )
  assert.match(text, /"code":"bad_request"/)
  assert.deepEqual(
    app.seen.map(one => [one.head?.split(' ')[1], one.address, one.number, one.body.toString()]),
    [
      ['/1', '127.0.0.1', 1, ''],
      ['/2', '127.0.0.1', 2, 'hello'],
      ['/3', '127.0.0.1', 3, ''],
    ],
  )
})

test(
  'a WebSocket on the same app, its first frames together with the handshake, behind a request',
  options,
  async t => {
    const app = startApp(t, {
      webSocket: { message: (socket, message, binary) => void socket.send(message, binary) },
    })
    const client = await RawClient.connect(t, app.port)
    const handshake = get(
      '/socket',
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
    )
    // A masked text frame `hi`, mask 0.
    const frame = '\x81\x82\0\0\0\0hi'
    await client.send(get('/before') + handshake + frame.repeat(3))
    await client.contains('\x81\x02hi'.repeat(3))
    assert.deepEqual(client.answers().finals.map(statusOf), [200, 101])
    // Frames that look like HTTP are not for us to read.
    const long = get('/no').repeat(4)
    await client.send(`\x81\xfe${String.fromCharCode(long.length >> 8, long.length & 255)}\0\0\0\0${long}`)
    await client.contains(long)
    client.destroy()

    const socket = new WebSocket(`ws://127.0.0.1:${app.port}/socket`)
    t.after(() => socket.terminate())
    await new Promise(resolve => socket.once('open', resolve))
    const large = Buffer.alloc(1000, 7)
    const echoed = new Promise(resolve => socket.once('message', resolve))
    socket.send(large)
    assert.deepEqual(await echoed, large)
  },
)

describe('Expect: 100-continue', options, () => {
  const head = post('/', 'Content-Length: 5\r\nExpect: 100-continue\r\n', '')
  test('is answered with 100 where the body is wanted', async t => {
    const app = startApp(t)
    const client = await RawClient.connect(t, app.port)
    await client.send(head)
    await client.contains('HTTP/1.1 100 Continue\r\n\r\n')
    await client.send('hello')
    const { interims, finals } = await client.finals(1)
    assert.deepEqual([interims.map(statusOf), finals.map(statusOf)], [[100], [200]])
    assert.equal(app.seen[0]!.body.toString(), 'hello')
  })
  test('is not, where the handler refuses at once', async t => {
    const app = startApp(t, {
      onHead: response => {
        response.writeStatus('417 Expectation Failed').end('no', true)
        return true
      },
    })
    const client = await RawClient.connect(t, app.port)
    await client.send(head)
    await client.ended()
    const { interims, finals } = client.answers()
    assert.deepEqual([interims.map(statusOf), finals.map(statusOf)], [[], [417]])
  })
})

test('a process with several front ends in threads ends cleanly', options, () => {
  const script = join(import.meta.dirname, 'front-end-threads.ts')
  const child = spawnSync(process.execPath, ['--import', 'tsx', script], { encoding: 'utf8', timeout: 20_000 })
  assert.equal(child.stdout, 'served 3 threads\n', child.stderr)
  assert.deepEqual([child.status, child.signal], [0, null])
})
