// The thousand consumers of the suite `guards`: what a configuration says of them, and what each sends. Signatures and
// tokens are made by node:crypto when they are asked for, because they are good for a few minutes only.
import { createHmac } from 'node:crypto'
import { native } from '../../ts/shared/native.ts'
import { mashery, nowSeconds } from '../../test/helpers/signers.ts'
import type { RequestHeaders } from '../measure/generator.ts'
import { makeClients } from '../signing/credentials.ts'

export const consumerCount = 1000
const clients = makeClients(consumerCount)
const [first] = clients
const password = 'a-password-for-measuring'
const tokenSecret = 'a-secret-of-thirty-two-bytes-or-so'
const issuer = 'https://issuer.example/'

export const keys = clients.map(({ key }) => key)

/** Top-level YAML. */
export function consumersYaml(): string {
  const hash = native().passwordHash(Buffer.from(password), Buffer.from('salt-of-sixteen-'))
  const lines = clients.map(({ key, secret }, at) => {
    const signing = `signing: [ { scheme: mashery-sha256, keyId: ${key}, secret: "${secret}" } ]`
    return `  consumer-${at}: { keys: [ ${key} ], ${signing}${at === 0 ? `, passwords: [ "${hash}" ]` : ''} }\n`
  })
  return `consumers:\n${lines.join('')}`
}

export const guardYaml = {
  key: '{ key: { header: Api-Key } }',
  limit: '{ rateLimit: { limit: 1000000000, per: 1s, by: consumer } }',
  signature: '{ signature: { scheme: mashery-sha256, keyHeader: Api-Key, header: X-Signature } }',
  jwt: `{ jwt: { keys: [ { secret: ${tokenSecret} } ], algorithms: [ HS256 ], issuer: "${issuer}", consumerClaim: sub } }`,
  basic: '{ basic: { realm: bench } }',
  // One of a hundred blocks, and the last.
  addresses: `{ ipAllow: [ ${Array.from({ length: 99 }, (_, at) => `10.${at}.0.0/16`).join(', ')}, 127.0.0.0/8 ] }`,
} as const

export const keyHeaders = (): RequestHeaders => ({ 'Api-Key': first!.key })

export const signedHeaders = (at = 0): RequestHeaders => {
  const { key, secret } = clients[at]!
  return { 'Api-Key': key, 'X-Signature': mashery(key, secret) }
}

/** As good as the real ones to look at. */
const forgedHeaders = (at: number): RequestHeaders => {
  const { key } = clients[at]!
  return { 'Api-Key': key, 'X-Signature': mashery(key, 'a guess') }
}

export const everyone = (of: 'signed' | 'forged'): RequestHeaders[] =>
  clients.map((_, at) => (of === 'signed' ? signedHeaders(at) : forgedHeaders(at)))

export function tokenHeaders(): RequestHeaders {
  const encoded = (text: string): string => Buffer.from(text).toString('base64url')
  const claims = { iss: issuer, sub: 'consumer-0', exp: nowSeconds() + 3600 }
  const signed = `${encoded('{"alg":"HS256","typ":"JWT"}')}.${encoded(JSON.stringify(claims))}`
  const signature = createHmac('sha256', tokenSecret).update(signed).digest('base64url')
  return { Authorization: `Bearer ${signed}.${signature}` }
}

export const passwordHeaders = (): RequestHeaders => ({
  Authorization: `Basic ${Buffer.from(`consumer-0:${password}`).toString('base64')}`,
})
