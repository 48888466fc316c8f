// Pins webhooks of vendors through a whole gateway, signed by node:crypto as their documents say (npm packages do so in
// independent-clients.test.ts): what is good, also in chunks and at the edge of its time, and each thing that can be wrong
// with it, with the reason that the access log has.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { untilLogged } from '../helpers/access-log.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { answerOf, ask, linesOf, more, type Answered, type Sent } from '../helpers/signed-requests.ts'
import {
  gitHub,
  hexOf,
  nowSeconds,
  shopify,
  shopifyQuery,
  slack,
  standardWebhook,
  stripe,
  twilio,
} from '../helpers/signers.ts'
import { startEcho } from '../helpers/upstream.ts'

const host = 'hooks.example'
const secret = 'a-secret-of-a-vendor'
const other = 'a-secret-of-another'
const whsec = (text: string): string => `whsec_${Buffer.from(text.padEnd(24, '.')).toString('base64')}`

interface Scheme {
  readonly name: string
  /** As the vendor shows it. */
  readonly secret: string
  readonly other: string
  /** How far its clock may be off; null: it signs no time. */
  readonly skewSeconds: number | null
  /** A request with this in it, signed at that second. */
  readonly sign: (secret: string, what: string, seconds: number) => Sent
  /** In a header line or in the target: what stands before the signature, and the signature. */
  readonly signature: RegExp
  /** The same of the time. */
  readonly time?: RegExp
  /** What a changed body is refused for, where the body is signed. */
  readonly changed: string | null
}

const hook = (
  name: string,
  headers: (secret: string, body: string, seconds: number) => Record<string, string>,
  rest: Pick<Scheme, 'signature'> & Partial<Scheme>,
): Scheme => ({
  name,
  secret,
  other,
  skewSeconds: 300,
  changed: 'bad-signature',
  sign(secret, what, seconds) {
    const body = `{"what":"${what}","text":"für 7 €"}`
    return { target: `/${name}/`, lines: [`host: ${host}`, ...linesOf(headers(secret, body, seconds))], body }
  },
  ...rest,
})

const fields = (what: string): [string, string][] => [
  ['Empty', ''],
  ['From', '+15551234'],
  ['Body', `für 7 € & ${what}`],
]

/** The target carries all. */
const query = (name: string, form: Parameters<typeof shopifyQuery>[2]): Scheme => ({
  name,
  secret,
  other,
  skewSeconds: 90,
  changed: null,
  sign: (secret, what, seconds) => ({
    method: 'GET',
    target: `/${name}/?${shopifyQuery(secret, { shop: 'a.myshopify.com', what, timestamp: String(seconds) }, form)}`,
    lines: [`host: ${host}`],
    body: null,
  }),
  signature: new RegExp(`^(/.*[?&]${form[0]}=)([0-9a-f]+)`),
  time: /^(\/.*[?&]timestamp=)(\d+)/,
})

