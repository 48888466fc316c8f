// Pins `host.fetch` of JavaScript plugins, in the loop and in a thread: requests of a plugin's own to upstreams of the
// configuration, with their balance, retries and signatures; and each way in which there is no answer.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { freePort } from '../helpers/ports.ts'
import { readBody, startUpstream } from '../helpers/upstream.ts'

/** Answers with what came of the request that the client's headers describe. */
const code = `export default (config, host) => {
  host.fetch('other').catch(error => host.log.info('at the start: ' + error.message))
  return {
    async request(request) {
      const options = JSON.parse(request.headers.get('x-call') ?? '{}')
      try {
        const answer = await host.fetch(request.headers.get('x-upstream') ?? 'other', options)
        const { status, headers } = answer
        return request.respond(200, {}, JSON.stringify({ status, headers: [...headers], text: answer.text() }))
      } catch (error) {
        return request.respond(200, {}, JSON.stringify({ error: error.message }))
      }
    },
  }
}
`

interface Came {
  readonly status?: number
  readonly headers?: [string, string][]
  readonly text?: string
  readonly error?: string
}

for (const isolation of ['inline', 'worker']) {
  describe(`fetch of a plugin, ${isolation}`, () => {
    const ends: (() => unknown)[] = []
    const scope = { after: (end: () => unknown) => void ends.push(end) }
    let gateway: RunningGateway
    let yaml: (otherUrl: string) => string
    const gone = new Set<string>()

    before(async () => {
      const other = await startUpstream(scope, (request, response) => {
        const { method, url, headers } = request
        if (url === '/never') {
          response.once('close', () => gone.add('/never'))
          return
        }
        if (url === '/reset') return void request.socket.destroy()
        if (url === '/long') return void response.end('x'.repeat(2000))
        void readBody(request).then(body => {
          response.writeHead(
            203,
            [
              ['X-Two', '1'],
              ['X-Two', '2'],
            ].flat(),
          )
          response.end(JSON.stringify({ method, url, headers, body: body.toString() }))
        })
      })
      const folder = mkdtempSync(join(tmpdir(), 'polygate-fetch-'))
      scope.after(() => rmSync(folder, { recursive: true, force: true }))
      mkdirSync(join(folder, 'fetching'))
      writeFileSync(join(folder, 'fetching', 'plugin.js'), code)
      writeFileSync(
        join(folder, 'fetching', 'plugin.yaml'),
        `{ name: fetching, version: 1.0.0, runtime: js, isolation: ${isolation}, entry: ./plugin.js, hooks: [request] }\n`,
      )
      const refusing = await freePort()
      yaml = url => `upstreams:
  other: { peers: [ { url: "${url}" } ], retries: 0 }
  half: { peers: [ { url: "http://127.0.0.1:${refusing}" }, { url: "${other.url}" } ], health: { passive: false } }
  down: { peers: [ { url: "http://127.0.0.1:${refusing}" } ] }
  signed: { peers: [ { url: "${other.url}" } ], hostHeader: api.example, sign: { scheme: rfc9421, keyId: us, secret: hunter2 } }
plugins: { fetching: { path: "${folder}/fetching", timeoutMs: 10000 } }
routes: [ { name: all, match: { path: "/*" }, respond: { status: 200, body: none }, plugins: [ fetching ] } ]
`
      gateway = await startGateway(scope, yaml(other.url))
    })
    after(async () => {
      for (const end of ends.reverse()) await end()
    })

    const ask = async (call: object, upstream = 'other'): Promise<Came> => {
      const headers = { 'x-call': JSON.stringify(call), 'x-upstream': upstream }
      return (await (await fetch(gateway.url, { headers })).json()) as Came
    }

    test('method, path, headers, body; status, headers, body', async () => {
      const call = { method: 'POST', path: '/a?b=c', headers: { 'x-own': ['1', '2'] }, body: 'é' }
      const came = await ask(call)
      assert.equal(came.status, 203)
      assert.equal(new Map(came.headers).get('x-two'), '1, 2')
      const seen = JSON.parse(came.text!) as { headers: Record<string, string>; body: string }
      assert.deepEqual({ ...seen, headers: null }, { method: 'POST', url: '/a?b=c', headers: null, body: 'é' })
      const { host, 'content-length': length, 'x-own': own } = seen.headers
      assert.deepEqual([length, own, /^127\.0\.0\.1:\d+$/.test(host!)], ['2', '1, 2', true])
      assert.equal((JSON.parse((await ask({})).text!) as { url: string }).url, '/')
      assert.equal((await ask({ method: 'HEAD' })).text, '')
    })

    test('a peer that refuses: another one; the same many times at once', async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask({ method: 'POST', body: 'x' }, 'half')))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([203]))
    })

    test('an upstream that wants signatures gets one', async () => {
      const { text } = await ask({ method: 'PUT', body: 'x' }, 'signed')
      const { headers } = JSON.parse(text!) as { headers: Record<string, string> }
      assert.match(headers['signature-input']!, /^sig1=\("@method" "@target-uri" "content-digest"\).*keyid="us"/)
      assert.deepEqual([headers['host'], headers['content-digest']?.startsWith('sha-256=:')], ['api.example', true])
    })

    test('no answer, and why', async () => {
      for (const [call, upstream, error] of [
        [{}, 'nobody', 'there is no upstream "nobody"'],
        [{}, 'down', 'connection refused'],
        [{ path: '/reset' }, 'other', 'connection closed before the response was complete'],
        [{ path: '/never', timeoutMs: 50 }, 'other', 'no answer within 50 ms'],
        [{ path: '/long', maxBytes: 1999 }, 'other', 'the answer is longer than 1999 bytes'],
        [{ method: 'A B' }, 'other', 'expected a method as GET'],
        [{ path: 'a' }, 'other', /^path "a": expected /],
        [{ path: '/a b' }, 'other', /^path "\/a b": expected /],
        [{ path: '/a\r\nx: y' }, 'other', /^path .*: expected /],
        [{ headers: { 'x-a': '1\r\nx-b: 2' } }, 'other', /^header "x-a": expected /],
        [{ headers: { 'content-length': '7' } }, 'other', /^header "content-length": expected /],
        [{ headers: { host: 'a' } }, 'other', /^header "host": expected /],
      ] as const) {
        const came = await ask(call, upstream)
        const said = came.error?.replace(`upstream ${upstream}: `, '') ?? JSON.stringify(came)
        if (typeof error === 'string') assert.equal(said, error)
        else assert.match(said, error)
      }
      assert.deepEqual((await ask({ timeoutMs: 0 })).error, 'timeoutMs is a number above 0, at most 60000')
      assert.equal((await ask({ path: '/long', maxBytes: 2000 })).text?.length, 2000)
      assert.ok(gone.has('/never'), 'its connection is closed')
    })

    test('before the gateway runs there is nobody to ask', async () => {
      await gateway.line(/at the start: upstream other: the gateway does not run yet/)
    })

    test('a reload that changes the upstream changes whom the same plugin asks', async () => {
      const next = await startUpstream(scope, (_, response) => void response.end('another one'))
      await gateway.reload(yaml(next.url))
      assert.equal((await ask({})).text, 'another one')
    })
  })
}
