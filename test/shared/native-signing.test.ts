// Pins the addon's signature verifiers without a gateway: its refusals are named as TypeScript names them, the time is the
// system's real one and may be given, a clock that jumps does no harm, unknown keys cost no hashing, and what is left
// to do for a body goes with its request.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GuardOutcome, guardOutcomes, signatureOutcome } from '../../ts/shared/guard-outcomes.ts'
import { native } from '../../ts/shared/native.ts'
import {
  signatureRefusals,
  signedBodyNeeded,
  wholeBodyNeeded,
  type SignatureCredential,
  type SignatureVerifierOptions,
} from '../../ts/shared/native-signing.ts'
import { cavage, digestHeader, macOf, mashery, nowSeconds } from '../helpers/signers.ts'

const addon = native()
const heads = new addon.RequestHeads({ slots: 8, maxHeadBytes: 0, maxHeaders: 0 })
const exchanges = new addon.Exchanges(heads.id)

const credential = (keyId: string, secret: string, rest: Partial<SignatureCredential> = {}): SignatureCredential => ({
  owner: `owner-of-${keyId}`,
  keyId,
  key: Buffer.from(secret),
  public: false,
  algorithm: '',
  notBeforeSeconds: 0,
  notAfterSeconds: Infinity,
  ...rest,
})

const options = (scheme: string, credentials: SignatureCredential[]): SignatureVerifierOptions => ({
  scheme,
  skewSeconds: 300,
  keyHeader: 'api-key',
  header: 'x-signature',
  keyParameter: '',
  parameter: '',
  dialect: 'draft-10',
  required: [],
  unsignedBody: false,
  tag: '',
  region: '',
  service: '',
  asSent: false,
  presigned: false,
  credentials,
})

const refusal = (name: (typeof signatureRefusals)[number]): number => -1 - signatureRefusals.indexOf(name)

test('refusals have the names of the crate, in its order, and each is an outcome', () => {
  assert.deepEqual([...signatureRefusals], addon.signatureRefusals())
  for (const [index, name] of signatureRefusals.entries()) {
    assert.deepEqual(guardOutcomes[signatureOutcome(-1 - index)], ['signature', name])
  }
  assert.equal(signatureOutcome(refusal('overloaded')), GuardOutcome.signatureOverloaded)
})

describe('Mashery', () => {
  const verifier = exchanges.signatureVerifier(
    options('mashery-sha256', [
      credential('a', 'secret-a'),
      credential('b', 'secret-b', { notAfterSeconds: 1_800_000_000 }),
      credential('c', 'secret-c', { notBeforeSeconds: 1_800_000_000.5 }),
    ]),
  )
  const at = (second: number, now: number, key = 'a', secret = `secret-${key}`): number =>
    exchanges.verifyMashery(verifier, key, mashery(key, secret, second), now)

  test('unknown keys cost no hashing, known ones a table at their first signature', () => {
    const before = exchanges.signatureTables(verifier)
    for (let n = 0; n < 100; n++) {
      assert.equal(exchanges.verifyMashery(verifier, `nobody-${n}`, mashery('a', 'secret-a')), refusal('unknown-key'))
    }
    assert.equal(exchanges.signatureTables(verifier), before)
    assert.equal(exchanges.verifyMashery(verifier, 'a', '0'.repeat(64)), refusal('bad-signature'))
    assert.equal(exchanges.signatureTables(verifier), before + 1)
  })

  test("the time is the system's", () => {
    const now = nowSeconds()
    assert.equal(exchanges.verifyMashery(verifier, 'a', mashery('a', 'secret-a', now)), 0)
    assert.equal(exchanges.verifyMashery(verifier, 'a', mashery('a', 'secret-a', now - 302)), refusal('bad-signature'))
  })

  test('a clock that jumps an hour ahead and back', () => {
    let now = 1_700_000_000
    for (const jump of [0, 3600, -3600, -3600, 7200, 1, -1, 90_000, -90_000]) {
      now += jump
      assert.equal(at(now - 300, now), 0)
      assert.equal(at(now + 300, now), 0)
      assert.equal(at(now - 301, now), refusal('bad-signature'))
      assert.equal(at(now + 301, now), refusal('bad-signature'))
    }
    assert.equal(at(0, 0), refusal('impossible-clock'))
  })

  test('secrets have their time, to the second', () => {
    const end = 1_800_000_000
    assert.equal(at(end, end - 1, 'b'), 1)
    assert.equal(at(end, end, 'b'), refusal('no-active-secret'))
    assert.equal(at(end, end - 1, 'c'), refusal('no-active-secret'))
    assert.equal(at(end, end + 1, 'c'), 2)
  })

  test('a character beyond latin-1 is not taken for another', () => {
    const signature = mashery('a', 'secret-a')
    assert.equal(exchanges.verifyMashery(verifier, '\u0161', signature), refusal('unknown-key'))
    assert.equal(exchanges.verifyMashery(verifier, 'a', `\u0130${signature.slice(1)}`), refusal('malformed'))
  })

  test('a head in a slot, and a slot without one', () => {
    const signature = mashery('a', 'secret-a')
    heads.takeText(1, `GET / HTTP/1.1\r\nHost: h\r\nAPI-Key: a\r\nX-Signature: ${signature}\r\n\r\n`)
    assert.equal(exchanges.verifySignature(verifier, 1, 0), 0)
    exchanges.end(1)
    assert.equal(exchanges.verifySignature(verifier, 1, 0), refusal('missing'))
  })
})

