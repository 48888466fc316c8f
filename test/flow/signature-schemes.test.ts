// Pins how the signature guard takes what attackers make of cavage, RFC 9421 and SigV4 requests, through a whole
// gateway: what is wrong with each is one thing, and the access log has the reason that is meant.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { cavage, contentDigest, digestHeader, hmacKey, message, nowSeconds, sigV4 } from '../helpers/signers.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

const keyId = 'alice-key'
const secret = 'alices-own-secret'
const host = 'api.example'

interface Sent {
  readonly target: string
  readonly lines: readonly string[]
  readonly body: string | null
}

const linesOf = (headers: Readonly<Record<string, string>>): string[] =>
  Object.entries(headers).map(([name, value]) => `${name}: ${value}`)

/** `n` makes every request another, so that none is taken for a replay. */
function cavageRequest(n: number, body: string | null, path = '/cavage', seconds = nowSeconds()): Sent {
  const target = `${path}?case=${n}&end`
  const headers: Record<string, string> = { host }
  if (body !== null) headers['digest'] = digestHeader(body)
  const names = ['(request-target)', 'host', 'date', ...(body === null ? [] : ['digest'])]
  const signed = cavage({ method: 'POST', target, headers }, keyId, secret, names, { seconds })
  return { target, body, lines: linesOf({ ...headers, ...signed }) }
}

function messageRequest(n: number, body: string | null, parameters = '', wanted?: readonly string[]): Sent {
  const target = `/message?case=${n}&end`
  const headers: Record<string, string> = body === null ? {} : { 'content-digest': contentDigest(body) }
  const components = wanted ?? ['@method', '@authority', '@path', '@query', ...Object.keys(headers)]
  const signable = { method: 'POST', target, headers, authority: host }
  const signed = message(signable, hmacKey(keyId, secret), components, { parameters })
  return { target, body, lines: [`host: ${host}`, ...linesOf({ ...headers, ...signed })] }
}

const weakDigest = (body: string): string => `md5=:${createHash('md5').update(body).digest('base64')}:`

/** A body with a digest that is signed, whatever it says. */
function digested(n: number, body: string, digest: string): Sent {
  const target = `/message?case=${n}&end`
  const headers = { 'content-digest': digest }
  const signable = { method: 'POST', target, headers, authority: host }
  const components = ['@method', '@authority', '@path', '@query', 'content-digest']
  return {
    target,
    body,
    lines: [`host: ${host}`, ...linesOf({ ...headers, ...message(signable, hmacKey(keyId, secret), components) })],
  }
}

function awsRequest(n: number, body: string | null, payload?: string): Sent {
  const target = `/aws?case=${n}&end=`
  const scope = { host, keyId, secret, region: 'eu-west-1', service: 'execute-api' }
  const signed = sigV4('POST', target, { ...scope, body: body ?? '', ...(payload === undefined ? {} : { payload }) })
  return { target, body, lines: [`host: ${host}`, ...linesOf(signed)] }
}

const more = (sent: Sent, ...lines: string[]): Sent => ({ ...sent, lines: [...sent.lines, ...lines] })
const edit = (sent: Sent, from: string | RegExp, to: string): Sent => {
  const lines = sent.lines.map(line => line.replace(from, to))
  assert.notDeepEqual(lines, sent.lines, `${String(from)} is in the request`)
  return { ...sent, lines }
}
const at = (sent: Sent, from: string, to: string): Sent => {
  assert.ok(sent.target.includes(from))
  return { ...sent, target: sent.target.replace(from, to) }
}
const again = (sent: Sent, name: string): Sent => {
  const line = sent.lines.find(one => one.startsWith(`${name}:`))
  assert.ok(line !== undefined, name)
  return more(sent, line)
}

