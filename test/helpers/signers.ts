// Signs requests as clients and vendors do, with node:crypto alone: nothing here is the gateway's code, so that what it
// accepts is what the schemes' documents say. Used by the tests of the signature guard and of upstream signing.
import { createHash, createHmac, sign as signWith, type KeyObject } from 'node:crypto'

export const nowSeconds = (): number => Math.floor(Date.now() / 1000)

export const hexOf = (algorithm: string, text: string | Buffer): string =>
  createHash(algorithm).update(text).digest('hex')

export const macOf = (algorithm: string, secret: string | Buffer, text: string | Buffer): Buffer =>
  createHmac(algorithm, secret).update(text).digest()

/** Mashery's: key, secret and second in one row. */
export const mashery = (
  key: string,
  secret: string,
  second = nowSeconds(),
  algorithm: 'sha256' | 'md5' = 'sha256',
): string => hexOf(algorithm, `${key}${secret}${second}`)

export interface Signable {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
}

const httpDate = (seconds: number): string => new Date(seconds * 1000).toUTCString()

/** draft-cavage, with HMAC: the headers to add. */
export function cavage(
  request: Signable,
  keyId: string,
  secret: string,
  names: readonly string[],
  options: { readonly seconds?: number; readonly algorithm?: string; readonly named?: string } = {},
): Record<string, string> {
  const { seconds = nowSeconds(), algorithm = 'sha256' } = options
  const { named = `hmac-${algorithm}` } = options
  const date = httpDate(seconds)
  const headers: Record<string, string> = { date, ...request.headers }
  const lines = names.map(name =>
    name === '(request-target)'
      ? `(request-target): ${request.method.toLowerCase()} ${request.target}`
      : `${name}: ${headers[name] ?? ''}`,
  )
  const signature = macOf(algorithm, secret, lines.join('\n')).toString('base64')
  const authorization = `Signature keyId="${keyId}",algorithm="${named}",headers="${names.join(' ')}",signature="${signature}"`
  return { date, authorization }
}

export interface DialectOptions {
  readonly seconds?: number
  /** The hash of the HMAC. */
  readonly algorithm?: string
  /** The header that has the date. */
  readonly dated?: string
}

interface Dialect {
  readonly parameters: (keyId: string, algorithm: string, names: string, signature: string) => string
  /** A line for each name. */
  readonly line: (request: Signable, name: string, value: string | undefined) => string | null
  readonly join: (keyId: string, lines: readonly string[]) => string
}

const kongParameters: Dialect['parameters'] = (id, algorithm, names, signature) =>
  `hmac username="${id}", algorithm="${algorithm}", headers="${names}", signature="${signature}"`
const plainParameters: Dialect['parameters'] = (id, algorithm, names, signature) =>
  `Signature keyId="${id}",algorithm="${algorithm}",headers="${names}",signature="${signature}"`

/** How gateways read draft-cavage, from their sources. */
const dialects = {
  kong: {
    parameters: kongParameters,
    line({ method, target }, name, value) {
      if (name === '@request-target') return `@request-target: ${method.toLowerCase()} ${target}`
      if (name === 'request-line') return `${method} ${target} HTTP/1.1`
      return value === undefined ? `${name}:` : `${name}: ${value}`
    },
    join: (_, lines) => lines.join('\n'),
  },
  tyk: {
    parameters: (id, algorithm, names, signature) =>
      plainParameters(id, algorithm, names, encodeURIComponent(signature)),
    line({ method, target }, name, value) {
      const path = decodeURIComponent(target.split('?')[0]!)
      return name === '(request-target)' ? `${name}: ${method.toLowerCase()} ${path}` : `${name}: ${value}`
    },
    join: (_, lines) => lines.join('\n'),
  },
  apisix: {
    parameters: plainParameters,
    line({ method, target }, name, value) {
      if (name === '@request-target') return `${method} ${target}`
      return value === undefined ? null : `${name}: ${value}`
    },
    join: (keyId, lines) => [keyId, ...lines, ''].join('\n'),
  },
} as const satisfies Record<string, Dialect>

/** draft-cavage as another gateway reads it: the headers to add. */
export function cavageOf(
  kind: keyof typeof dialects,
  request: Signable,
  keyId: string,
  secret: string,
  names: readonly string[],
  { seconds = nowSeconds(), algorithm = 'sha256', dated = 'date' }: DialectOptions = {},
): Record<string, string> {
  const { parameters, line, join }: Dialect = dialects[kind]
  const date = { [dated]: httpDate(seconds) }
  const headers: Record<string, string> = { ...date, ...request.headers }
  const lines = names.map(name => line(request, name, headers[name])).filter(text => text !== null)
  const signature = macOf(algorithm, secret, join(keyId, lines)).toString('base64')
  return { ...date, authorization: parameters(keyId, `hmac-${algorithm}`, names.join(' '), signature) }
}

