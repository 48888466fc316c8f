// The addon's request heads as the worker uses them: what crosses of a head, what is refused and how, that slots and
// instances do not mix, and that no string from JS can become another request. What is accepted at all is pinned by
// the tests of native/head.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import {
  HeadFlag,
  HeadFraming,
  HeadInfo,
  headRefusals,
  methodNames,
  type HeadForwarding,
  type HeadPolicyOptions,
  type NativeHeads,
  type RequestHeads,
} from '../../ts/shared/native-heads.ts'
import { native, packageRoot } from '../../ts/shared/native.ts'

const addon = native() as unknown as NativeHeads

const make = (slots = 4, maxHeadBytes = 1024, maxHeaders = 10): RequestHeads =>
  new addon.RequestHeads({ slots, maxHeadBytes, maxHeaders })

const request = (line: string, fields = ''): string => `${line} HTTP/1.1\r\nHost: A.Example:81\r\n${fields}\r\n`

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
const plain: HeadForwarding = {
  path: null,
  query: null,
  host: null,
  requestId: null,
  framing: HeadFraming.none,
  length: 0,
  upgrade: false,
  clientAddress: '10.0.0.1',
  trusted: false,
  tls: false,
  port: 81,
  edits: [],
}

type TextName = 'path' | 'query' | 'host' | 'requestId' | 'method'
const text = (heads: RequestHeads, name: TextName): string => {
  const start = heads.info[HeadInfo[`${name}Offset`]] ?? -1
  return heads.slab.latin1Slice(start, start + (heads.info[HeadInfo[`${name}Length`]] ?? -1))
}

const refusalOf = (heads: RequestHeads, head: string | Uint8Array): string | undefined =>
  headRefusals[heads.takeText(0, head)]?.detail

