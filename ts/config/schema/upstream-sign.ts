// How requests to an upstream are signed. Secrets are in no error.
import { componentName, fileName, signatureKeyId, signatureTag, sigV4Name } from '../formats.ts'
import { bytes, flag, list, object, seconds, text, word } from '../shapes.ts'
import { maxSkewSeconds } from '../signature-schemes.ts'
import { dialect, secretKeys, sigV4Path } from './signing.ts'

export const signingSchemes = ['cavage', 'rfc9421', 'sigv4'] as const

export const upstreamSign = object(
  'Signs requests to the upstream, each attempt anew, after all edits. What a client signed with does not go along.',
  {
    scheme: word('How requests are signed.', signingSchemes, { examples: ['rfc9421'] }),
    ...secretKeys,
    keyId: text('The public name of the key, as requests carry it.', {
      check: signatureKeyId,
      examples: ['polygate'],
    }),
    privateKey: text('The private key, in PEM, not encrypted.', {
      optional: true,
      secret: true,
      examples: ['${GATEWAY_KEY}'],
    }),
    privateKeyFile: text('File that holds the private key, in PEM, not encrypted.', {
      optional: true,
      check: fileName,
      examples: ['./keys/gateway.pem'],
    }),
    dialect,
    cover: list(
      'Cavage, RFC 9421: what is signed; headers that a request lacks are not. Without it method, target, time and body, for cavage the host too.',
      text('A header or a component.', { check: componentName, examples: ['host', '@authority'] }),
      { optional: true, min: 1, examples: [['@method', '@target-uri', 'content-digest']] },
    ),
    tag: text('RFC 9421: the tag that tells the signature from others.', {
      optional: true,
      check: signatureTag,
      examples: ['my-app'],
    }),
    expiresAfterSeconds: seconds('RFC 9421: how long the signature says that it is good. Without it it does not say.', {
      optional: true,
      min: 1,
      max: maxSkewSeconds,
      examples: [60],
    }),
    region: text('SigV4: region, as us-east-1.', { optional: true, check: sigV4Name, examples: ['us-east-1'] }),
    service: text('SigV4: service, as execute-api.', { optional: true, check: sigV4Name, examples: ['execute-api'] }),
    path: sigV4Path,
    unsignedBody: flag('Whether bodies are sent without being signed, as they come (for sigv4: UNSIGNED-PAYLOAD).', {
      default: false,
      examples: [true],
    }),
    maxBodyBytes: bytes('A body that is signed is held until it is whole, up to this; what is longer gets 413.', {
      default: '1MiB',
      min: 1,
      max: 1024 ** 3,
      examples: ['1MiB'],
    }),
  },
  {
    optional: true,
    oneOf: ['secret', 'secretFile', 'privateKey', 'privateKeyFile'],
    examples: [{ scheme: 'rfc9421', keyId: 'polygate', algorithm: 'ed25519', privateKeyFile: './keys/gateway.pem' }],
  },
)
