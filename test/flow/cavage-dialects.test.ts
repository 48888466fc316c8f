// Pins draft-cavage as Kong, Tyk and APISIX read it, through a whole gateway: what their clients sign is accepted, once; what
// these gateways let pass by their own readings of it (an unsigned fresh date, headers named like the target, weak or
// unknown algorithms, a body without a digest) is refused, and the access log has the reason that is meant.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { untilLogged } from '../helpers/access-log.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { ask, linesOf, more, type Sent } from '../helpers/signed-requests.ts'
import { cavageOf, digestHeader, nowSeconds, type DialectOptions } from '../helpers/signers.ts'
import { startEcho } from '../helpers/upstream.ts'

type Dialect = Parameters<typeof cavageOf>[0]

const host = 'api.example'
const secret = 'alices-own-secret'
/** The key ids are their algorithms. */
const algorithms: Readonly<Record<Dialect, readonly string[]>> = {
  kong: ['sha1', 'sha256', 'sha384', 'sha512'],
  tyk: ['sha1', 'sha256', 'sha384', 'sha512'],
  apisix: ['sha1', 'sha256', 'sha512'],
}
const dialects = Object.keys(algorithms) as Dialect[]
const targets: Readonly<Record<Dialect, string>> = {
  kong: '@request-target',
  tyk: '(request-target)',
  apisix: '@request-target',
}
/** Kong takes it from `Proxy-Authorization` too. */
const names = (dialect: Dialect, ...rest: string[]): string[] => [targets[dialect], 'host', ...rest]

interface Options extends DialectOptions {
  readonly body?: string
  readonly names?: readonly string[]
  readonly path?: string
  readonly keyId?: string
  readonly secret?: string
  readonly headers?: Readonly<Record<string, string>>
}

let nextCase = 0

/** No two are the same: the path has a number. Tyk's clients do not sign the query. */
function make(dialect: Dialect, options: Options = {}): Sent {
  const { body, algorithm = 'sha256', dated = 'date', path = '' } = options
  const target = `/${dialect}/${nextCase++}${path}?end`
  const digest: Record<string, string> = body === undefined ? {} : { digest: digestHeader(body) }
  const headers = { host, ...digest, ...options.headers }
  const listed = options.names ?? names(dialect, dated, ...Object.keys(digest))
  const { keyId = algorithm } = options
  const signed = cavageOf(
    dialect,
    { method: 'POST', target, headers },
    keyId,
    options.secret ?? secret,
    listed,
    options,
  )
  return { target, lines: linesOf({ ...headers, ...signed }), body: body ?? null }
}

const edit = (sent: Sent, from: string | RegExp, to: string): Sent => {
  const lines = sent.lines.map(line => line.replace(from, to))
  assert.notDeepEqual(lines, sent.lines, `${String(from)} is in the request`)
  return { ...sent, lines }
}
const at = (sent: Sent, from: string, to: string): Sent => {
  assert.ok(sent.target.includes(from))
  return { ...sent, target: sent.target.replace(from, to) }
}
const again = (sent: Sent, name: string): Sent =>
  more(
    sent,
    sent.lines.find(line => line.startsWith(`${name}:`))!,
  )
const soon = (): string => new Date().toUTCString()
const old = (): number => nowSeconds() - 310

type Refused = readonly [title: string, reason: string, make: () => Sent]

