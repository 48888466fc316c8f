// Keys that tokens are verified with: JWKS (RFC 7517), PEM and secrets -> what workers get. Used by the configuration for
// keys that it names, and by control for those that it fetches. Only public keys and configured secrets come out of it;
// no message shows a key.
import { createPublicKey, X509Certificate, type JsonWebKey, type KeyObject } from 'node:crypto'

export const jwtAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
] as const
export type JwtAlgorithm = (typeof jwtAlgorithms)[number]

export interface JwtKeyPlan {
  /** `kid`; null: it is tried for all tokens. */
  readonly id: string | null
  /** What it may be used with. */
  readonly algorithms: readonly JwtAlgorithm[]
  /** A public key: SubjectPublicKeyInfo, DER in base64. */
  readonly spki: string | null
  /** A shared secret: its place in the plan's `secrets`. */
  readonly secret: number | null
}

export interface KeysRead {
  readonly keys: readonly JwtKeyPlan[]
  /** Why others were passed over. */
  readonly ignored: readonly string[]
}

/** More is no key set but a mistake, or an attack. */
const maxKeys = 100
const maxIdChars = 256
const rsa: readonly JwtAlgorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const rsaPss: readonly JwtAlgorithm[] = ['PS256', 'PS384', 'PS512']

export const isSymmetric = (algorithm: JwtAlgorithm): boolean => algorithm.startsWith('HS')

/** Bytes that a secret needs (RFC 7518 section 3.2). */
export const leastSecretBytes = (algorithm: JwtAlgorithm): number => Number(algorithm.slice(2)) / 8

/** Throws an Error that says what is wrong with the whole; single keys that cannot be used are passed over. */
export function readJwks(text: string): KeysRead {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    throw new Error('no JSON')
  }
  const list = isRecord(found) ? found['keys'] : null
  if (!Array.isArray(list)) throw new Error('no key set: it has no list of keys')
  if (list.length > maxKeys) throw new Error(`${list.length} keys, expected at most ${maxKeys}`)
  const keys: JwtKeyPlan[] = []
  const ignored: string[] = []
  for (const [index, item] of list.entries()) {
    const key = isRecord(item) ? readJwk(item) : 'not a mapping'
    if (typeof key === 'string') ignored.push(`key ${index + 1}: ${key}`)
    else if (key !== null) keys.push(key)
  }
  return { keys, ignored }
}

/** null: a key for something else, which is no fault. */
function readJwk(jwk: Record<string, unknown>): JwtKeyPlan | string | null {
  const { kty, kid, use, alg, key_ops: operations } = jwk
  if (kty === 'oct') return 'a symmetric key, which nobody else may know'
  if ('d' in jwk || 'k' in jwk) return 'a private key, which nobody else may know'
  if (use !== undefined && use !== 'sig') return null
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return null
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > maxIdChars)) return 'an id that is no short text'
  const { n, e, crv, x, y } = jwk
  const material = kty === 'RSA' ? { kty, n, e } : kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x }
  let key: KeyObject
  try {
    key = createPublicKey({ key: material as JsonWebKey, format: 'jwk' })
  } catch {
    return 'not a public key of a known kind'
  }
  const fitting = algorithmsOf(key)
  if (typeof fitting === 'string') return fitting
  const algorithms = alg === undefined ? fitting : fitting.filter(one => one === (alg === 'Ed25519' ? 'EdDSA' : alg))
  if (algorithms.length === 0) return null
  return { id: kid ?? null, algorithms, spki: spkiOf(key), secret: null }
}

/** Of a public key or a certificate in PEM; a text: what was expected instead. */
export function readPublicKey(pem: string): { algorithms: readonly JwtAlgorithm[]; spki: string } | string {
  if (pem.includes('PRIVATE KEY-----')) return 'a public key: a private one belongs to its owner alone'
  let key: KeyObject
  try {
    key = pem.includes('-----BEGIN CERTIFICATE-----') ? new X509Certificate(pem).publicKey : createPublicKey(pem)
  } catch {
    return 'a public key or certificate in PEM (-----BEGIN PUBLIC KEY-----)'
  }
  const algorithms = algorithmsOf(key)
  return typeof algorithms === 'string' ? `another key: ${algorithms}` : { algorithms, spki: spkiOf(key) }
}

const spkiOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64')

/** What native/signing can use it with; a text: why it cannot be used. */
function algorithmsOf({
  asymmetricKeyType: type,
  asymmetricKeyDetails: details,
}: KeyObject): readonly JwtAlgorithm[] | string {
  if (type === 'ed25519') return ['EdDSA']
  if (type === 'ec') {
    if (details?.namedCurve === 'prime256v1') return ['ES256']
    return details?.namedCurve === 'secp384r1' ? ['ES384'] : 'a curve other than P-256 and P-384'
  }
  if (type !== 'rsa' && type !== 'rsa-pss') return 'neither RSA nor P-256, P-384 or Ed25519'
  const bits = details?.modulusLength ?? 0
  const exponent = details?.publicExponent ?? 0n
  if (bits < 2048 || bits > 8192) return `RSA of ${bits} bits, expected 2048 to 8192`
  if (exponent < 3n || exponent >= 1n << 33n) return 'RSA with an exponent that is too small or too large'
  if (type === 'rsa') return rsa
  return details?.hashAlgorithm === undefined ? rsaPss : 'RSA-PSS with parameters'
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
