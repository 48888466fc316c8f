// Cases about everything else that a guard asks of the addon, and about what Node's own crypto takes for the same.
import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
} from 'node:crypto'
import { native, type NativeExchanges } from '../../ts/shared/native.ts'
import type { RequestHeads } from '../../ts/shared/native-heads.ts'
import { LimitVerdict, type NativeLimits } from '../../ts/shared/native-limits.ts'
import { replayUnwanted } from '../../ts/shared/native-signing.ts'
import { JwtVerdict } from '../../ts/shared/native-jwt.ts'
import { cavage, ed25519Key, hmacKey, mashery, message, nowSeconds, sigV4 } from '../../test/helpers/signers.ts'
import type { Case } from './case.ts'
import { credentialOf, makeClients, verifierOptions } from './credentials.ts'

const secret = 'a-secret-of-thirty-two-bytes-or-so'
const authority = 'api.example.com'
const signedBytes = 200
let slot = 16

/** Puts a head into a slot of its own. */
function taken(heads: RequestHeads, target: string, headers: Readonly<Record<string, string>>): number {
  const lines = Object.entries({ host: authority, accept: 'application/json', ...headers })
  const head = `GET ${target} HTTP/1.1\r\n${lines.map(line => `${line.join(': ')}\r\n`).join('')}\r\n`
  const problem = heads.takeText(++slot, head)
  if (problem !== 0) throw new Error(`INVALID: a head was refused: ${problem}`)
  return slot
}

export function schemeCases(exchanges: NativeExchanges, heads: RequestHeads): Case[] {
  const target = '/v1/hotels?from=1&to=20'
  const names = ['(request-target)', 'host', 'date', 'x-padding']
  const date = new Date().toUTCString()
  const unpadded = `(request-target): get ${target}\nhost: ${authority}\ndate: ${date}\nx-padding: `
  const padded = { host: authority, date, 'x-padding': 'x'.repeat(signedBytes - unpadded.length) }
  const components = ['@method', '@authority', '@target-uri']
  const pair = generateKeyPairSync('ed25519')
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' })
  const request = { method: 'GET', target, authority, headers: {} }
  const aws = { host: authority, keyId: 'AKIDEXAMPLE', secret, region: 'us-east-1', service: 'execute-api' }
  const kinds: readonly [name: string, limitNs: number | null, verifier: number, slot: number][] = [
    [
      `cavage, HMAC-SHA256 of ${signedBytes} bytes`,
      1000,
      exchanges.signatureVerifier(verifierOptions('cavage', [credentialOf('me', secret, 'hmac-sha256')])),
      taken(heads, target, { ...padded, ...cavage({ method: 'GET', target, headers: padded }, 'me', secret, names) }),
    ],
    [
      'RFC 9421, hmac-sha256',
      null,
      exchanges.signatureVerifier(verifierOptions('rfc9421', [credentialOf('me', secret, 'hmac-sha256')])),
      taken(heads, target, message(request, hmacKey('me', secret), components)),
    ],
    [
      'RFC 9421, ed25519',
      null,
      exchanges.signatureVerifier(verifierOptions('rfc9421', [credentialOf('me', spki, 'ed25519')])),
      taken(heads, target, message(request, ed25519Key('me', pair.privateKey), components)),
    ],
    [
      'AWS SigV4',
      null,
      exchanges.signatureVerifier(verifierOptions('sigv4', [credentialOf(aws.keyId, secret)])),
      taken(heads, target, sigV4('GET', target, aws)),
    ],
  ]
  return kinds.map(([name, limitNs, verifier, at]) => ({
    name,
    limitNs,
    calls: name.includes('ed25519') ? 20 : 500,
    run: () => exchanges.verifySignature(verifier, at, replayUnwanted) === 0,
  }))
}

const encoded = (text: string | Buffer): string => Buffer.from(text).toString('base64url')
const issuer = 'https://issuer.example/'

interface TokenKind {
  readonly algorithm: string
  readonly key: Readonly<Record<string, string>>
  readonly sign: (text: string) => Buffer
}

