// Pins that what a guard finds as a credential is what the upstream does not see: the readers here and native/head hide
// and find by the same rules, whatever a client writes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parameter } from '../../../ts/gateway/guard/credentials.ts'
import { onlyCookie } from '../../../ts/shared/cookies.ts'
import { native } from '../../../ts/shared/native.ts'
import { seededRandom } from '../../helpers/random.ts'

const heads = new (native().RequestHeads)({ slots: 1, maxHeadBytes: 0, maxHeaders: 0 })
const policy = heads.policy({
  host: null,
  via: false,
  rfc7239: false,
  set: [],
  append: [],
  remove: [],
  hiddenHeaders: [],
  hiddenParameters: ['key'],
  hiddenCookies: ['key'],
  certificate: [],
})
const forwarding = {
  path: null,
  query: null,
  host: null,
  requestId: null,
  framing: 0,
  length: 0,
  upgrade: false,
  clientAddress: '10.0.0.1',
  trusted: false,
  tls: false,
  port: 0,
  edits: [],
}

/** Query and cookies that the upstream sees; null where the request is refused. */
function forwarded(query: string, cookies: string): { query: string; cookies: string } | null {
  const head = `GET /?${query} HTTP/1.1\r\nHost: a\r\nCookie: ${cookies}\r\n\r\n`
  if (heads.takeText(0, Buffer.from(head, 'latin1')) !== 0) return null
  const text = heads.compose(0, policy, forwarding).toString('latin1')
  const [, target = ''] = text.split(' ', 2)
  const [, sent = ''] = /\r\ncookie: (.*?)\r\n/i.exec(text) ?? []
  return { query: target.includes('?') ? target.slice(target.indexOf('?') + 1) : '', cookies: sent }
}

test('a cookie behind a byte that is no blank is another cookie', () => {
  const seen = forwarded('a=b', '\xa0key=secret; key =1')
  assert.deepEqual(seen, { query: 'a=b', cookies: '\xa0key=secret' })
  assert.equal(onlyCookie('\xa0key=secret', 'key'), undefined)
})

test('nothing that is found is forwarded, and nothing else is lost', () => {
  const random = seededRandom(20_261_124)
  const pick = (count: number): number => Math.floor(random() * count)
  const piecesOf = (pieces: readonly string[]): string =>
    Array.from({ length: pick(8) }, () => pieces[pick(pieces.length)]).join('')
  const queries = [
    'key',
    '%6bey',
    'k%65%79',
    '%4bey',
    'KEY',
    '+',
    '%20',
    '%',
    '%6',
    '%zz',
    '%ff',
    '=',
    '=',
    '&',
    '&',
    'a',
    'key=',
  ]
  const cookies = ['key', 'Key', 'ke', 'y', ' ', '\t', '\xa0', '=', '=', ';', ';', '; ', 'a', '"', 'key=', 'keys=']
  let found = 0
  for (let round = 0; round < 20_000; round++) {
    const [query, cookie] = [piecesOf(queries), piecesOf(cookies)]
    const seen = forwarded(query, cookie)
    assert.ok(seen, JSON.stringify([query, cookie]))
    assert.equal(parameter(seen.query, 'key'), undefined, JSON.stringify([query, seen.query]))
    assert.equal(onlyCookie(seen.cookies, 'key'), undefined, JSON.stringify([cookie, seen.cookies]))
    if (parameter(query, 'key') === undefined) assert.equal(seen.query, query)
    else found++
    const kept = (text: string): string[] =>
      text
        .split(';')
        .map(one => one.replace(/^[ \t]+|[ \t]+$/g, ''))
        .filter(Boolean)
    if (onlyCookie(cookie, 'key') === undefined) assert.deepEqual(kept(seen.cookies), kept(cookie))
    else found++
  }
  assert.ok(found > 1000, String(found))
})
