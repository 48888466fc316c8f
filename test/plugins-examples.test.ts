// Pins the examples of plugins that do real work, in a running gateway.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { polygate } from './command/polygate.ts'
import { startGateway, type RunningGateway } from './helpers/gateway.ts'
import { buildIn } from './helpers/native-library.ts'
import type { Scope } from './helpers/scope.ts'
import { readBody, startEcho, startUpstream } from './helpers/upstream.ts'

interface Page {
  readonly status?: number
  readonly headers: OutgoingHttpHeaders
  readonly body: string
}

interface Served {
  readonly gateway: RunningGateway
  /** What the upstream answers from now on. */
  answers(page: Page): void
  /** The headers of the last request that came to it. */
  seen(): NodeJS.Dict<string | string[]>
}

async function serve(scope: Scope, example: string, config: string): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-example-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(join(import.meta.dirname, '../plugins/examples', example), folder, { recursive: true })
  buildIn(folder, example)
  let page: Page = { headers: {}, body: '' }
  let seen: NodeJS.Dict<string | string[]> = {}
  const upstream = await startUpstream(scope, (request, response) => {
    seen = request.headers
    response.writeHead(page.status ?? 200, page.headers).end(Buffer.from(page.body, 'latin1'))
  })
  const gateway = await startGateway(
    scope,
    `upstreams: { up: { peers: [ { url: "${upstream.url}" } ] } }
plugins: { example: { path: ${folder}, config: ${config}, timeoutMs: 5000 } }
routes: [ { name: all, match: { path: "/*" }, upstream: up, plugins: [ example ] } ]
`,
  )
  return { gateway, answers: next => void (page = next), seen: () => seen }
}

async function pageOf({ gateway }: Served, headers: Record<string, string> = {}): Promise<Page & { raw: Response }> {
  const raw = await fetch(gateway.url, { headers })
  const body = Buffer.from(await raw.arrayBuffer()).toString('latin1')
  return { raw, status: raw.status, headers: Object.fromEntries(raw.headers), body }
}

const html = (body: string, more: OutgoingHttpHeaders = {}): Page => ({
  headers: { 'content-type': 'text/html; charset=iso-8859-1', ...more },
  body,
})

test('https-links: links of pages, and nothing else', async t => {
  const served = await serve(t, 'https-links', '{}')
  const pairs = [
    ['<a href="http://a.example/b?c=http://d">', '<a href="https://a.example/b?c=https://d">'],
    ["<A HREF='HTTP://a.example'>", "<A HREF='https://a.example'>"],
    ['<a href=http://a.example/b>', '<a href=https://a.example/b>'],
    ['<img srcset="http://a/1 1x, http://a/2 2x">', '<img srcset="https://a/1 1x, https://a/2 2x">'],
    ['<a href="http://a:80/b">', '<a href="https://a/b">'],
    ['<a href="http://a:8080/b">', '<a href="http://a:8080/b">'],
    ['<p style="background: url(http://a/b.png)">', '<p style="background: url(https://a/b.png)">'],
    ['<style>p { background: url("http://a/b") }</style>', '<style>p { background: url("https://a/b") }</style>'],
    ['<script src="http://a/b.js">', '<script src="https://a/b.js">'],
    ['x.href = "http://a/b"</script>', 'x.href = "http://a/b"</script>'],
    ['<html xmlns="http://www.w3.org/1999/xhtml">', '<html xmlns="http://www.w3.org/1999/xhtml">'],
    ['<p>see http://a.example\xe4\xf6</p>', '<p>see http://a.example\xe4\xf6</p>'],
  ] as const
  const etag = { etag: '"1"', 'last-modified': 'Thu, 01 Jan 1970 00:00:00 GMT' }
  served.answers(html(pairs.map(([before]) => before).join('\n'), etag))
  const page = await pageOf(served, { range: 'bytes=0-9', 'accept-encoding': 'gzip' })
  assert.equal(page.body, pairs.map(([, after]) => after).join('\n'))
  assert.deepEqual([page.raw.headers.get('etag'), page.raw.headers.get('last-modified')], ['W/"1"', null])
  assert.deepEqual([served.seen()['range'], served.seen()['accept-encoding']], [undefined, undefined])
})

test('https-links: what is no page, or has no such link, leaves as it came', async t => {
  const served = await serve(t, 'https-links', '{}')
  for (const page of [
    { headers: { 'content-type': 'text/plain', etag: '"1"' }, body: '<a href="http://a">' },
    { headers: { 'content-type': 'text/html', 'content-encoding': 'br', etag: '"1"' }, body: '' },
    html('<a href="/b">\xff', { etag: '"1"' }),
  ]) {
    served.answers(page)
    const got = await pageOf(served)
    assert.deepEqual([got.body, got.raw.headers.get('etag')], [page.body, '"1"'])
  }
})

test('https-links: of some hosts alone; a page of unclosed scripts takes no time', async t => {
  const served = await serve(t, 'https-links', '{ hosts: [ Paper.example ] }')
  const links = (scheme: string): string =>
    `<a href="${scheme}://paper.example"><a href="${scheme}://www.paper.example/a"><a href="http://newspaper.example">`
  served.answers(html(links('http')))
  assert.equal((await pageOf(served)).body, links('https'))
  served.answers(html('<script '.repeat(100_000)))
  const fromMs = performance.now()
  assert.equal((await pageOf(served)).body.length, 800_000)
  assert.ok(performance.now() - fromMs < 3000)
})

const json = (body: string): Page => ({ headers: { 'content-type': 'application/json', etag: '"1"' }, body })

