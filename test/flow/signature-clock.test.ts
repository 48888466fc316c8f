// Pins signatures under a clock that is set back and forth by an hour while the gateway runs, in its own processes: what is
// of its time then is accepted, what is not is refused for it, what was accepted once is remembered all the while, and
// no body is waited for until its replay could have been forgotten.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { untilLogged } from '../helpers/access-log.ts'
import { settableClock, skipClock as skip } from '../helpers/clock.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { answerOf, ask, bytesOf, cavageRequest, linesOf, type Sent } from '../helpers/signed-requests.ts'
import { hmacKey, mashery, message, nowSeconds, sigV4, stripe } from '../helpers/signers.ts'

const hourSeconds = 3600
const [keyId, secret, host] = ['alice-key', 'alices-own-secret', 'api.example']

const schemes: Readonly<Record<string, string>> = {
  cavage: '{ scheme: cavage }',
  rfc9421: '{ scheme: rfc9421 }',
  sigv4: '{ scheme: sigv4, region: r, service: s }',
  stripe: '{ scheme: stripe }',
  'mashery-sha256': '{ scheme: mashery-sha256 }',
  'mashery-md5': '{ scheme: mashery-md5 }',
}
const config = `
accessLog: { target: access.log }
consumers:
  alice:
    signing:
${Object.keys(schemes)
  .map(scheme => `      - { scheme: ${scheme}, ${scheme === 'stripe' ? '' : `keyId: ${keyId}, `}secret: ${secret} }\n`)
  .join('')}
routes:
${Object.entries(schemes)
  .map(
    ([scheme, guard]) =>
      `  - { name: ${scheme}, match: { path: "/${scheme}/*" }, respond: {}, guards: [ { signature: ${guard} } ] }\n`,
  )
  .join('')}`

/** A request of that second. */
const signers: Readonly<Record<string, (seconds: number, n: number) => Sent>> = {
  cavage: (seconds, n) => cavageRequest({ keyId, secret, host }, `/cavage/${n}`, 'x', seconds),
  rfc9421(seconds, n) {
    const target = `/rfc9421/${n}`
    const signable = { method: 'POST', target, headers: {}, authority: host }
    const signed = message(signable, hmacKey(keyId, secret), ['@method', '@target-uri'], { created: seconds })
    return { target, lines: [`host: ${host}`, ...linesOf(signed)], body: null }
  },
  sigv4(seconds, n) {
    const target = `/sigv4/${n}`
    const signed = sigV4('POST', target, { host, keyId, secret, region: 'r', service: 's', seconds, body: 'x' })
    return { target, lines: [`host: ${host}`, ...linesOf(signed)], body: 'x' }
  },
  stripe(seconds, n) {
    const body = `{"n":${n}}`
    return { target: '/stripe/', lines: [`host: ${host}`, ...linesOf(stripe(secret, body, seconds))], body }
  },
}

const reasonsOf = async (gateway: RunningGateway, count: number): Promise<string[]> =>
  (await untilLogged(gateway, count)).map(({ reason }) => reason)

test('an hour forth and back: of its time or not, and once all the while', { skip }, async t => {
  const clock = settableClock(t)
  const gateway = await startGateway(t, config, clock.options)
  const reasons: string[] = []
  const expect = async (what: string, sent: Sent, reason: string): Promise<void> => {
    const { status } = await ask(t, gateway.port, sent)
    assert.equal(status, reason === '' ? 200 : 401, what)
    reasons.push(reason === '' ? '' : `signature ${reason}`)
  }
  let n = 0
  for (const [scheme, sign] of Object.entries(signers)) {
    const now = nowSeconds()
    clock.set(0)
    const first = sign(now, n++)
    await expect(`${scheme}: now`, first, '')
    await expect(`${scheme}: again`, first, 'replayed')
    clock.set(hourSeconds)
    await expect(`${scheme}: an hour later`, first, 'too-old')
    await expect(`${scheme}: signed an hour later`, sign(now + hourSeconds, n++), '')
    clock.set(-hourSeconds)
    await expect(`${scheme}: an hour before`, first, 'too-new')
    const before = sign(now - hourSeconds, n++)
    await expect(`${scheme}: signed an hour before`, before, '')
    await expect(`${scheme}: and again`, before, 'replayed')
    clock.set(0)
    await expect(`${scheme}: back at its time`, first, 'replayed')
    await expect(`${scheme}: anew`, sign(now, n++), '')
  }
  assert.deepEqual(await reasonsOf(gateway, reasons.length), reasons)
})

