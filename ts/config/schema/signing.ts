// Signatures: the keys by which consumers sign, and the guard that verifies. Secrets are in no error.
import {
  componentName,
  consumerName,
  fileName,
  instant,
  parameterName,
  requestHeaderName,
  signatureKeyId,
  signatureTag,
  sigV4Name,
} from '../formats.ts'
import { bytes, flag, list, object, seconds, text, word } from '../shapes.ts'
import { maxSkewSeconds, signatureAlgorithms, signatureSchemes } from '../signature-schemes.ts'
import { secretEncodings } from '../secrets.ts'

const scheme = word('How requests are signed.', signatureSchemes, { examples: ['mashery-sha256', 'rfc9421'] })

const moment = (about: string, example: string) => text(about, { optional: true, check: instant, examples: [example] })

export const secretKeys = {
  keyId: text('The public name of the key, as requests carry it. Webhooks carry none.', {
    optional: true,
    check: signatureKeyId,
    examples: ['5bcef48a3f03d311'],
  }),
  secret: text('The secret that both sides have.', {
    optional: true,
    secret: true,
    orFile: true,
    examples: ['${ALICE_SECRET}'],
  }),
  secretFile: text('The same as secret: { file: NAME }.', {
    optional: true,
    check: fileName,
    examples: ['/run/secrets/alice'],
  }),
  encoding: word('How the secret is written.', secretEncodings, { default: 'text', examples: ['base64'] }),
  algorithm: word(
    'What the key is for, where the scheme leaves a choice. A request that names another is refused.',
    signatureAlgorithms,
    { optional: true, examples: ['hmac-sha256', 'ed25519'] },
  ),
}

export const signing = list(
  'Keys by which the consumer signs requests; several of one keyId, so that one can be replaced by another.',
  object(
    'A key.',
    {
      scheme,
      ...secretKeys,
      publicKey: text('The public key, in PEM.', {
        optional: true,
        orFile: true,
        examples: ['${ALICE_PUBLIC_KEY}'],
      }),
      publicKeyFile: text('The same as publicKey: { file: NAME }.', {
        optional: true,
        check: fileName,
        examples: ['./keys/alice.pem'],
      }),
      notBefore: moment('Before this moment the key is refused.', '2027-01-01T00:00:00Z'),
      notAfter: moment('From this moment on the key is refused.', '2028-01-01T00:00:00Z'),
    },
    {
      oneOf: ['secret', 'secretFile', 'publicKey', 'publicKeyFile'],
      examples: [{ scheme: 'mashery-sha256', keyId: '5bcef48a3f03d311', secret: '${ALICE_SECRET}' }],
    },
  ),
  {
    default: [],
    secret: true,
    examples: [[{ scheme: 'mashery-sha256', keyId: '5bcef48a3f03d311', secret: '${ALICE_SECRET}' }]],
  },
)

const header = (about: string, example: string) =>
  text(about, { optional: true, check: requestHeaderName, examples: [example] })

const parameter = (about: string, example: string) =>
  text(about, { optional: true, check: parameterName, examples: [example] })

export const dialect = word(
  'Cavage: whose reading of the draft. draft is -12.',
  ['draft', 'draft-10', 'tyk', 'kong', 'apisix'],
  { default: 'draft', examples: ['kong'] },
)

export const sigV4Path = word(
  'SigV4: how the path is signed. Without it as-sent for s3, normalized for the others.',
  ['normalized', 'as-sent'],
  { optional: true, examples: ['as-sent'] },
)

export const signature = object(
  'The client signs its requests with a key of a consumer. The upstream does not see the signature, and gets X-Consumer-Name.',
  {
    scheme,
    clockSkewSeconds: seconds('How far a clock may be off, either way. 300; for shopify-oauth and shopify-proxy 90.', {
      optional: true,
      min: 1,
      max: maxSkewSeconds,
      examples: [300],
    }),
    keyHeader: header('Mashery: header with the key. Without any of the four Api-Key.', 'Api-Key'),
    header: header('Mashery: header with the signature. Without any of the four X-Signature.', 'X-Signature'),
    keyParameter: parameter('Mashery: parameter of the query with the key.', 'api_key'),
    parameter: parameter('Mashery: parameter of the query with the signature.', 'sig'),
    bind: word(
      'Mashery: the first address (IPv6 by /64) that uses a signature is the only one that can.',
      ['address'],
      {
        optional: true,
        examples: ['address'],
      },
    ),
    dialect,
    require: list(
      'Cavage, RFC 9421, SigV4: what must be signed beside method, target and time: headers, components as @authority.',
      text('A header or a component.', { check: componentName, examples: ['host', 'content-digest'] }),
      { default: [], examples: [['host', 'digest']] },
    ),
    unsignedBody: flag('Whether a body may come that is not signed (for sigv4: UNSIGNED-PAYLOAD).', {
      default: false,
      examples: [false],
    }),
    tag: text('RFC 9421: the tag that tells the signature from others. Without it there may be only one.', {
      optional: true,
      check: signatureTag,
      examples: ['my-app'],
    }),
    region: text('SigV4: region, as us-east-1.', { optional: true, check: sigV4Name, examples: ['us-east-1'] }),
    service: text('SigV4: service, as execute-api.', { optional: true, check: sigV4Name, examples: ['execute-api'] }),
    path: sigV4Path,
    presigned: flag('SigV4: whether signatures in the query are accepted.', { default: false, examples: [true] }),
    consumer: text('Webhooks: whose secrets count. May be left out where one consumer alone has some of the scheme.', {
      optional: true,
      check: consumerName,
      examples: ['stripe'],
    }),
    replay: flag('Whether a request is accepted only once. true where the scheme can tell; not with presigned.', {
      optional: true,
      examples: [false],
    }),
    onFailure: word(
      'What happens to a request that cannot be remembered: 503, or it is let through.',
      ['closed', 'open'],
      {
        default: 'closed',
        examples: ['closed'],
      },
    ),
    maxBodyBytes: bytes('A body that is signed is held to be verified, up to this; what is longer gets 413.', {
      default: '1MiB',
      min: 1,
      max: 1024 ** 3,
      examples: ['1MiB'],
    }),
    forwardSignature: flag('Whether the upstream sees key and signature.', { default: false, examples: [false] }),
  },
  {
    optional: true,
    examples: [{ scheme: 'mashery-sha256', keyHeader: 'Api-Key', header: 'X-Signature', clockSkewSeconds: 300 }],
  },
)