test('json-masker: the fields, what lies below them, and not a byte more', async t => {
  const served = await serve(t, 'json-masker', '{ fields: [ card, Secret, "a\\"b" ], keepLast: 4 }')
  const pairs = [
    ['{"card": "4111111111111111"}', '{"card": "***1111"}'],
    ['{"CARD":"short", "ca\\u0072d" : 12345678}', '{"CARD":"***", "ca\\u0072d" : "***5678"}'],
    ['{ "id": 12345678901234567890, "pi": 3.10 }', '{ "id": 12345678901234567890, "pi": 3.10 }'],
    ['{"secret":{"a":[1,{"b":"x"}],"c":null},"d":"card"}', '{"secret":{"a":["***",{"b":"***"}],"c":null},"d":"card"}'],
    [
      '[{"secret":[true]},"secret",{"a\\"b":1,"x":{"card":""}}]',
      '[{"secret":["***"]},"secret",{"a\\"b":"***","x":{"card":"***"}}]',
    ],
    ['{"text":"\\"card\\":\\"4111\\""}', '{"text":"\\"card\\":\\"4111\\""}'],
    ['"card"', '"card"'],
  ] as const
  for (const [before, after] of pairs) {
    served.answers(json(before))
    const page = await pageOf(served)
    assert.equal(page.body, after)
    assert.equal(page.raw.headers.get('etag'), before === after ? '"1"' : null)
  }
})

test('json-masker: what nobody could look into does not leave', async t => {
  const served = await serve(t, 'json-masker', '{ fields: [ card ] }')
  const compressed = { headers: { ...json('').headers, 'content-encoding': 'gzip' }, body: 'x' }
  for (const page of [json('{"card":1'), json('{"card":"\xff"}'), compressed]) {
    served.answers(page)
    assert.equal((await pageOf(served)).status, 500)
  }
  served.answers({ headers: { 'content-type': 'text/plain' }, body: '{"card":1}' })
  assert.equal((await pageOf(served)).body, '{"card":1}')
})

test('request-stamp: ids that sort by time, and those of clients where they are trusted', async t => {
  const [own, trusted] = [
    await serve(t, 'request-stamp', '{ header: x-stamp }'),
    await serve(t, 'request-stamp', '{ header: x-stamp, trustClient: true }'),
  ]
  const ids: string[] = []
  const fromMs = Date.now()
  for (let count = 0; count < 50; count++) {
    const page = await pageOf(own, { 'x-stamp': '01ARZ3NDEKTSV4RRFFQ69G5FAV' })
    const id = page.raw.headers.get('x-stamp')!
    assert.match(id, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/)
    assert.equal(own.seen()['x-stamp'], id)
    ids.push(id)
  }
  assert.deepEqual(ids, [...new Set(ids)].sort())
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  const ms = [...ids[0]!.slice(0, 10)].reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0)
  assert.ok(ms >= fromMs && ms <= Date.now(), `${ms}`)
  const kept = await pageOf(trusted, { 'x-stamp': '01ARZ3NDEKTSV4RRFFQ69G5FAV' })
  assert.equal(kept.raw.headers.get('x-stamp'), '01ARZ3NDEKTSV4RRFFQ69G5FAV')
  const refused = await pageOf(trusted, { 'x-stamp': 'not-an-id' })
  assert.match(refused.raw.headers.get('x-stamp')!, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/)
})

test('legacy-auth: the service is asked once for a session, and its illness lets nobody in', async t => {
  const asked: string[] = []
  let isIll = false
  const service = await startUpstream(t, (request, response) => {
    void readBody(request).then(body => {
      const session = new URLSearchParams(body.toString()).get('session')!
      asked.push(`${request.method} ${request.url} ${session}`)
      if (isIll) response.writeHead(500).end()
      else if (session.startsWith('good')) response.writeHead(200).end('{"user":"alice"}')
      else response.writeHead(session === 'odd' ? 200 : 403).end('{}')
    })
  })
  const echo = await startEcho(t)
  const folder = join(import.meta.dirname, '../plugins/examples/legacy-auth')
  const gateway = await startGateway(
    t,
    `upstreams: { echo: { peers: [ { url: "${echo.url}" } ] }, legacy: { peers: [ { url: "${service.url}" } ] } }
consumers: { alice: {} }
plugins: { auth: { path: ${folder}, config: { upstream: legacy, path: /who, header: x-session, badSeconds: 0.05 }, timeoutMs: 5000 } }
routes: [ { name: all, match: { path: "/*" }, upstream: echo, plugins: [ auth ] } ]
`,
  )
  const ask = (session?: string): Promise<Response> =>
    fetch(gateway.url, { headers: session === undefined ? {} : { 'x-session': session } })
  const statuses = async (...sessions: (string | undefined)[]): Promise<number[]> =>
    (await Promise.all(sessions.map(ask))).map(({ status }) => status)
  assert.deepEqual(await statuses('good&1', 'good&1', 'good&1', undefined, 'bad'), [200, 200, 200, 401, 401])
  assert.deepEqual(await statuses('good&1', 'x'.repeat(513)), [200, 401])
  assert.deepEqual(asked.sort(), ['POST /who bad', 'POST /who good&1'])
  const { headers } = (await (await ask('good&1')).json()) as { headers: Record<string, string> }
  assert.equal(headers['x-consumer-name'], 'alice')
  assert.deepEqual(await statuses('odd'), [500])
  isIll = true
  assert.deepEqual(await statuses('good 2', 'good&1'), [500, 200])
  isIll = false
  assert.deepEqual(await statuses('good 2'), [200])
})

for (const example of ['https-links', 'json-masker', 'legacy-auth']) {
  test(`${example}: its own cases`, async () => {
    const { status, output, errors } = await polygate(
      ['plugin', 'test', `../plugins/examples/${example}`],
      import.meta.dirname,
    )
    assert.equal(status, 0, output + errors)
    assert.match(output, /^[2-9] passed, 0 failed$/m)
  })
}