test('a refused head frees its slot and names its reason', () => {
  const heads = make()
  for (const [head, detail, code] of [
    [request('GET /', 'Content-Length: 1\r\nContent-Length: 1\r\n'), 'two Content-Length fields', 'bad_request'],
    [
      request('GET /', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
      'both Content-Length and Transfer-Encoding',
      'bad_request',
    ],
    [request('GET /', ': x\r\n'), 'a header field without a name', 'bad_request'],
    ['GET / HTTP/1.1\r\n\r\n', 'no Host field', 'bad_request'],
    [request('GET /..'), 'the path climbs above its root', 'bad_request'],
    [request('GET /', 'a: b\r\n'.repeat(10)), 'the request has too many header fields', 'head_too_large'],
    [request('GET /', `a: ${'b'.repeat(1024)}\r\n`), 'the request head has too many bytes', 'head_too_large'],
    [request('GET /', `a: ${'\xe9'.repeat(1024)}\r\n`), 'the request head has too many bytes', 'head_too_large'],
    [request('GET /', `a: ${'b'.repeat(100_000)}\r\n`), 'the request head has too many bytes', 'head_too_large'],
    ['', 'the request head does not end with an empty line', 'bad_request'],
  ] as const) {
    for (const form of [head, Buffer.from(head, 'latin1')]) {
      assert.equal(heads.takeText(0, request('GET /before', 'X: 1\r\n')), 0)
      const refusal = headRefusals[heads.takeText(0, form)]
      assert.deepEqual(refusal, { code, detail }, head.slice(0, 80))
      assert.equal(heads.header(0, 'x'), undefined)
      assert.deepEqual(heads.headers(0), [])
    }
  }
})

test('a character beyond latin-1 is refused, and never narrowed to a line feed', () => {
  const heads = make()
  for (const character of ['\u010a', '\u010d', '\u0100', '\u{1f600}', '\ud800']) {
    assert.equal(heads.takeText(0, request('GET /before')), 0)
    assert.equal(
      refusalOf(heads, request('GET /', `X: a${character}Content-Length: 5\r\n`)),
      'a character beyond latin-1 in the request head',
    )
    assert.deepEqual(heads.headers(0), [])
  }
})

test('wrong arguments throw', () => {
  const heads = make(2)
  const id = heads.policy(plainPolicy)
  const wrong = (name: string, ...given: unknown[]): void => {
    const call = (heads as unknown as Record<string, (...given: unknown[]) => unknown>)[name]
    assert.ok(call)
    assert.throws(() => call(...given), Error, `${name}(${given.join()})`)
  }
  for (const slot of [2, -1, 4294967295]) wrong('takeText', slot, request('GET /'))
  wrong('takeText', '0', request('GET /'))
  wrong('takeText', 0)
  wrong('takeText', 0, 1)
  wrong('takeText', 0, null)
  wrong('takeText', 0, {})
  wrong('header', 0)
  wrong('header', 0, 1)
  wrong('headers')
  wrong('policy')
  wrong('policy', {})
  wrong('policy', { ...plainPolicy, set: [['a']] })
  wrong('compose', 0, id, plain)
  heads.takeText(0, request('GET /'))
  wrong('compose', 0, id + 1, plain)
  wrong('compose', 0, id)
  wrong('compose', 0, id, { ...plain, framing: 3 })
  wrong('compose', 0, id, { ...plain, framing: HeadFraming.length, length: -1 })
  wrong('compose', 0, id, { ...plain, port: 65536 })
  wrong('compose', 0, id, { ...plain, edits: [['replace', 'a', 'b']] })
  heads.release(99)
  heads.dropPolicy(99)
  assert.ok(heads.compose(0, id, plain).length > 0)
})

test('nothing that JS gives can end a line of the composed head', () => {
  const heads = make()
  heads.takeText(0, request('GET /p'))
  const id = heads.policy(plainPolicy)
  const evil = 'a\r\nX-Evil: 1'
  for (const over of [
    { path: `/${evil}` },
    { query: evil },
    { host: evil },
    { requestId: evil },
    { clientAddress: evil },
    { edits: [['set', 'x', evil]] },
    { edits: [['append', evil, 'x']] },
    { edits: [['set', 'content-length', '1']] },
    { upgrade: true },
  ] as Partial<HeadForwarding>[]) {
    assert.throws(() => heads.compose(0, id, { ...plain, ...over }), TypeError, JSON.stringify(over))
  }
  for (const over of [
    { host: evil },
    { set: [['x', evil]] },
    { append: [['Transfer-Encoding', 'chunked']] },
    { remove: [evil] },
  ] as Partial<HeadPolicyOptions>[]) {
    assert.throws(() => heads.policy({ ...plainPolicy, ...over }), TypeError, JSON.stringify(over))
  }
  assert.throws(() => heads.policy({ ...plainPolicy, set: [['Host', 'x']] }), /header `Host` is written by the gateway/)
})

test('the tables are those of the addon', () => {
  const details = addon.requestHeadRefusals()
  assert.deepEqual(
    headRefusals.slice(1).map(refusal => (refusal?.code === 'head_too_large' ? '!' : '') + refusal?.detail),
    details,
  )
  assert.deepEqual({ ...addon.requestHeadFlags() }, { ...HeadFlag })
  const heads = make()
  for (const [id, name] of methodNames.entries()) {
    if (name === '' || name === 'CONNECT') continue
    assert.equal(heads.takeText(0, request(`${name} /`)), 0)
    assert.equal(heads.info[HeadInfo.methodId], id)
  }
})

test('info and slab describe the head that was taken last', () => {
  const heads = make()
  const fields = 'Content-Length: 4294967301\r\nX-Request-Id: id-1\r\nExpect: 100-continue\r\n'
  for (const form of ['string', 'bytes']) {
    const head = request('PURGE //a/%62/../c?d=%zz', fields)
    assert.equal(heads.takeText(3, form === 'string' ? head : Buffer.from(head)), 0)
    assert.equal(heads.info[HeadInfo.methodId], 0)
    assert.equal(text(heads, 'method'), 'PURGE')
    assert.equal(text(heads, 'path'), '/a/c')
    assert.equal(text(heads, 'query'), 'd=%zz')
    assert.equal(text(heads, 'host'), 'a.example')
    assert.equal(text(heads, 'requestId'), 'id-1')
    assert.equal(heads.info[HeadInfo.framing], HeadFraming.length)
    assert.equal(heads.info[HeadInfo.lengthLow], 5)
    assert.equal(heads.info[HeadInfo.lengthHigh], 1)
    assert.equal(
      heads.info[HeadInfo.flags],
      HeadFlag.query | HeadFlag.normalised | HeadFlag.clientRequestId | HeadFlag.expectContinue,
    )
    assert.equal(heads.takeText(1, request('POST /b', 'Transfer-Encoding: chunked\r\n')), 0)
    assert.equal(text(heads, 'path'), '/b')
    assert.equal(text(heads, 'query'), '')
    assert.match(text(heads, 'requestId'), /^[0-9a-f]{24}$/)
    assert.equal(heads.info[HeadInfo.framing], HeadFraming.chunked)
    assert.equal(heads.info[HeadInfo.flags], 0)
  }
})

test('headers are found by any case, joined, and kept as bytes', () => {
  const heads = make()
  heads.takeText(0, request('GET /', 'X-A: 1\r\nCookie: a=b\r\nx-a: \xe9\r\ncookie: c\r\nX-Empty:\r\n'))
  heads.takeText(1, request('GET /', 'X-A: other\r\n'))
  assert.equal(heads.header(0, 'X-a'), '1, \xe9')
  assert.equal(heads.header(0, 'COOKIE'), 'a=b; c')
  assert.equal(heads.header(0, 'x-empty'), '')
  assert.equal(heads.header(0, 'x-none'), undefined)
  assert.equal(heads.header(0, 'x'.repeat(1000)), undefined)
  assert.equal(heads.header(1, 'x-a'), 'other')
  assert.equal(heads.header(2, 'x-a'), undefined)
  const pairs = ['host', 'A.Example:81', 'x-a', '1', 'cookie', 'a=b', 'x-a', '\xe9', 'cookie', 'c', 'x-empty', '']
  assert.deepEqual(heads.headers(0), pairs)
  heads.release(0)
  heads.release(0)
  assert.equal(heads.header(0, 'x-a'), undefined)
  assert.equal(heads.header(1, 'x-a'), 'other')
})

test('a head is composed by policy and by what one request brings', () => {
  const heads = make()
  heads.takeText(0, request('GET /a/../b?c', 'X-A: \xe9\r\nConnection: x-gone\r\nX-Gone: 1\r\nX-Consumer-Id: 0\r\n'))
  const bare = heads.policy(plainPolicy)
  const full = heads.policy({
    host: 'upstream:9',
    via: true,
    rfc7239: true,
    set: [['x-set', 'v\xe9']],
    append: [['X-A', '2']],
    remove: ['x-forwarded-host'],
    hiddenHeaders: [],
    hiddenParameters: [],
    hiddenCookies: [],
    certificate: [],
  })
  const id = text(heads, 'requestId')
  assert.equal(
    heads.compose(0, bare, { ...plain, framing: HeadFraming.chunked }).latin1Slice(),
    'GET /b?c HTTP/1.1\r\nhost: A.Example:81\r\nX-A: \xe9\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: http\r\n' +
      `x-forwarded-host: A.Example:81\r\nx-forwarded-port: 81\r\nx-request-id: ${id}\r\ntransfer-encoding: chunked\r\n\r\n`,
  )
  const composed = heads.compose(0, full, {
    ...plain,
    path: '/new',
    tls: true,
    framing: HeadFraming.length,
    length: 2 ** 40,
    edits: [
      ['set', 'X-Consumer-Id', 'alice'],
      ['remove', 'via'],
    ],
  })
  assert.equal(
    composed.latin1Slice(),
    'GET /new?c HTTP/1.1\r\nhost: upstream:9\r\nX-A: \xe9\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: https\r\n' +
      'x-forwarded-port: 81\r\nforwarded: for=10.0.0.1;host="A.Example:81";proto=https\r\n' +
      `x-request-id: ${id}\r\nx-set: ${Buffer.from('v\xe9').latin1Slice()}\r\nX-A: 2\r\nX-Consumer-Id: alice\r\n` +
      'content-length: 1099511627776\r\n\r\n',
  )
  heads.dropPolicy(full)
  assert.throws(() => heads.compose(0, full, plain), /no such policy/)
  assert.equal(heads.policy(plainPolicy), full, 'a dropped number is used again')
})

test('limits can be changed, but not beyond the slab', () => {
  const heads = make(1, 200, 2)
  const long = request('GET /', `X: ${'a'.repeat(150)}\r\n`)
  assert.equal(heads.takeText(0, long), 0)
  heads.setLimits(100, 1)
  assert.equal(refusalOf(heads, long), 'the request head has too many bytes')
  assert.equal(refusalOf(heads, request('GET /', 'X: a\r\n')), 'the request has too many header fields')
  heads.setLimits(0, 0)
  assert.equal(heads.takeText(0, long), 0)
  assert.equal(refusalOf(heads, request('GET /', `X: ${'a'.repeat(200)}\r\n`)), 'the request head has too many bytes')
  const longest = `GET /${'%2f'.repeat(200)}`
  const wide = make(1, request(longest).length, 0)
  assert.equal(wide.takeText(0, request(longest)), 0)
  assert.equal(text(wide, 'path'), `/${'%2F'.repeat(200)}`)
})

test('instances do not mix, and their functions outlive them', () => {
  const [one, two] = [make(), make()]
  one.takeText(0, request('GET /one'))
  two.takeText(0, request('GET /two'))
  assert.equal(text(one, 'path'), '/one')
  assert.equal(text(two, 'path'), '/two')
  one.release(0)
  assert.deepEqual(one.headers(0), [])
  assert.equal(two.headers(0).length, 2)
  const takeText = make().takeText.bind(undefined)
  assert.equal(takeText(0, request('GET /')), 0)
})

test('workers load the addon at once, each with heads of its own, and end cleanly', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { RequestHeads } = require(workerData)
    for (let round = 0; round < 200; round += 1) {
      const heads = new RequestHeads({ slots: 2, maxHeadBytes: 4096, maxHeaders: 9 })
      for (let slot = 0; slot < 2; slot += 1)
        if (heads.takeText(slot, 'GET /' + round + ' HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n') !== 0) throw new Error('refused')
      if (heads.slab.latin1Slice(0, heads.info[2]) !== '/' + round) throw new Error('mixed up')
    }
    parentPort.postMessage('done')
  `
  const file = join(packageRoot, 'dist', 'native', 'polygate.node')
  await Promise.all(
    Array.from({ length: 8 }, () => {
      const worker = new Worker(code, { eval: true, execArgv: [], workerData: file })
      return new Promise<void>((resolve, reject) => {
        let said: unknown
        worker.on('message', (message: unknown) => (said = message))
        worker.on('error', reject)
        worker.on('exit', status => {
          if (status === 0 && said === 'done') resolve()
          else reject(new Error(`a worker ended with ${status}`))
        })
      })
    }),
  )
})