test("an hour forth and back: Mashery's window goes along", { skip }, async t => {
  const clock = settableClock(t)
  const gateway = await startGateway(t, config, clock.options)
  for (const algorithm of ['sha256', 'md5'] as const) {
    const now = nowSeconds()
    const statusAt = async (seconds: number): Promise<number> => {
      const lines = [`host: ${host}`, `api-key: ${keyId}`, `x-signature: ${mashery(keyId, secret, seconds, algorithm)}`]
      return (await ask(t, gateway.port, { target: `/mashery-${algorithm}/`, lines, body: null })).status
    }
    for (const offset of [0, hourSeconds, 0, -hourSeconds, 0, -40, 40, hourSeconds, -hourSeconds]) {
      clock.set(offset)
      for (const [beside, status] of [
        [0, 200],
        [290, 200],
        [-290, 200],
        [320, 401],
        [-320, 401],
      ] as const) {
        assert.equal(await statusAt(now + offset + beside), status, `${algorithm}: ${offset} s, ${beside} s beside`)
      }
    }
  }
})

test(
  'what one guard has accepted no other of the scheme accepts, however much wider its clock is',
  { skip },
  async t => {
    const clock = settableClock(t)
    const gateway = await startGateway(
      t,
      `consumers: { alice: { signing: [ { scheme: stripe, secret: ${secret} } ] } }
routes:
  - { name: narrow, match: { path: /narrow }, respond: {}, guards: [ { signature: { scheme: stripe, clockSkewSeconds: 5 } } ] }
  - { name: wide, match: { path: /wide }, respond: {}, guards: [ { signature: { scheme: stripe, clockSkewSeconds: 900 } } ] }
`,
      clock.options,
    )
    const now = nowSeconds()
    const statusOf = async (target: string, body: string, seconds: number): Promise<number> =>
      (
        await ask(t, gateway.port, {
          target,
          lines: [`host: ${host}`, ...linesOf(stripe(secret, body, seconds))],
          body,
        })
      ).status
    assert.deepEqual([await statusOf('/narrow', 'a', now), await statusOf('/wide', 'a', now)], [200, 401])
    clock.set(890)
    assert.equal(await statusOf('/wide', 'a', now), 401, 'as long as a guard would take it for new')
    assert.equal(await statusOf('/wide', 'b', now), 200)
  },
)

test('a signed body that comes so late that its replay could be forgotten is refused', { skip }, async t => {
  const clock = settableClock(t)
  const gateway = await startGateway(t, config, clock.options)
  const late: [string, Sent][] = [
    ['its digest is signed', signers['cavage']!(nowSeconds(), 1)],
    ['it is signed itself', signers['stripe']!(nowSeconds(), 2)],
  ]
  for (const [what, sent] of late) {
    for (const [seconds, status] of [
      [301 + 10, 401],
      [290, 200],
    ] as const) {
      clock.set(0)
      const bytes = bytesOf(sent)
      const client = await RawClient.connect(t, gateway.port)
      // The head is looked at when it comes: the gateway asks for the body after it.
      await client.send(bytes.subarray(0, -1).toString('latin1').replace('\r\n', '\r\nexpect: 100-continue\r\n'))
      await within(10_000, 'the head', client.contains('HTTP/1.1 100'))
      clock.set(seconds)
      await client.send(bytes.subarray(-1))
      assert.equal((await answerOf(client, what)).status, status, `${what}, after ${seconds} s`)
    }
  }
  assert.deepEqual(await reasonsOf(gateway, 4), ['signature too-old', '', 'signature too-old', ''])
})