type Refused = readonly [title: string, reason: string, make: (n: number) => Sent]
type Case = readonly [title: string, make: (n: number) => Sent]
const soon = (): string => new Date().toUTCString()
const base64Tail = /([A-Za-z0-9+/])=(?=[":])/

const refused: readonly Refused[] = [
  ['cavage: nothing', 'missing', n => ({ target: `/cavage?case=${n}&end`, lines: [`host: ${host}`], body: null })],
  ['cavage: authorization twice', 'duplicate', n => again(cavageRequest(n, null), 'authorization')],
  ['cavage: authorization twice, with a body', 'duplicate', n => again(cavageRequest(n, 'x'), 'authorization')],
  ['cavage: a date twice', 'duplicate', n => again(cavageRequest(n, null), 'date')],
  ['cavage: keyId twice', 'duplicate', n => edit(cavageRequest(n, null), 'keyId="', 'keyId="nobody",keyId="')],
  [
    'cavage: signature twice',
    'duplicate',
    n => edit(cavageRequest(n, null), 'signature="', 'signature="AAAA",signature="'),
  ],
  ['cavage: an empty signature', 'missing', n => edit(cavageRequest(n, null), /signature="[^"]+"/, 'signature=""')],
  ['cavage: base64 without its padding', 'malformed', n => edit(cavageRequest(n, null), base64Tail, '$1')],
  ['cavage: base64 with a tail', 'malformed', n => edit(cavageRequest(n, null), base64Tail, '$1=A')],
  ['cavage: an unknown key', 'unknown-key', n => edit(cavageRequest(n, null), keyId, 'nobody')],
  ['cavage: another algorithm', 'wrong-algorithm', n => edit(cavageRequest(n, null), 'hmac-sha256', 'hmac-sha1')],
  ['cavage: no algorithm at all', 'wrong-algorithm', n => edit(cavageRequest(n, null), 'hmac-sha256', 'none')],
  ['cavage: an old date', 'too-old', n => cavageRequest(n, null, '/cavage', nowSeconds() - 310)],
  ['cavage: a date of later', 'too-new', n => cavageRequest(n, null, '/cavage', nowSeconds() + 310)],
  [
    'cavage: an old date with an unsigned fresh x-date',
    'too-old',
    n => more(cavageRequest(n, null, '/cavage', nowSeconds() - 310), `x-date: ${soon()}`, `x-aux-date: ${soon()}`),
  ],
  ['cavage: another path', 'bad-signature', n => at(cavageRequest(n, null), '/cavage', '/cavage/more')],
  ['cavage: another query', 'bad-signature', n => at(cavageRequest(n, null), '&end', '&end=1')],
  [
    'cavage: an escape in other digits',
    'bad-signature',
    n => at(cavageRequest(n, null, '/cavage/a%2Fb'), '%2F', '%2f'),
  ],
  ['cavage: an escape taken away', 'bad-signature', n => at(cavageRequest(n, null, '/cavage/a%2Db'), '%2D', '-')],
  ['cavage: two slashes', 'bad-signature', n => at(cavageRequest(n, null, '/cavage/a/b'), 'a/b', 'a//b')],
  ['cavage: a plus for a space', 'bad-signature', n => at(cavageRequest(n, null, '/cavage/a%20b'), '%20', '+')],
  ['cavage: NFD for NFC', 'bad-signature', n => at(cavageRequest(n, null, '/cavage/%C3%A9'), '%C3%A9', 'e%CC%81')],
  ['cavage: another host', 'bad-signature', n => edit(cavageRequest(n, null), `host: ${host}`, 'host: other.example')],
  ['cavage: a body that is not signed', 'not-covered', n => ({ ...cavageRequest(n, null), body: 'x' })],
  ['cavage: another body', 'wrong-digest', n => ({ ...cavageRequest(n, 'x'), body: 'y' })],
  ['cavage: no body', 'wrong-digest', n => ({ ...cavageRequest(n, 'x'), body: '' })],
  ['cavage: a second digest', 'bad-signature', n => again(cavageRequest(n, 'x'), 'digest')],
  [
    'cavage: digest of another body beside the signed one',
    'bad-signature',
    n => more({ ...cavageRequest(n, 'x'), body: 'y' }, `digest: ${digestHeader('y')}`),
  ],
  ['rfc9421: nothing', 'missing', n => ({ target: `/message?case=${n}&end`, lines: [`host: ${host}`], body: null })],
  ['rfc9421: signature twice', 'duplicate', n => again(messageRequest(n, null), 'signature')],
  ['rfc9421: signature twice, with a body', 'duplicate', n => again(messageRequest(n, 'x'), 'signature')],
  ['rfc9421: signature-input twice', 'duplicate', n => again(messageRequest(n, null), 'signature-input')],
  ['rfc9421: created twice', 'duplicate', n => messageRequest(n, null, `;created=${nowSeconds()}`)],
  [
    'rfc9421: a created with a fraction',
    'malformed',
    n => edit(messageRequest(n, null), /created=(\d+)/, 'created=$1.0'),
  ],
  ['rfc9421: a created in letters', 'malformed', n => edit(messageRequest(n, null), /created=(\d+)/, 'created="$1"')],
  ['rfc9421: expired', 'too-old', n => messageRequest(n, null, `;expires=${nowSeconds() - 310}`)],
  ['rfc9421: no component', 'not-covered', n => messageRequest(n, null, '', [])],
  ['rfc9421: no method', 'not-covered', n => messageRequest(n, null, '', ['@authority', '@path', '@query'])],
  ['rfc9421: no target', 'not-covered', n => messageRequest(n, null, '', ['@method', '@authority'])],
  ['rfc9421: not what is required', 'not-covered', n => messageRequest(n, null, '', ['@method', '@path', '@query'])],
  [
    'rfc9421: a component twice',
    'duplicate',
    n => messageRequest(n, null, '', ['@method', '@method', '@authority', '@path', '@query']),
  ],
  [
    'rfc9421: the method of the related request',
    'not-covered',
    n => edit(messageRequest(n, null), '"@method"', '"@method";req'),
  ],
  ['rfc9421: another algorithm', 'wrong-algorithm', n => messageRequest(n, null, ';alg="rsa-v1_5-sha256"')],
  ['rfc9421: another label', 'missing', n => edit(messageRequest(n, null), 'signature: sig1', 'signature: sig2')],
  ['rfc9421: base64 without its padding', 'malformed', n => edit(messageRequest(n, null), base64Tail, '$1')],
  ['rfc9421: a body that is not signed', 'not-covered', n => ({ ...messageRequest(n, null), body: 'x' })],
  [
    'rfc9421: a digest that is not signed',
    'not-covered',
    n => more({ ...messageRequest(n, null), body: 'x' }, `content-digest: ${contentDigest('x')}`),
  ],
  ['rfc9421: another body', 'wrong-digest', n => ({ ...messageRequest(n, 'x'), body: 'y' })],
  ['rfc9421: a weak digest alone', 'wrong-digest', n => digested(n, 'x', weakDigest('x'))],
  [
    'rfc9421: a weak digest, right, and a strong one, wrong',
    'wrong-digest',
    n => digested(n, 'x', `${weakDigest('x')}, ${contentDigest('y')}`),
  ],
  ['sigv4: nothing', 'missing', n => ({ target: `/aws?case=${n}&end=`, lines: [`host: ${host}`], body: null })],
  ['sigv4: authorization twice', 'duplicate', n => again(awsRequest(n, null), 'authorization')],
  ['sigv4: a date twice', 'duplicate', n => again(awsRequest(n, null), 'x-amz-date')],
  ['sigv4: another body', 'bad-signature', n => ({ ...awsRequest(n, 'x'), body: 'y' })],
  ['sigv4: a body where none is signed', 'bad-signature', n => ({ ...awsRequest(n, null), body: 'y' })],
  ['sigv4: unsigned', 'not-covered', n => awsRequest(n, 'x', 'UNSIGNED-PAYLOAD')],
  ...[
    'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
    'unsigned-payload',
    '',
    'e3b0',
  ].map((payload): Refused => [`sigv4: the payload ${payload}`, 'malformed', n => awsRequest(n, 'x', payload)]),
  [
    'sigv4: a payload that is not signed',
    'not-covered',
    n => more(awsRequest(n, 'x'), 'x-amz-content-sha256: UNSIGNED-PAYLOAD'),
  ],
  [
    'sigv4: credentials in the query too',
    'duplicate',
    n => at(awsRequest(n, null), '&end=', '&X-Amz-Signature=00&end='),
  ],
  [
    'sigv4: in the query, other capitals',
    'duplicate',
    n => at(awsRequest(n, null), '&end=', '&x-amz-credential=a&end='),
  ],
  ['sigv4: another region', 'bad-signature', n => edit(awsRequest(n, null), 'eu-west-1', 'eu-west-2')],
  ['sigv4: another service', 'bad-signature', n => edit(awsRequest(n, null), 'execute-api', 's3')],
  ['sigv4: host not signed', 'not-covered', n => edit(awsRequest(n, null), 'SignedHeaders=host;', 'SignedHeaders=')],
  ['sigv4: a short signature', 'malformed', n => edit(awsRequest(n, null), /Signature=\w+$/, 'Signature=ABCD')],
]

const admitted: readonly Case[] = [
  ['cavage', n => cavageRequest(n, null)],
  ['cavage with a body', n => cavageRequest(n, 'x')],
  ...['/cavage/a%2Fb', '/cavage/a%2Db', '/cavage/a/b', '/cavage/a%20b', '/cavage/%C3%A9'].map((path): Case => [
    `cavage: ${path}`,
    n => cavageRequest(n, null, path),
  ]),
  ['rfc9421', n => messageRequest(n, null)],
  ['rfc9421 with a body', n => messageRequest(n, 'x')],
  ['sigv4', n => awsRequest(n, null)],
  ['sigv4 with a body', n => awsRequest(n, 'x')],
]

const config = (echo: string): string => `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo}" } ] } }
consumers:
  alice:
    signing:
      - { scheme: cavage, keyId: ${keyId}, secret: ${secret} }
      - { scheme: rfc9421, keyId: ${keyId}, secret: ${secret} }
      - { scheme: sigv4, keyId: ${keyId}, secret: ${secret} }
routes:
  - name: cavage
    match: { path: "/cavage/*" }
    upstream: echo
    guards: [ { signature: { scheme: cavage, require: [ host ] } } ]
  - name: message
    match: { path: "/message/*" }
    upstream: echo
    guards: [ { signature: { scheme: rfc9421, require: [ "@authority" ] } } ]
  - name: aws
    match: { path: "/aws/*" }
    upstream: echo
    guards: [ { signature: { scheme: sigv4, region: eu-west-1, service: execute-api } } ]
`

describe('signatures over a whole request', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  let gateway: RunningGateway

  before(async () => {
    const echo = await startEcho(scope)
    gateway = await startGateway(scope, config(echo.url))
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  async function ask({ target, lines, body }: Sent): Promise<{ status: number; text: string }> {
    const client = await RawClient.connect(scope, gateway.port)
    const length = body === null ? [] : [`content-length: ${body.length}`]
    await client.send([`POST ${target} HTTP/1.1`, ...lines, ...length, '', body ?? ''].join('\r\n'))
    const { finals } = await within(10_000, target, client.finals(1))
    client.destroy()
    return { status: statusOf(finals[0]!), text: finals[0]!.body.toString() }
  }

  for (const [n, [title, , make]] of refused.entries()) {
    test(`401: ${title}`, async () => {
      const { status, text } = await ask(make(n))
      assert.equal(status, 401, text)
      assert.equal((JSON.parse(text) as { detail: string }).detail, 'a valid signature is needed')
    })
  }

  for (const [n, [title, make]] of admitted.entries()) {
    test(`200, and 401 when it comes again: ${title}`, async () => {
      const sent = make(1000 + n)
      const { status, text } = await ask(sent)
      assert.equal(status, 200, text)
      assert.equal((JSON.parse(text) as { headers: Record<string, string> }).headers['x-consumer-name'], 'alice')
      assert.equal((await ask(sent)).status, 401)
    })
  }

  test('of twenty that bring one signature at once, one passes', async () => {
    for (const sent of [cavageRequest(2000, null), messageRequest(2001, 'x'), awsRequest(2002, 'x')]) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(sent)))
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array.from({ length: 19 }, () => 401)])
    }
  })

  test('the access log has the reason of every refusal', async () => {
    await gateway.stop()
    const lines = readFileSync(join(gateway.folder, 'access.log'), 'utf8').trim().split('\n')
    const found = refused.map(([title], n) => {
      const line = lines.find(one => one.includes(`case=${n}&`))
      return [title, line === undefined ? 'no line' : (JSON.parse(line) as { reason: string }).reason]
    })
    assert.deepEqual(
      found,
      refused.map(([title, reason]) => [title, `signature ${reason}`]),
    )
  })
})
