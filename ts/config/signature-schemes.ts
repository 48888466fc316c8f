// What the signature schemes have and have not, in one table: the schema lists their names, rules check what is written
// beside them, compile and the guard stage fill in defaults. Knows nothing of how a scheme works: native/signing does.

export const signatureSchemes = [
  'mashery-sha256',
  'mashery-md5',
  'cavage',
  'rfc9421',
  'sigv4',
  'standard-webhooks',
  'svix',
  'stripe',
  'github',
  'slack',
  'twilio',
  'shopify',
  'shopify-oauth',
  'shopify-proxy',
] as const

export type SignatureScheme = (typeof signatureSchemes)[number]

export interface SchemeTraits {
  /** Requests name the key that signed them. Webhooks do not. */
  readonly namesKey: boolean
  /** How far a client's clock may be off unless the configuration says otherwise; null: no time is signed. */
  readonly skewSeconds: number | null
  /** A replay can be told from an honest request. */
  readonly tellsReplay: boolean
  /** Algorithms that keys may be for; [] where the scheme has its own. The first is the default for secrets. */
  readonly algorithms: readonly string[]
  /** Keys of the guard that this scheme has and others have not. */
  readonly guardKeys: readonly string[]
  /** Headers, in lower case, and parameters that carry the signature: the upstream does not see them. */
  readonly headers: readonly string[]
  readonly parameters: readonly string[]
}

/** Every time that is signed may be off by this much at most: what a replay store must remember is twice as long. */
export const maxSkewSeconds = 900

/**
 * So long a signed body may take where requests are remembered, and so much longer they are: a head is looked at when it
 * comes, and a replay whose body comes late must not find that the first one has been forgotten meanwhile.
 */
export const signedBodySeconds = 300

const hmacs = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512', 'hmac-sha1']
const publicAlgorithms = ['rsa-v1_5-sha256', 'rsa-pss-sha512', 'ecdsa-p256-sha256', 'ed25519']
export const signatureAlgorithms = [...hmacs, ...publicAlgorithms]

const plain: SchemeTraits = {
  namesKey: true,
  skewSeconds: 300,
  tellsReplay: true,
  algorithms: [],
  guardKeys: [],
  headers: [],
  parameters: [],
}

/** Where they are is configured. */
const mashery: SchemeTraits = {
  ...plain,
  tellsReplay: false,
  guardKeys: ['keyHeader', 'header', 'keyParameter', 'parameter', 'bind'],
}

const webhook = (...headers: string[]): SchemeTraits => ({
  ...plain,
  namesKey: false,
  guardKeys: ['consumer', 'maxBodyBytes'],
  headers,
})

const timeless = (header: string): SchemeTraits => ({ ...webhook(header), skewSeconds: null, tellsReplay: false })

const shopifyQuery = (parameter: string): SchemeTraits => ({
  ...plain,
  namesKey: false,
  skewSeconds: 90,
  guardKeys: ['consumer', 'unsignedBody'],
  parameters: [parameter],
})

export const schemeTraits: Readonly<Record<SignatureScheme, SchemeTraits>> = {
  'mashery-sha256': mashery,
  'mashery-md5': mashery,
  cavage: {
    ...plain,
    algorithms: [...hmacs, ...publicAlgorithms],
    guardKeys: ['dialect', 'require', 'unsignedBody', 'maxBodyBytes'],
    headers: ['authorization', 'signature'],
  },
  rfc9421: {
    ...plain,
    algorithms: ['hmac-sha256', ...publicAlgorithms],
    guardKeys: ['require', 'unsignedBody', 'tag', 'maxBodyBytes'],
    headers: ['signature', 'signature-input'],
  },
  sigv4: {
    ...plain,
    guardKeys: ['require', 'unsignedBody', 'region', 'service', 'path', 'presigned', 'maxBodyBytes'],
    headers: ['authorization', 'x-amz-security-token'],
    parameters: [
      'X-Amz-Algorithm',
      'X-Amz-Credential',
      'X-Amz-Date',
      'X-Amz-Expires',
      'X-Amz-SignedHeaders',
      'X-Amz-Signature',
      'X-Amz-Security-Token',
    ],
  },
  'standard-webhooks': webhook('webhook-signature'),
  svix: webhook('svix-signature'),
  stripe: webhook('stripe-signature'),
  github: timeless('x-hub-signature-256'),
  slack: webhook('x-slack-signature'),
  twilio: timeless('x-twilio-signature'),
  shopify: timeless('x-shopify-hmac-sha256'),
  'shopify-oauth': shopifyQuery('hmac'),
  'shopify-proxy': shopifyQuery('signature'),
}

/** Public and private keys, as opposed to one secret that both sides have. */
export const isAsymmetric = (algorithm: string): boolean => publicAlgorithms.includes(algorithm)

export const isScheme = (text: string | undefined): text is SignatureScheme =>
  text !== undefined && Object.hasOwn(schemeTraits, text)