function tokenKinds(): TokenKind[] {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = (key: KeyObject) => ({ spki: key.export({ type: 'spki', format: 'der' }).toString('base64') })
  return [
    {
      algorithm: 'HS256',
      key: { secret: Buffer.from(secret).toString('base64') },
      sign: text => createHmac('sha256', secret).update(text).digest(),
    },
    { algorithm: 'RS256', key: spki(rsa.publicKey), sign: text => sign('sha256', Buffer.from(text), rsa.privateKey) },
    {
      algorithm: 'ES256',
      key: spki(ec.publicKey),
      sign: text => sign('sha256', Buffer.from(text), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
    },
  ]
}

/** A token that comes again, and one that is seen for the first time: under other keys what was remembered is nothing. */
export function tokenCases(exchanges: NativeExchanges, heads: RequestHeads): Case[] {
  return tokenKinds().flatMap(({ algorithm, key, sign: signWith }) => {
    const claims = { iss: issuer, aud: 'api', sub: 'alice', scope: 'read', exp: nowSeconds() + 3600 }
    const signed = `${encoded(JSON.stringify({ alg: algorithm, typ: 'JWT' }))}.${encoded(JSON.stringify(claims))}`
    const at = taken(heads, '/', { authorization: `Bearer ${signed}.${encoded(signWith(signed))}` })
    const set = JSON.stringify({ keys: [{ id: null, algorithms: [algorithm], ...key }], mostWithoutId: 1 })
    const keys = [exchanges.jwtKeys(set), exchanges.jwtKeys(set)]
    const rules = {
      algorithms: [algorithm],
      type: null,
      issuers: [issuer],
      audiences: ['api'],
      anyAudience: false,
      expiryRequired: true,
      clockSkewSeconds: 30,
      required: [{ claim: 'scope', all: ['read'] }],
      consumer: null,
      headers: [],
    }
    const verifier = exchanges.jwtVerifier(JSON.stringify(rules), 'authorization', true)
    const isGood = (set: number): boolean => exchanges.verifyJwt(verifier, set, at) === JwtVerdict.nobody
    return [
      { name: `JWT, ${algorithm}, again`, limitNs: null, calls: 500, run: () => isGood(keys[0]!) },
      {
        name: `JWT, ${algorithm}, for the first time`,
        limitNs: null,
        calls: algorithm === 'HS256' ? 200 : 20,
        run: nth => isGood(keys[nth & 1]!),
      },
    ]
  })
}

export function keyAndLimitCases(exchanges: NativeExchanges, heads: RequestHeads, limits: NativeLimits): Case[] {
  const clients = makeClients(1000)
  const digests = clients.map(({ key }) => createHash('sha256').update(key).digest())
  const ring = exchanges.keyRing(Buffer.concat(digests), 'api-key')
  const at = taken(heads, '/', { 'api-key': clients[7]!.key })
  const wide = { kind: 'rate', limit: 1_000_000_000, periodMs: 1000, burst: 1_000_000_000 } as const
  const rule = limits.rule('wide', [wide], false)
  const names = clients.map((_, nth) => `consumer-${nth}`)
  return [
    { name: 'API key, one of 1,000', limitNs: null, calls: 500, run: () => exchanges.findKey(ring, at) === 7 },
    {
      name: 'rate-limit decision, one key',
      limitNs: 150,
      calls: 10_000,
      run: () => limits.decide(rule, 'consumer-1') === LimitVerdict.admitted,
    },
    {
      name: 'rate-limit decision, 1,000 keys',
      limitNs: 150,
      calls: 10_000,
      run: nth => limits.decide(rule, names[nth % 1000]!) === LimitVerdict.admitted,
    },
  ]
}

/** The same by node:crypto, written as a gateway in JavaScript would. */
export function nodeCases(): Case[] {
  const text = 'x'.repeat(signedBytes)
  const signature = createHmac('sha256', secret).update(text).digest()
  const [client] = makeClients(1)
  const { key, secret: own } = client!
  const kinds = tokenKinds().slice(1)
  const now = nowSeconds()
  const tail = mashery(key, own, now + 300)
  const windowed = (): boolean => {
    for (let off = -300; off <= 300; off++) {
      if (
        createHash('sha256')
          .update(`${key}${own}${now + off}`)
          .digest('hex') === tail
      )
        return off === 300
    }
    return false
  }
  const tokens = kinds.map(({ algorithm, key: { spki }, sign: signWith }) => {
    const publicKey = createPublicKey({ key: Buffer.from(spki!, 'base64'), format: 'der', type: 'spki' })
    const [signed, bytes] = [Buffer.from(text), signWith(text)]
    const name = `node:crypto, verify of ${algorithm}`
    const options = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
    return { name, limitNs: null, calls: 10, run: () => verify('sha256', signed, options, bytes) }
  })
  return [
    {
      name: `node:crypto, createHmac of ${signedBytes} bytes`,
      limitNs: null,
      calls: 100,
      run: () => timingSafeEqual(createHmac('sha256', secret).update(text).digest(), signature),
    },
    { name: 'node:crypto, 601 x createHash', limitNs: null, calls: 2, run: windowed },
    ...tokens,
  ]
}

export const openLimits = (file: string): NativeLimits => new (native().Limits)(file, 100_000, 1000)
