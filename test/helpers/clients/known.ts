// What the gateway knows of the clients of others, and what these sign: keys, secrets, requests, the configuration.
// Called by the files beside it and by test/flow/independent-clients.test.ts.
import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto'

export interface SignedRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

export interface Client {
  readonly who: string
  /** The route, which is the first segment of the path, and the consumer. */
  readonly route: string
  readonly consumer: string
  readonly sign: () => Promise<SignedRequest>
  /** The signature's text, in its own parentheses, in a header line or in the target. */
  readonly signature: RegExp
  /** Signed headers that a client could send otherwise. */
  readonly headers: readonly string[]
  readonly signsTarget: boolean
  /** The package's own verdict on a request, where it has one that we need. */
  readonly agrees?: (signed: SignedRequest) => boolean | Promise<boolean>
}

export interface Pair {
  readonly publicKey: string
  readonly privateKey: string
}

const inPem = ({ publicKey, privateKey }: KeyPairKeyObjectResult): Pair => ({
  publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
})

export const keys: Readonly<Record<'rsa' | 'ec' | 'ed', Pair>> = {
  rsa: inPem(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  ec: inPem(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  ed: inPem(generateKeyPairSync('ed25519')),
}
export const secret = 'a-secret-that-both-sides-have'
export const secrets = {
  aws: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  webhook: `whsec_${Buffer.from('twenty-four-bytes-secret').toString('base64')}`,
  stripe: 'whsec_of_a_stripe_endpoint',
  vendor: 'a-secret-of-a-vendor',
}
export const [region, accessKeyId] = ['us-east-1', 'AKIDEXAMPLE']

/** The keys' names are those of their algorithms. */
const hmacs = ['hmac-sha1', 'hmac-sha256', 'hmac-sha512']
export const publicKeys: Readonly<Record<string, Pair>> = {
  'rsa-v1_5-sha256': keys.rsa,
  'rsa-pss-sha512': keys.rsa,
  'ecdsa-p256-sha256': keys.ec,
  ed25519: keys.ed,
}

function signingKeys(): string {
  const lines = ['cavage', 'rfc9421'].flatMap(scheme => [
    ...hmacs
      .filter(algorithm => scheme === 'cavage' || algorithm === 'hmac-sha256')
      .map(algorithm => `{ scheme: ${scheme}, keyId: ${algorithm}, algorithm: ${algorithm}, secret: ${secret} }`),
    ...Object.entries(publicKeys).map(
      ([algorithm, { publicKey }]) =>
        `{ scheme: ${scheme}, keyId: ${algorithm}, algorithm: ${algorithm}, publicKey: ${JSON.stringify(publicKey)} }`,
    ),
  ])
  return [...lines, `{ scheme: sigv4, keyId: ${accessKeyId}, secret: ${secrets.aws} }`]
    .map(line => `      - ${line}\n`)
    .join('')
}

const webhooks: Readonly<Record<string, string>> = {
  stripe: secrets.stripe,
  svix: secrets.webhook,
  'standard-webhooks': secrets.webhook,
  github: secrets.vendor,
  slack: secrets.vendor,
  twilio: secrets.vendor,
  shopify: secrets.vendor,
  'shopify-oauth': secrets.vendor,
  'shopify-proxy': secrets.vendor,
}

const guards: Readonly<Record<string, string>> = {
  cavage: '{ scheme: cavage, require: [host] }',
  'cavage-10': '{ scheme: cavage, dialect: draft-10, require: [host] }',
  rfc9421: '{ scheme: rfc9421, require: ["@authority"] }',
  execute: `{ scheme: sigv4, region: ${region}, service: execute-api }`,
  s3: `{ scheme: sigv4, region: ${region}, service: s3 }`,
  links: `{ scheme: sigv4, region: ${region}, service: s3, presigned: true, unsignedBody: true }`,
  'execute-links': `{ scheme: sigv4, region: ${region}, service: execute-api, presigned: true }`,
  ...Object.fromEntries(Object.keys(webhooks).map(scheme => [scheme, `{ scheme: ${scheme} }`])),
}

/** Consumers and routes for all clients, in front of one upstream. */
export const configuration = (upstream: string): string => `
accessLog: { target: access.log }
upstreams: { echo: { peers: [ { url: "${upstream}" } ] } }
consumers:
  partner:
    signing:
${signingKeys()}${Object.entries(webhooks)
  .map(([scheme, value]) => `  of-${scheme}: { signing: [ { scheme: ${scheme}, secret: "${value}" } ] }\n`)
  .join('')}
routes:
${Object.entries(guards)
  .map(
    ([route, guard]) =>
      `  - { name: ${route}, match: { path: "/${route}/*" }, upstream: echo, guards: [ { signature: ${guard} } ] }\n`,
  )
  .join('')}`

export const json = '{"order":42,"text":"für 7 €"}'
export const path = '/orders/a%20b'

let requests = 0
/** No two requests are the same: within one second they would have one signature, and be replays. */
export const parameters = (): Readonly<Record<string, string>> => ({
  page: '2',
  q: 'x y',
  empty: '',
  n: String(++requests),
})
export const asQuery = (all: Readonly<Record<string, string>>): string =>
  `?${Object.entries(all)
    .map(pair => pair.map(encodeURIComponent).join('='))
    .join('&')}`

export const keyOf = (algorithm: string): string => publicKeys[algorithm]?.privateKey ?? secret

export const sigV4Signature = /^authorization: .*Signature=([0-9a-f]+)$/i
export const linkSignature = /X-Amz-Signature=([0-9a-f]+)/