describe('bodies', () => {
  const secret = 'a-secret'
  const cavageVerifier = exchanges.signatureVerifier(
    options('cavage', [credential('a', secret, { algorithm: 'hmac-sha256' })]),
  )
  const github = exchanges.signatureVerifier(options('github', [credential('', secret)]))
  const body = '{"a":1}'

  function takeSigned(slot: number): void {
    const digest = digestHeader(body)
    const names = ['(request-target)', 'date', 'digest']
    const headers = cavage({ method: 'POST', target: '/', headers: { digest } }, 'a', secret, names)
    const lines = Object.entries({ host: 'h', digest, 'content-length': String(body.length), ...headers })
    heads.takeText(slot, `POST / HTTP/1.1\r\n${lines.map(line => `${line.join(': ')}\r\n`).join('')}\r\n`)
  }

  test('the body that was signed, once', () => {
    takeSigned(2)
    assert.equal(exchanges.verifySignature(cavageVerifier, 2, 0), signedBodyNeeded)
    assert.equal(exchanges.verifySignedBody(2, Buffer.from(body), 0), 0)
    assert.throws(() => exchanges.verifySignedBody(2, Buffer.from(body), 0), TypeError)
  })

  test('another body', () => {
    takeSigned(2)
    assert.equal(exchanges.verifySignature(cavageVerifier, 2, 0), signedBodyNeeded)
    assert.equal(exchanges.verifySignedBody(2, Buffer.from(`${body} `), 0), refusal('wrong-digest'))
  })

  test('a body that comes so late that its replay may have been forgotten', () => {
    const now = nowSeconds()
    for (const [within, late, expected] of [
      [60, 60, 0],
      [60, 61, refusal('too-old')],
      [60, -3600, 0],
      [0, 3600, 0],
    ] as const) {
      takeSigned(2)
      assert.equal(exchanges.verifySignature(cavageVerifier, 2, 0, now), signedBodyNeeded)
      assert.equal(
        exchanges.verifySignedBody(2, Buffer.from(body), within, now + late),
        expected,
        `${late} of ${within}`,
      )
    }
    assert.throws(() => exchanges.verifySignedBody(2, Buffer.from(body), 60, now), TypeError, 'it is over')
  })

  test('what waits for a body ends with its request', () => {
    takeSigned(2)
    assert.equal(exchanges.verifySignature(cavageVerifier, 2, 0), signedBodyNeeded)
    exchanges.end(2)
    assert.throws(() => exchanges.verifySignedBody(2, Buffer.from(body), 0), TypeError)
  })

  test('a scheme that says nothing without the body', () => {
    const signature = macOf('sha256', secret, body).toString('hex')
    const head = (hex: string): string =>
      `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\nX-Hub-Signature-256: sha256=${hex}\r\n\r\n`
    heads.takeText(3, head(signature))
    assert.equal(exchanges.verifySignature(github, 3, 0), wholeBodyNeeded)
    assert.equal(exchanges.verifySignedBody(3, Buffer.from(''), 0), refusal('bad-signature'))
    assert.equal(exchanges.verifySignature(github, 3, 0), wholeBodyNeeded)
    assert.equal(exchanges.verifySignedBody(3, Buffer.from(body), 0), 0)
    heads.takeText(3, head(signature.slice(2)))
    assert.equal(exchanges.verifySignature(github, 3, 0), refusal('malformed'), 'before the body is there')
  })

  test('what a replay is known by: the same for the same signature, another for another', () => {
    const value = exchanges.signatureReplayValue()
    assert.equal(value, exchanges.signatureReplayValue())
    const seen = new Set<string>()
    for (const date of [1_700_000_000, 1_700_000_001]) {
      for (let n = 0; n < 2; n++) {
        const headers = cavage({ method: 'GET', target: '/', headers: {} }, 'a', secret, ['(request-target)', 'date'], {
          seconds: date,
        })
        const lines = Object.entries({ host: 'h', ...headers }).map(line => `${line.join(': ')}\r\n`)
        heads.takeText(4, `GET / HTTP/1.1\r\n${lines.join('')}\r\n`)
        assert.equal(exchanges.verifySignature(cavageVerifier, 4, 0, 1_700_000_000), 0)
        seen.add(Buffer.from(value).toString('hex'))
      }
    }
    assert.equal(seen.size, 2)
  })
})

test('keys that do not fit are refused when the plan is prepared, and not shown', () => {
  const wrong: [SignatureVerifierOptions, RegExp][] = [
    [options('mashery-sha256', [credential('a', ' ')]), /^signing key a of consumer owner-of-a is blank$/],
    [options('mashery-sha256', [credential('', 'hunter2')]), /empty key/],
    [{ ...options('mashery-sha256', []), skewSeconds: 901 }, /900/],
    [options('rfc9421', [credential('a', 'hunter2', { algorithm: 'ed25519', public: true })]), /does not fit/],
    [options('svix', [credential('', 'hunter2')]), /form/],
    [options('hmac', []), /unknown scheme/],
  ]
  for (const [given, message] of wrong) {
    assert.throws(
      () => exchanges.signatureVerifier(given),
      (error: Error) => error instanceof TypeError && message.test(error.message) && !error.message.includes('hunter2'),
    )
  }
  assert.throws(() => exchanges.verifyMashery(9999, 'a', 'b'), TypeError)
})
