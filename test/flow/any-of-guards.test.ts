// Pins guards one of which will do: each alternative lets a request in by itself, the next one is tried when one refuses,
// a client that fits none hears what is wrong with the credential that it has sent and every way to prove who it is, and
// nothing that a refused alternative has found out stays.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { within } from '../helpers/scope.ts'
import { gitHub } from '../helpers/signers.ts'
import { startEcho } from '../helpers/upstream.ts'

const configuration = (upstream: string): string => `
workers: 1
forwarded: { trustedProxies: [ 127.0.0.1 ] }
upstreams: { echo: { peers: [ { url: "${upstream}" } ] } }
consumers:
  alice: { keys: [ alice-key-1 ] }
  bob: { keys: [ bob-key-01 ] }
routes:
  - name: either
    match: { path: /either }
    upstream: echo
    guards:
      - anyOf: [ ipAllow: [ 10.0.0.0/8 ], key: { header: apikey }, key: { query: k } ]
  - name: both
    match: { path: /both }
    upstream: echo
    guards:
      - anyOf:
          - ipAllow: [ 10.0.0.0/8 ]
          - allOf: [ ipAllow: [ 192.0.2.0/24 ], key: { header: apikey } ]
  - name: list
    match: { path: /list }
    upstream: echo
    guards:
      - allOf: [ ipAllow: [ 192.0.2.0/24 ], key: { header: apikey } ]
  - name: found
    match: { path: /found }
    upstream: echo
    guards:
      - anyOf:
          - allOf: [ key: { header: apikey }, ipAllow: [ 192.0.2.0/24 ] ]
          - ipAllow: [ 10.0.0.0/8 ]
  - name: two
    match: { path: /two }
    upstream: echo
    guards:
      - key: { header: apikey }
      - anyOf: [ ipAllow: [ 10.0.0.0/8 ], ipAllow: [ 192.0.2.0/24 ] ]
      - rateLimit: { limit: 1000, per: 1s, by: consumer }
`

const inside = { 'x-forwarded-for': '10.1.2.3' }
const office = { 'x-forwarded-for': '192.0.2.7' }
const alice = { apikey: 'alice-key-1' }

test('guards one of which will do', async t => {
  const echo = await startEcho(t)
  const { url } = await startGateway(t, configuration(echo.url))

  async function ask(path: string, headers: Record<string, string>): Promise<{ status: number; consumer: unknown }> {
    const response = await fetch(`${url}${path}`, { headers })
    const text = await response.text()
    if (response.status !== 200) return { status: response.status, consumer: response.headers.get('www-authenticate') }
    const seen = JSON.parse(text) as { headers: Record<string, string> }
    assert.equal(seen.headers['apikey'], undefined, 'the credential stays here')
    return { status: 200, consumer: seen.headers['x-consumer-name'] ?? null }
  }

  const cases: [string, string, Record<string, string>, number, string | null][] = [
    ['the first alternative, by address', '/either', inside, 200, null],
    ['the second', '/either', alice, 200, 'alice'],
    ['the third, since the second one misses its key', '/either?k=bob-key-01', {}, 200, 'bob'],
    [
      'the third, though the second one knows no such key',
      '/either?k=bob-key-01',
      { apikey: 'nobodys-key' },
      200,
      'bob',
    ],
    ['an address for which all of one list is needed', '/both', { ...office, ...alice }, 200, 'alice'],
    ['another address', '/both', inside, 200, null],
    ['half of a list', '/both', alice, 403, null],
    ['the other half', '/both', office, 401, 'ApiKey in="header", name="apikey"'],
    ['a plain list', '/list', { ...office, ...alice }, 200, 'alice'],
    ['half of it', '/list', office, 401, 'ApiKey in="header", name="apikey"'],
    ['a consumer whose list was refused is forgotten', '/found', { ...inside, ...alice }, 200, null],
    ['a consumer found before stays', '/two', { ...office, ...alice }, 200, 'alice'],
    ['and a refusal after it is one', '/two', { 'x-forwarded-for': '203.0.113.9', ...alice }, 403, null],
  ]
  for (const [title, path, headers, status, consumer] of cases) {
    await t.test(title, async () => assert.deepEqual(await ask(path, headers), { status, consumer }))
  }
})

test('who fits none hears of all ways in, and what was wrong with what was sent', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, configuration(echo.url))

  const nothing = await fetch(`${gateway.url}/either`)
  assert.equal(nothing.status, 401, 'a credential would help, another address is not to be had')
  assert.equal(
    nothing.headers.get('www-authenticate'),
    'ApiKey in="header", name="apikey", ApiKey in="query", name="k"',
  )

  const route = `
workers: 1
upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
consumers: { alice: { keys: [ alice-key-1 ] } }
routes:
  - { name: keys, match: {}, upstream: echo, guards: [ anyOf: [ key: { header: apikey }, key: { query: k } ] ] }
`
  const { url } = await startGateway(t, route)
  const missing = await fetch(url)
  assert.equal(missing.status, 401)
  assert.equal(
    missing.headers.get('www-authenticate'),
    'ApiKey in="header", name="apikey", ApiKey in="query", name="k"',
  )
  const wrong = await fetch(`${url}/?k=nobodys-key`)
  assert.equal(((await wrong.json()) as { detail: string }).detail, 'the API key is not valid')
  const first = await fetch(url, { headers: { apikey: 'nobodys-key' } })
  assert.equal(((await first.json()) as { detail: string }).detail, 'the API key is not valid')
})

test('a body that is too long for one of them is too long, announced or not; to others it does not matter', async t => {
  const echo = await startEcho(t)
  const gateway = await startGateway(
    t,
    `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] } }
consumers:
  alice: { keys: [ alice-key-1 ] }
  hub: { signing: [ { scheme: github, secret: a-secret-of-the-hub } ] }
routes:
  - name: a
    match: {}
    upstream: echo
    guards: [ { anyOf: [ { signature: { scheme: github, maxBodyBytes: 10 } }, { key: { header: apikey } } ] } ]
`,
  )
  const send = async (body: string, headers: Record<string, string>, chunked: boolean): Promise<unknown[]> => {
    const streamed = { body: new Blob([body]).stream(), duplex: 'half' }
    const init = { method: 'POST', headers, ...(chunked ? streamed : { body }) } as RequestInit
    const answer = await within(10_000, 'the answer', fetch(gateway.url, init))
    const text = await answer.text()
    return answer.status === 200 ? [200, (JSON.parse(text) as { body: string }).body] : [answer.status]
  }
  const long = 'x'.repeat(100)
  const signed = (body: string): Record<string, string> => gitHub('a-secret-of-the-hub', body)
  const key = { apikey: 'alice-key-1' }
  for (const chunked of [false, true]) {
    assert.deepEqual(await send('short', signed('short'), chunked), [200, 'short'])
    assert.deepEqual(await send('short', { ...signed('other'), ...key }, chunked), [200, 'short'])
    assert.deepEqual(await send(long, key, chunked), [200, long])
    assert.deepEqual(await send(long, signed(long), chunked), [413])
    assert.deepEqual(await send(long, { ...signed(long), ...key }, chunked), [413])
    // Nothing of it is left behind for whoever comes next.
    assert.deepEqual(await send(long, key, chunked), [200, long])
  }
})