const ofAll = (dialect: Dialect): Refused[] => [
  ['nothing', 'missing', () => ({ ...make(dialect), lines: [`host: ${host}`] })],
  ['another scheme', 'missing', () => edit(make(dialect), /^authorization: \w+/, 'authorization: Bearer')],
  ['authorization twice', 'duplicate', () => again(make(dialect), 'authorization')],
  ['the date twice', 'duplicate', () => again(make(dialect), 'date')],
  ['the secret of nobody', 'bad-signature', () => make(dialect, { secret: 'another' })],
  ['an unknown key', 'unknown-key', () => make(dialect, { keyId: 'nobody' })],
  ['a key in other capitals', 'unknown-key', () => edit(make(dialect), '="sha256"', '="SHA256"')],
  ['the key of another algorithm', 'wrong-algorithm', () => make(dialect, { algorithm: 'sha1', keyId: 'sha256' })],
  ['an unknown algorithm', 'wrong-algorithm', () => edit(make(dialect), 'hmac-sha256', 'hmac-md5')],
  ['no algorithm', 'wrong-algorithm', () => edit(make(dialect), 'hmac-sha256', 'none')],
  ['hs2019, which leaves it open', 'wrong-algorithm', () => edit(make(dialect), 'hmac-sha256', 'hs2019')],
  ['an algorithm in capitals', 'wrong-algorithm', () => edit(make(dialect), 'hmac-sha256', 'HMAC-SHA256')],
  ['an empty signature', 'missing', () => edit(make(dialect), /signature="[^"]+"/, 'signature=""')],
  ['no base64', 'malformed', () => edit(make(dialect), /signature="[^"]{4}/, 'signature="%%%%')],
  ['an old date', 'too-old', () => make(dialect, { seconds: old() })],
  ['a date of later', 'too-new', () => make(dialect, { seconds: nowSeconds() + 310 })],
  [
    'a signed old date, unsigned fresh ones beside it',
    // Kong and Tyk read another header first, where it is there: then that one has to be signed, and is what is signed.
    { kong: 'not-covered', tyk: 'bad-signature', apisix: 'too-old' }[dialect],
    () => more(make(dialect, { seconds: old() }), `x-date: ${soon()}`, `x-aux-date: ${soon()}`),
  ],
  ['the date not signed', 'not-covered', () => make(dialect, { names: names(dialect) })],
  ['the target not signed', 'not-covered', () => make(dialect, { names: ['host', 'date'] })],
  ['what is required not signed', 'not-covered', () => make(dialect, { names: [targets[dialect], 'date'] })],
  ['no list', dialect === 'kong' ? 'malformed' : 'not-covered', () => edit(make(dialect), /headers="[^"]+", ?/, '')],
  ['an empty list', 'malformed', () => edit(make(dialect), /headers="[^"]+"/, 'headers=""')],
  ['a name twice', 'duplicate', () => make(dialect, { names: names(dialect, 'date', 'date') })],
  ['a parameter that is not known', 'malformed', () => edit(make(dialect), 'algorithm=', 'crit="x",algorithm=')],
  ['another path', 'bad-signature', () => at(make(dialect), `/${dialect}/`, `/${dialect}/more/`)],
  ['another host', 'bad-signature', () => edit(make(dialect), `host: ${host}`, 'host: other.example')],
  ['another method', 'bad-signature', () => ({ ...make(dialect), method: 'PUT' })],
  ['two slashes', 'bad-signature', () => at(make(dialect, { path: '/a/b' }), 'a/b', 'a//b')],
  ['NFD for NFC', 'bad-signature', () => at(make(dialect, { path: '/%C3%A9' }), '%C3%A9', 'e%CC%81')],
  ['a body without digest', 'not-covered', () => ({ ...make(dialect), body: 'x' })],
  [
    'a body with a digest that is not signed',
    'not-covered',
    () => more({ ...make(dialect), body: 'x' }, `digest: ${digestHeader('x')}`),
  ],
  ['another body', 'wrong-digest', () => ({ ...make(dialect, { body: 'x' }), body: 'y' })],
  [
    'a digest by md5 alone',
    'wrong-digest',
    () => make(dialect, { body: 'x', headers: { digest: 'MD5=nd0QIDZphtxjkwqj45txYg==' } }),
  ],
]

const refused: readonly (readonly [Dialect, ...Refused])[] = [
  ...dialects.flatMap(dialect => ofAll(dialect).map(one => [dialect, ...one] as const)),
  ['kong', 'Signature in place of hmac', 'missing', () => edit(make('kong'), ': hmac', ': Signature')],
  [
    'kong',
    'parameters in another order',
    'malformed',
    () => edit(make('kong'), /(username="[^"]+"), (algorithm="[^"]+")/, '$2, $1'),
  ],
  ['kong', 'keyId in place of username', 'malformed', () => edit(make('kong'), 'username', 'keyId')],
  [
    'kong',
    'a header named like the request line',
    'malformed',
    () => more(make('kong', { names: ['request-line', 'host', 'date'] }), 'request-line: POST / HTTP/1.1'),
  ],
  [
    'kong',
    'both places',
    'duplicate',
    () =>
      more(
        make('kong'),
        make('kong')
          .lines.find(line => line.startsWith('authorization'))!
          .replace('auth', 'proxy-auth'),
      ),
  ],
  [
    'kong',
    'an old x-date with a fresh date',
    'too-old',
    () => more(make('kong', { dated: 'x-date', seconds: old() }), `date: ${soon()}`),
  ],
  ['kong', 'another query', 'bad-signature', () => at(make('kong'), '?end', '?end=1')],
  ['kong', 'an escape in other digits', 'bad-signature', () => at(make('kong', { path: '/a%2Fb' }), '%2F', '%2f')],
  [
    'kong',
    'a required header that is not there',
    'missing',
    () => make('kong', { names: names('kong', 'date', 'x-needed'), path: '/needed' }),
  ],
  [
    'tyk',
    'an old x-aux-date, a fresh date',
    'too-old',
    () => more(make('tyk', { dated: 'x-aux-date', seconds: old() }), `date: ${soon()}`),
  ],
  ['tyk', 'a signature that is not escaped', 'malformed', () => edit(make('tyk'), '%3D', '%zz')],
  ['tyk', 'a line end in the path', 'malformed', () => make('tyk', { path: '/a%0Ab' })],
  [
    'apisix',
    'x-date in place of date',
    'missing',
    () => make('apisix', { dated: 'x-date', names: [targets.apisix, 'host', 'date'] }),
  ],
  ['apisix', 'another query', 'bad-signature', () => at(make('apisix'), '?end', '?end=1')],
  ['apisix', 'an escape in other digits', 'bad-signature', () => at(make('apisix', { path: '/a%2Fb' }), '%2F', '%2f')],
  ['apisix', "the draft's string", 'bad-signature', () => draftString()],
  [
    'apisix',
    'a required header that is not there',
    'missing',
    () => make('apisix', { names: names('apisix', 'date', 'x-needed'), path: '/needed' }),
  ],
]

/** The headers of another dialect's signature, in this one's clothes. */
function draftString(): Sent {
  const one = make('apisix')
  const signed = cavageOf(
    'tyk',
    { method: 'POST', target: one.target, headers: { host } },
    'sha256',
    secret,
    names('tyk', 'date'),
  )
  const signature = decodeURIComponent(/signature="([^"]+)"/.exec(signed['authorization']!)![1]!)
  return edit(one, /signature="[^"]+"/, `signature="${signature}"`)
}

const admitted: readonly (readonly [Dialect, title: string, make: () => Sent])[] = [
  ...dialects.flatMap(dialect =>
    algorithms[dialect].map(algorithm => [dialect, algorithm, () => make(dialect, { algorithm })] as const),
  ),
  ...dialects.flatMap(dialect =>
    (
      [
        ['a body', { body: 'x' }],
        ['an escaped path', { path: '/a%20b/%C3%A9' }],
        ['a clock that is behind', { seconds: nowSeconds() - 250 }],
        ['a clock that is ahead', { seconds: nowSeconds() + 250 }],
      ] as const
    ).map(([title, options]) => [dialect, title, () => make(dialect, options)] as const),
  ),
  ['kong', 'the request line', () => make('kong', { names: ['request-line', 'host', 'date'] })],
  ['kong', 'x-date', () => make('kong', { dated: 'x-date' })],
  [
    'kong',
    'the x-date of two dates',
    () => more(make('kong', { dated: 'x-date' }), `date: ${new Date(0).toUTCString()}`),
  ],
  ['kong', 'Proxy-Authorization', () => edit(make('kong'), /^authorization/, 'Proxy-Authorization')],
  ['kong', 'a header that is not there', () => make('kong', { names: names('kong', 'date', 'x-absent') })],
  ['tyk', 'x-aux-date', () => make('tyk', { dated: 'x-aux-date' })],
  // Tyk signs the decoded path and no query: these are the same request to it. A route that takes them should know.
  ['tyk', 'another query', () => at(make('tyk'), '?end', '?end=1')],
  ['tyk', 'an escape in other digits', () => at(make('tyk', { path: '/a%2Fb' }), '%2F', '%2f')],
  ['apisix', 'a header that is not there', () => make('apisix', { names: names('apisix', 'date', 'x-absent') })],
]

const config = (echo: string): string => `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo}" } ] } }
consumers:
  alice:
    signing:
${algorithms.kong
  .map(
    algorithm => `      - { scheme: cavage, keyId: ${algorithm}, algorithm: hmac-${algorithm}, secret: ${secret} }\n`,
  )
  .join('')}
routes:
${dialects
  .flatMap(dialect =>
    [
      [dialect, '*', '[ host ]'],
      [`${dialect}-needed`, '{n}/needed', '[ host, x-needed ]'],
    ].map(
      ([name, path, require]) =>
        `  - { name: ${name}, match: { path: "/${dialect}/${path}" }, upstream: echo, guards: [ { signature: { scheme: cavage, dialect: ${dialect}, require: ${require} } } ] }\n`,
    ),
  )
  .join('')}`

describe('dialects of draft-cavage', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  let gateway: RunningGateway
  const reasons: (readonly [string, string])[] = []

  before(async () => {
    const echo = await startEcho(scope)
    gateway = await startGateway(scope, config(echo.url))
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  for (const [dialect, title, reason, make] of refused) {
    test(`${dialect}, 401: ${title}`, async () => {
      const { status, text } = await ask(scope, gateway.port, make())
      reasons.push([title, `signature ${reason}`])
      assert.equal(status, 401, text)
      assert.equal((JSON.parse(text) as { detail: string }).detail, 'a valid signature is needed')
    })
  }

  for (const [dialect, title, make] of admitted) {
    test(`${dialect}, 200, and 401 when it comes again: ${title}`, async () => {
      const sent = make()
      const { status, text } = await ask(scope, gateway.port, sent)
      reasons.push([title, ''], [title, 'signature replayed'])
      assert.equal(status, 200, text)
      const { headers } = JSON.parse(text) as { headers: Record<string, string> }
      assert.equal(headers['x-consumer-name'], 'alice')
      assert.deepEqual([headers['authorization'], headers['proxy-authorization']], [undefined, undefined])
      assert.equal((await ask(scope, gateway.port, sent)).status, 401)
    })
  }

  test('the access log has the reason of every refusal', async () => {
    const lines = await untilLogged(gateway, reasons.length)
    assert.deepEqual(
      lines.map(({ reason }, at) => [reasons[at]?.[0], reason]),
      reasons,
    )
  })
})