const schemes: readonly Scheme[] = [
  hook('standard-webhooks', (secret, body, seconds) => standardWebhook(secret, body, { seconds }), {
    secret: whsec(secret),
    other: whsec(other),
    signature: /^(webhook-signature: v1,)(.+)$/,
    time: /^(webhook-timestamp: )(\d+)$/,
  }),
  hook('svix', (secret, body, seconds) => standardWebhook(secret, body, { seconds, prefix: 'svix' }), {
    secret: whsec(secret),
    other: whsec(other),
    signature: /^(svix-signature: v1,)(.+)$/,
    time: /^(svix-timestamp: )(\d+)$/,
  }),
  hook('stripe', stripe, {
    secret: `whsec_${secret}`,
    other: `whsec_${other}`,
    signature: /^(stripe-signature: t=\d+,v1=)(.+)$/,
    time: /^(stripe-signature: t=)(\d+)/,
  }),
  hook('github', gitHub, { skewSeconds: null, signature: /^(x-hub-signature-256: sha256=)(.+)$/ }),
  hook('slack', slack, {
    signature: /^(x-slack-signature: v0=)(.+)$/,
    time: /^(x-slack-request-timestamp: )(\d+)$/,
  }),
  hook('shopify', shopify, { skewSeconds: null, signature: /^(x-shopify-hmac-sha256: )(.+)$/ }),
  hook('twilio', () => ({}), {
    skewSeconds: null,
    signature: /^(x-twilio-signature: )(.+)$/,
    sign(secret, what) {
      const target = '/twilio/?a=1&b=x%20y'
      const signed = twilio(secret, `http://${host}${target}`, fields(what))
      const lines = [`host: ${host}`, 'content-type: application/x-www-form-urlencoded', ...linesOf(signed)]
      return { target, lines, body: new URLSearchParams(fields(what)).toString() }
    },
  }),
  hook('twilio-json', () => ({}), {
    skewSeconds: null,
    signature: /^(x-twilio-signature: )(.+)$/,
    changed: 'wrong-digest',
    sign(secret, what) {
      const body = `{"what":"${what}"}`
      const target = `/twilio-json/?bodySHA256=${hexOf('sha256', body)}`
      const signed = twilio(secret, `http://${host}${target}`)
      return { target, lines: [`host: ${host}`, 'content-type: application/json', ...linesOf(signed)], body }
    },
  }),
  query('shopify-oauth', ['hmac', '&']),
  query('shopify-proxy', ['signature', '']),
]

const schemeOf = ({ name }: Scheme): string => name.replace('-json', '')

const config = (echo: string): string => `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${echo}" } ] } }
consumers:
${schemes
  .filter(({ name }) => !name.endsWith('-json'))
  .map(
    ({ name, secret, other }) => `  of-${name}: { signing: [ { scheme: ${name}, secret: "${secret}" } ] }
  other-${name}: { signing: [ { scheme: ${name}, secret: "${other}" } ] }
`,
  )
  .join('')}
routes:
${schemes
  .map(
    scheme =>
      `  - { name: ${scheme.name}, match: { path: "/${scheme.name}/*" }, upstream: echo, guards: [ { signature: { scheme: ${schemeOf(scheme)}, consumer: of-${schemeOf(scheme)}${scheme.changed === null ? '' : ', maxBodyBytes: 2000'} } } ] }\n`,
  )
  .join('')}`

/** Changes the second part of what the pattern finds, in the header lines or in the target. */
function edited(sent: Sent, pattern: RegExp, change: (text: string) => string): Sent {
  const put = (text: string): string =>
    text.replace(pattern, (_, before: string, found: string) => before + change(found))
  const result = { ...sent, target: put(sent.target), lines: sent.lines.map(put) }
  assert.notDeepEqual(result, sent, `${String(pattern)} is in the request`)
  return result
}

/** Another digit, letter: a signature of the same form. */
const another = (one: string): string => (one === '7' ? '3' : '7')
const changedAt = (text: string, at: number): string => text.slice(0, at) + another(text[at]!) + text.slice(at + 1)

type Case = readonly [title: string, reason: string, make: () => Sent]

