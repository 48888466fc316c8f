// Texts and files of secrets and keys -> bytes, strictly, and the list of them in a plan. Called by rules (which say what
// is wrong), compile, and control (which reads them again for a plan that comes from disk). Messages never show a secret.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { SecretPlan } from './plan.ts'

/** What users may write. */
export const secretEncodings = ['text', 'base64', 'hex'] as const

/** `pem`: a private key, as it is written; blanks around it say nothing. */
export type SecretEncoding = (typeof secretEncodings)[number] | 'pem'

/** What is longer is no secret but a slip. */
const maxSecretBytes = 4096
/** RSA of 8192 bits has 6.4 KB, and text may stand around it. */
const maxPemBytes = 16_384

/** The secret's bytes, or what was expected instead. A file may end with a line end, which is not the secret's. */
export function secretBytes(raw: Buffer, encoding: SecretEncoding, fromFile = false): Buffer | string {
  const lineEnd = !fromFile || raw.at(-1) !== 10 ? 0 : raw.at(-2) === 13 ? 2 : 1
  const bytes = raw.subarray(0, raw.length - lineEnd)
  const text = bytes.toString('latin1')
  if (/^[\s\0]*$/.test(text)) return 'a secret that is not blank'
  if (encoding === 'pem') return bytes.length > maxPemBytes ? `a key of at most ${maxPemBytes} bytes` : bytes
  if (encoding === 'text' || encoding === 'base64') {
    if (/^\s|\s$/.test(text)) return 'a secret without blanks at its ends'
  }
  const decoded = encoding === 'text' ? bytes : Buffer.from(text, encoding)
  if (encoding !== 'text' && decoded.toString(encoding) !== (encoding === 'hex' ? text.toLowerCase() : text)) {
    return `a secret in ${encoding}`
  }
  if (decoded.every(byte => byte === 0 || byte === 9 || byte === 10 || byte === 13 || byte === 32)) {
    return 'a secret that is not blank'
  }
  return decoded.length > maxSecretBytes ? `a secret of at most ${maxSecretBytes} bytes` : decoded
}

/** What Standard Webhooks' secrets look like; null, or what was expected instead. */
export function webhookSecret(secret: Buffer): string | null {
  const text = secret.toString('latin1')
  const [, kind, base64 = ''] = /^(whsec|whpk)_(.+)$/.exec(text) ?? []
  const bytes = Buffer.from(base64, 'base64')
  const isCanonical = kind !== undefined && bytes.length > 0 && bytes.toString('base64') === base64
  return isCanonical && (kind === 'whsec' || bytes.length === 32)
    ? null
    : 'whsec_ and a secret in base64, or whpk_ and a public key'
}

/** SubjectPublicKeyInfo in DER, or what was expected instead. */
export const publicKeyDer = (pem: string, algorithm: string): Buffer | string =>
  keyDer(
    () => createPublicKey(pem),
    'public',
    algorithm,
    key => key.export({ type: 'spki', format: 'der' }),
  )

/** PKCS #8 in DER, or what was expected instead. */
export const privateKeyDer = (pem: string, algorithm: string): Buffer | string =>
  keyDer(
    () => createPrivateKey(pem),
    'private',
    algorithm,
    key => key.export({ type: 'pkcs8', format: 'der' }),
  )

function keyDer(
  read: () => KeyObject,
  kind: string,
  algorithm: string,
  write: (key: KeyObject) => Buffer,
): Buffer | string {
  let key: KeyObject
  try {
    key = read()
  } catch {
    return `a ${kind} key in PEM (-----BEGIN ${kind.toUpperCase()} KEY-----)`
  }
  return fits(key, algorithm) ? write(key) : `a ${kind} key for ${algorithm} (${wanted(algorithm)})`
}

function fits({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject, algorithm: string): boolean {
  if (algorithm === 'ed25519') return type === 'ed25519'
  if (algorithm === 'ecdsa-p256-sha256') return type === 'ec' && details?.namedCurve === 'prime256v1'
  const bits = details?.modulusLength ?? 0
  return type === 'rsa' && bits >= 2048 && bits <= 8192
}

function wanted(algorithm: string): string {
  if (algorithm === 'ed25519') return 'Ed25519'
  return algorithm === 'ecdsa-p256-sha256' ? 'P-256' : 'RSA of 2048 to 8192 bits'
}

/** The secrets of a plan that is being compiled. Two that say the same are one. */
export class SecretList {
  readonly list: SecretPlan[] = []
  readonly #places = new Map<string, number>()

  /** The place in the list. */
  add(secret: SecretPlan): number {
    const key = JSON.stringify(secret)
    let place = this.#places.get(key)
    if (place === undefined) {
      place = this.list.push(secret) - 1
      this.#places.set(key, place)
    }
    return place
  }
}
