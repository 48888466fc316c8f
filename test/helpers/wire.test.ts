// Pins what the tests' own strict reader of HTTP/1.1 finds fault with: the raw byte tests are worth what it sees.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRequest, readResponse, type Reading } from './wire.ts'

const request = (text: string): Reading => readRequest(Buffer.from(text, 'latin1'))
const response = (text: string, method = 'GET', ended = false): Reading =>
  readResponse(Buffer.from(text, 'latin1'), 0, method, ended)

const post = (fields: string, body: string): string => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`

test('requests with a fault', () => {
  const { whole } = request(post('Transfer-Encoding: chunked\r\n', '0\r\nno colon\r\n\r\n'))
  assert.equal(whole?.trailerFaults.length, 1)
  const faulty: Readonly<Record<string, string>> = {
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    'two hosts': 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
    'two blanks': 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n',
    'method that is no token': 'GE(T / HTTP/1.1\r\nHost: a\r\n\r\n',
    'other version': 'GET / HTTP/2.0\r\nHost: a\r\n\r\n',
    'byte over 127 in the target': 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n',
    'blank before the colon': post('X : 1\r\n', ''),
    fold: post('X: 1\r\n 2\r\n', ''),
    'line feed in a value': post('X: 1\nY: 2\r\n', ''),
    'nul in a value': post('X: \0\r\n', ''),
    'two lengths': post('Content-Length: 1\r\nContent-Length: 1\r\n', 'x'),
    'length with a sign': post('Content-Length: +1\r\n', 'x'),
    'length and coding': post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    'coding that is not chunked': post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
    'chunk size of nothing': post('Transfer-Encoding: chunked\r\n', ';a\r\nx\r\n0\r\n\r\n'),
    'chunk size with a sign': post('Transfer-Encoding: chunked\r\n', '+1\r\nx\r\n0\r\n\r\n'),
    'chunk size line with a line feed': post('Transfer-Encoding: chunked\r\n', '1\nx\r\n0\r\n\r\n'),
    'chunk without its end': post('Transfer-Encoding: chunked\r\n', '1\r\nx0\r\n\r\n'),
  }
  for (const [what, text] of Object.entries(faulty)) {
    const { whole } = request(text)
    assert.ok(whole && whole.faults.length > 0, what)
  }
})

test('well-formed requests, and that no byte of one may be missing', () => {
  const good: Readonly<Record<string, string>> = {
    '': 'GET /?a=b HTTP/1.1\r\nHost: a\r\nX: \xe9\t1\r\n\r\n',
    hello: post('Content-Length: 5\r\n', 'hello'),
    '\r\n0\r\n\r\n': post('Transfer-Encoding: chunked\r\n', '7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n'),
    world: post('Transfer-Encoding: chunked\r\n', '2;a=b\r\nwo\r\n03\r\nrld\r\n0\r\nX-Sum: 1\r\n\r\n'),
  }
  for (const [body, text] of Object.entries(good)) {
    const { whole } = request(`${text}GET /next`)
    assert.deepEqual(whole?.faults, [])
    assert.equal(whole.body.toString('latin1'), body)
    assert.equal(whole.size, text.length)
    for (let length = 0; length < text.length; length++) {
      const { partial } = request(text.slice(0, length))
      assert.deepEqual(partial?.faults, [], `${length} bytes of ${JSON.stringify(text)}`)
    }
  }
})

test('responses end where their framing says', () => {
  assert.equal(response('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP').whole?.body.toString(), 'ab')
  assert.equal(response('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', 'HEAD').whole?.body.length, 0)
  assert.equal(response('HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n').whole?.body.length, 0)
  assert.ok(response('HTTP/1.1 200 OK\r\n\r\nab').partial)
  assert.equal(response('HTTP/1.1 200 OK\r\n\r\nab', 'GET', true).whole?.body.toString(), 'ab')
  assert.ok((response('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n').whole?.faults.length ?? 0) > 0)
  assert.ok((response('HTTP/1.1 20 OK\r\n\r\n', 'HEAD').whole?.faults.length ?? 0) > 0)
})