function refusedCases(scheme: Scheme): Case[] {
  const { sign, secret, other, signature, time, skewSeconds, changed } = scheme
  const good = (what: string, seconds = nowSeconds()): Sent => sign(secret, what, seconds)
  const signed = (sent: Sent): string | undefined => sent.lines.find(line => signature.test(line))
  const inHeader = signed(good('')) !== undefined
  const cases: Case[] = [
    ['no signature', 'missing', () => without(good('none'))],
    [
      'an empty one',
      inHeader && !/=|,/.test(signature.source) ? 'missing' : 'malformed',
      () => edited(good('empty'), signature, () => ''),
    ],
    ['half of one', 'malformed', () => edited(good('half'), signature, text => text.slice(0, text.length / 2))],
    ['one with a tail', 'malformed', () => edited(good('tail'), signature, text => `${text}00`)],
    ['its first character', 'bad-signature', () => edited(good('first'), signature, text => changedAt(text, 0))],
    ['its middle', 'bad-signature', () => edited(good('middle'), signature, text => changedAt(text, text.length >> 1))],
    ['the secret of another consumer', 'bad-signature', () => sign(other, 'other', nowSeconds())],
    ['another secret', 'bad-signature', () => sign(whsec('of nobody'), 'nobody', nowSeconds())],
  ]
  function without(sent: Sent): Sent {
    if (inHeader) return { ...sent, lines: sent.lines.filter(line => !signature.test(line)) }
    return { ...sent, target: sent.target.replace(/[?&](hmac|signature)=[0-9a-f]+/, '') }
  }
  if (inHeader) cases.push(['twice', 'duplicate', () => more(good('twice'), signed(good('twice'))!)])
  else {
    const doubled = (name: string) => (): Sent => {
      const sent = good(`twice ${name}`)
      return { ...sent, target: sent.target.replace(new RegExp(`([?&])(${name}=[^&]*)`), '$1$2&$2') }
    }
    for (const name of ['hmac|signature', 'timestamp', 'shop'])
      cases.push([`${name} twice`, 'duplicate', doubled(`(?:${name})`)])
    cases.push(['a body', 'not-covered', () => ({ ...good('body'), method: 'POST', body: 'x' })])
    cases.push(['another parameter', 'bad-signature', () => edited(good('more'), /(what=)(more)/, () => 'less')])
  }
  if (changed !== null) {
    const body = (what: string, change: (body: string) => string) => (): Sent => {
      const sent = good(what)
      return { ...sent, body: change(sent.body!) }
    }
    cases.push(['another body', changed, body('body', text => changedAt(text, text.length - 3))])
    cases.push(['a byte more', changed, body('more', text => `${text} `)])
    cases.push(['a byte less', changed, body('less', text => text.slice(0, -1))])
    cases.push(['no body', changed === 'wrong-digest' ? 'admitted' : changed, body('gone', () => '')])
  }
  if (time !== undefined && skewSeconds !== null) {
    cases.push(
      ['too old', 'too-old', () => good('old', nowSeconds() - skewSeconds - 10)],
      ['of later', 'too-new', () => good('later', nowSeconds() + skewSeconds + 10)],
      ['another time', 'bad-signature', () => edited(good('time'), time, text => String(Number(text) + 1))],
      [
        'an old time under a fresh one',
        'bad-signature',
        () => edited(good('fresh', nowSeconds() - 400), time, () => String(nowSeconds())),
      ],
      ['a time with a tail', 'malformed', () => edited(good('tail of time'), time, text => `${text}x`)],
      ['a time with a zero before it', 'malformed', () => edited(good('zero'), time, text => `0${text}`)],
    )
  }
  return cases.filter(([, reason]) => reason !== 'admitted')
}