/** RFC 3230 and RFC 9530. */
export const digestHeader = (body: string): string => `SHA-256=${createHash('sha256').update(body).digest('base64')}`
export const contentDigest = (body: string): string => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`

export interface MessageKey {
  readonly keyId: string
  readonly sign: (base: string) => Buffer
}

export const hmacKey = (keyId: string, secret: string): MessageKey => ({
  keyId,
  sign: base => macOf('sha256', secret, base),
})

export const ed25519Key = (keyId: string, key: KeyObject): MessageKey => ({
  keyId,
  sign: base => signWith(null, Buffer.from(base), key),
})

export const ecdsaKey = (keyId: string, key: KeyObject): MessageKey => ({
  keyId,
  sign: base => signWith('sha256', Buffer.from(base), { key, dsaEncoding: 'ieee-p1363' }),
})

/** RFC 9421: the headers to add. `parameters`: what follows `created` and `keyid`, as `;nonce="x"`. */
export function message(
  request: Signable & { readonly authority: string },
  key: MessageKey,
  components: readonly string[],
  { created = nowSeconds(), parameters = '', label = 'sig1' } = {},
): Record<string, string> {
  const [path = '', query] = request.target.split('?', 2)
  const derived: Record<string, string> = {
    '@method': request.method,
    '@authority': request.authority,
    '@target-uri': `http://${request.authority}${request.target}`,
    '@request-target': request.target,
    '@path': path,
    '@query': `?${query ?? ''}`,
  }
  const list = `(${components.map(name => JSON.stringify(name)).join(' ')})`
  const input = `${list};created=${created};keyid="${key.keyId}"${parameters}`
  const lines = components.map(name => `"${name}": ${derived[name] ?? request.headers[name] ?? ''}`)
  const base = [...lines, `"@signature-params": ${input}`].join('\n')
  return {
    'signature-input': `${label}=${input}`,
    signature: `${label}=:${key.sign(base).toString('base64')}:`,
  }
}

export interface SigV4Options {
  readonly host: string
  readonly keyId: string
  readonly secret: string
  readonly region: string
  readonly service: string
  readonly seconds?: number
  /** The value of x-amz-content-sha256, sent and signed; without it the body's hash is signed and not sent. */
  readonly payload?: string
  readonly body?: string
}

const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, one => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)

/** AWS Signature Version 4 in the header. Paths of plain characters only. */
export function sigV4(method: string, target: string, options: SigV4Options): Record<string, string> {
  const { host, keyId, secret, region, service, payload, body = '' } = options
  const stamp = new Date((options.seconds ?? nowSeconds()) * 1000).toISOString().replace(/[-:]|\.\d+/g, '')
  const day = stamp.slice(0, 8)
  const [path = '', query = ''] = target.split('?', 2)
  const sorted = [...new URLSearchParams(query)].map(([name, value]) => `${encoded(name)}=${encoded(value)}`).sort()
  const headers: Record<string, string> = { host, 'x-amz-date': stamp }
  if (payload !== undefined) headers['x-amz-content-sha256'] = payload
  const names = Object.keys(headers).sort()
  const canonical = [
    method,
    path,
    sorted.join('&'),
    ...names.map(name => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    payload ?? hexOf('sha256', body),
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (before, part) => macOf('sha256', before, part),
    `AWS4${secret}`,
  )
  const text = `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${hexOf('sha256', canonical)}`
  const signature = macOf('sha256', key, text).toString('hex')
  const { host: _, ...sent } = headers
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${keyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  }
}

// Webhooks, as their vendors document them: the headers to add.

/** `prefix`: `webhook`, or `svix`. The secret is `whsec_` and base64. */
export function standardWebhook(
  secret: string,
  body: string,
  { seconds = nowSeconds(), id = 'msg_1', prefix = 'webhook' } = {},
): Record<string, string> {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = macOf('sha256', key, `${id}.${seconds}.${body}`).toString('base64')
  return { [`${prefix}-id`]: id, [`${prefix}-timestamp`]: String(seconds), [`${prefix}-signature`]: `v1,${signature}` }
}

export const stripe = (secret: string, body: string, seconds = nowSeconds()): Record<string, string> => ({
  'stripe-signature': `t=${seconds},v1=${macOf('sha256', secret, `${seconds}.${body}`).toString('hex')}`,
})

export const gitHub = (secret: string, body: string): Record<string, string> => ({
  'x-hub-signature-256': `sha256=${macOf('sha256', secret, body).toString('hex')}`,
})

export const slack = (secret: string, body: string, seconds = nowSeconds()): Record<string, string> => ({
  'x-slack-request-timestamp': String(seconds),
  'x-slack-signature': `v0=${macOf('sha256', secret, `v0:${seconds}:${body}`).toString('hex')}`,
})

export const shopify = (secret: string, body: string): Record<string, string> => ({
  'x-shopify-hmac-sha256': macOf('sha256', secret, body).toString('base64'),
})

/** `fields`: of a form; none: its hash is in the URL. */
export function twilio(
  token: string,
  url: string,
  fields: readonly (readonly [string, string])[] = [],
): Record<string, string> {
  const sorted = [...fields].sort(([one], [other]) => (one < other ? -1 : 1)).map(pair => pair.join(''))
  return { 'x-twilio-signature': macOf('sha1', token, url + sorted.join('')).toString('base64') }
}

/** Shopify's redirects (`&` between the fields) and its app proxy (nothing): the query with its signature. */
export function shopifyQuery(
  secret: string,
  fields: Readonly<Record<string, string>>,
  [parameter, separator]: readonly ['hmac', '&'] | readonly ['signature', ''],
): string {
  const pairs = Object.entries(fields).sort(([one], [other]) => (one < other ? -1 : 1))
  const text = pairs.map(pair => pair.join('=')).join(separator)
  return `${new URLSearchParams(pairs).toString()}&${parameter}=${macOf('sha256', secret, text).toString('hex')}`
}