describe('webhooks', () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  let gateway: RunningGateway
  const reasons: string[] = []

  before(async () => {
    const echo = await startEcho(scope)
    gateway = await startGateway(scope, config(echo.url))
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  async function send(sent: Sent, reason: string): Promise<Answered> {
    const answered = await ask(scope, gateway.port, sent)
    reasons.push(reason === '' ? '' : `signature ${reason}`)
    return answered
  }

  function isRefused({ status, text }: Answered): void {
    assert.equal(status, 401, text)
    assert.equal((JSON.parse(text) as { detail: string }).detail, 'a valid signature is needed')
  }

  for (const scheme of schemes) {
    const { name, sign, secret, skewSeconds, signature, changed } = scheme
    const good = (what: string, seconds = nowSeconds()): Sent => sign(secret, what, seconds)

    test(`${name}: good, and again`, async () => {
      const sent = good('good')
      const { status, text } = await send(sent, '')
      assert.equal(status, 200, text)
      const seen = JSON.parse(text) as { headers: Record<string, string>; body: string; url: string }
      assert.equal(seen.headers['x-consumer-name'], `of-${schemeOf(scheme)}`)
      assert.equal(Buffer.from(seen.body, 'latin1').toString(), sent.body ?? '')
      const upstream = [seen.url, ...linesOf(seen.headers)]
      assert.ok(!upstream.some(line => signature.test(line)), 'the upstream does not see the signature')
      const again = await send(sent, skewSeconds === null ? '' : 'replayed')
      if (skewSeconds === null) assert.equal(again.status, 200, 'nothing tells it from another delivery')
      else isRefused(again)
    })

    if (skewSeconds !== null) {
      test(`${name}: at the edge of its time`, async () => {
        for (const seconds of [5 - skewSeconds, skewSeconds - 5]) {
          const { status, text } = await send(good(`at${seconds}`, nowSeconds() + seconds), '')
          assert.equal(status, 200, text)
        }
      })
    }

    if (changed !== null) {
      test(`${name}: in chunks; and what is too long`, async () => {
        const { target, lines, body } = good('in chunks')
        const bytes = Buffer.from(body!)
        const chunks = [...bytes].map(byte => Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a]))
        const head = `POST ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\ntransfer-encoding: chunked\r\n\r\n`
        const client = await RawClient.connect(scope, gateway.port)
        await client.send(Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')]))
        const { status, text } = await answerOf(client, name)
        reasons.push('')
        assert.equal(status, 200, text)
        const long = good('x'.repeat(2000))
        assert.equal((await ask(scope, gateway.port, long)).status, 413)
        reasons.push('')
      })
    }

    for (const [title, reason, make] of refusedCases(scheme)) {
      test(`${name}, 401: ${title}`, async () => isRefused(await send(make(), reason)))
    }
  }

  // Their vendors join names and values with nothing between them: other fields can sign alike.
  test('what has no separators: a shifted border is the same request', async () => {
    const now = String(nowSeconds())
    const signed = shopifyQuery(secret, { a: '1b=2', timestamp: now }, ['signature', ''])
    const shifted = signed.replace('a=1b%3D2', 'a=1&b=2')
    assert.notEqual(shifted, signed)
    const sent = (query: string): Sent => ({
      method: 'GET',
      target: `/shopify-proxy/?${query}`,
      lines: [`host: ${host}`],
      body: null,
    })
    assert.equal((await send(sent(signed), '')).status, 200)
    isRefused(await send(sent(shifted), 'replayed'))
    const form = (body: string): Sent => {
      const lines = linesOf(twilio(secret, `http://${host}/twilio/`, [['a', '1b2']]))
      return {
        target: '/twilio/',
        lines: [`host: ${host}`, 'content-type: application/x-www-form-urlencoded', ...lines],
        body,
      }
    }
    for (const body of ['a=1b2', 'a1=b2', 'a=1&b=2', 'a1b2='])
      assert.equal((await send(form(body), '')).status, 200, body)
    isRefused(await send(form('a=1&b=3'), 'bad-signature'))
  })

  test('where there are separators, a shifted border is another request', async () => {
    const now = String(nowSeconds())
    const signed = shopifyQuery(secret, { a: '1', b: '2', timestamp: now }, ['hmac', '&'])
    const shifted = signed.replace('a=1&b=2', 'a=1%26b%3D2')
    assert.notEqual(shifted, signed)
    isRefused(
      await send(
        { method: 'GET', target: `/shopify-oauth/?${shifted}`, lines: [`host: ${host}`], body: null },
        'bad-signature',
      ),
    )
    // id.time.body and time.body: a full stop in the id, and digits that go from the time to the body.
    const seconds = nowSeconds()
    const [id, body] = ['msg_1', `${seconds}.{}`]
    const plain = standardWebhook(whsec(secret), body, { id })
    const headers = { ...plain, 'webhook-id': `${id}.${seconds}`, 'webhook-timestamp': String(seconds) }
    const lines = [`host: ${host}`, ...linesOf(headers)]
    isRefused(await send({ target: '/standard-webhooks/', lines, body: '{}' }, 'malformed'))
    const slacked = linesOf(slack(secret, `1:${body}`, Number(String(seconds).slice(0, 9))))
    const moved = slacked.map(line => line.replace(/(timestamp: \d{9})$/, '$11'))
    isRefused(await send({ target: '/slack/', lines: [`host: ${host}`, ...moved], body: body }, 'bad-signature'))
  })

  test('the access log has the reason of every refusal', async () => {
    const lines = await untilLogged(gateway, reasons.length)
    assert.deepEqual(
      lines.map(({ reason }) => reason),
      reasons,
    )
  })
})
