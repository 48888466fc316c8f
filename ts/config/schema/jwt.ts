// The guard for JSON Web Tokens: where its keys come from, and what a token must say.
import {
  claimName,
  cookieName,
  fileName,
  jwksUrl,
  mediaType,
  oneLine,
  parameterName,
  requestHeaderName,
} from '../formats.ts'
import { jwtAlgorithms } from '../jwt-keys.ts'
import { secretEncodings } from '../secrets.ts'
import { either, flag, list, map, object, seconds, text, whole, word } from '../shapes.ts'

const key = object(
  'A key that tokens are signed with.',
  {
    id: text('The `kid` of tokens that it signs. Without it, it is tried for all.', {
      optional: true,
      check: oneLine,
      examples: ['2027-01'],
    }),
    secret: text('A shared secret, for HS256, HS384 and HS512: at least 32, 48 or 64 bytes.', {
      optional: true,
      secret: true,
      orFile: true,
      check: oneLine,
      examples: ['${JWT_SECRET}'],
    }),
    secretFile: text('The same as secret: { file: NAME }.', {
      optional: true,
      check: fileName,
      examples: ['./keys/jwt-secret'],
    }),
    encoding: word('How the secret is written.', secretEncodings, { default: 'text', examples: ['base64'] }),
    publicKey: text('A public key or certificate in PEM.', {
      optional: true,
      orFile: true,
      examples: ['-----BEGIN PUBLIC KEY-----\n...'],
    }),
    publicKeyFile: text('The same as publicKey: { file: NAME }.', {
      optional: true,
      check: fileName,
      examples: ['./keys/issuer.pem'],
    }),
  },
  { oneOf: ['secret', 'secretFile', 'publicKey', 'publicKeyFile'], examples: [{ publicKeyFile: './keys/issuer.pem' }] },
)

const names = (about: string, example: string) =>
  either(
    about,
    'a text or a list of them',
    [
      {
        shape: list('Several.', text('One of them.', { check: oneLine, examples: [example] }), { min: 1 }),
        tell: 'list',
      },
      { shape: text('One.', { check: oneLine, examples: [example] }), tell: 'text' },
    ],
    { optional: true, examples: [example] },
  )

const claimExamples = ['sub', '/realm_access/roles']
const claim = (about: string) => text(about, { check: claimName, examples: claimExamples })

const flagValue = flag('true or false.', { examples: [true] })
const numberValue = whole('A number.', { min: -Number.MAX_SAFE_INTEGER, examples: [2] })
const textValue = text('A text.', { examples: ['read'] })
const valueForms = [
  { shape: flagValue, tell: 'boolean' },
  { shape: numberValue, tell: 'number' },
  { shape: textValue, tell: 'text' },
] as const
const values = (about: string) =>
  list(about, either('A value.', 'a text, a number or true or false', valueForms, {}), { min: 1 })

const requirement = either(
  'What the claim must have.',
  'a value, a list of values, or a mapping with anyOf or present',
  [
    ...valueForms,
    { shape: values('All of these.'), tell: 'list' },
    {
      shape: object(
        'Something else than all of a list.',
        {
          anyOf: list('One of these.', either('A value.', 'a text, a number or true or false', valueForms, {}), {
            optional: true,
            min: 1,
            examples: [['admin', 'operator']],
          }),
          present: flag('The claim is there, whatever it says.', { optional: true, onlyTrue: true, examples: [true] }),
        },
        { oneOf: ['anyOf', 'present'], examples: [{ anyOf: ['admin', 'operator'] }] },
      ),
      tell: 'map',
    },
  ],
  {},
)

export const jwt = object(
  'The client sends a JSON Web Token that an issuer has signed. Keys: one of jwks, jwksFile, keys.',
  {
    jwks: text("URL of the issuer's keys (JWKS). Fetched by the gateway, kept, and asked for again when they change.", {
      optional: true,
      check: jwksUrl,
      examples: ['https://login.example.com/.well-known/jwks.json'],
    }),
    jwksFile: text('File of keys (JWKS).', { optional: true, check: fileName, examples: ['./keys/jwks.json'] }),
    keys: list('Keys.', key, { optional: true, min: 1, examples: [[{ publicKeyFile: './keys/issuer.pem' }]] }),
    insecure: flag('Fetch jwks over http: though it is not on this machine: whoever is between can make tokens.', {
      default: false,
      examples: [false],
    }),
    algorithms: list(
      'Algorithms that tokens may be signed with.',
      word('An algorithm (RFC 7518, RFC 8037).', jwtAlgorithms, { examples: ['RS256'] }),
      { min: 1, examples: [['RS256'], ['ES256', 'EdDSA']] },
    ),
    issuer: names('Issuers that tokens may have (iss). Without it any.', 'https://login.example.com/'),
    audience: names(
      'Whom tokens may be meant for (aud). Without it a token that names somebody is refused; "*" takes any.',
      'https://api.example.com',
    ),
    type: text('The type that tokens must have (typ), as at+jwt for access tokens (RFC 9068).', {
      optional: true,
      check: mediaType,
      examples: ['at+jwt'],
    }),
    expiry: word('Whether a token must have an end (exp).', ['required', 'optional'], {
      default: 'required',
      examples: ['required'],
    }),
    clockSkewSeconds: seconds("How far the issuer's clock may be from ours.", {
      default: 30,
      max: 600,
      examples: [30],
    }),
    requiredClaims: map(
      'What else a token must say, or 403. A value: the claim is it, or a list that has it; in scope and scp: one of the words.',
      claim('Name of a claim, or /one/inside/another.'),
      requirement,
      { default: {}, examples: [{ scope: 'orders:read', email_verified: true }] },
    ),
    consumerClaim: text('The claim that says which consumer the client is: see consumers.NAME.jwt.', {
      optional: true,
      check: claimName,
      examples: claimExamples,
    }),
    unknownConsumer: word(
      'What happens to a token that is about no consumer: 403, or it is let through.',
      ['refuse', 'admit'],
      {
        default: 'refuse',
        examples: ['refuse'],
      },
    ),
    forwardClaims: map(
      'Claims that the upstream gets in headers. No client can send these headers itself.',
      claim('Name of a claim, or /one/inside/another.'),
      text('Name of the header.', { check: requestHeaderName, examples: ['X-User-Id'] }),
      { default: {}, examples: [{ sub: 'X-User-Id' }] },
    ),
    header: text('The header that has the token. Without any place: Authorization, with Bearer before the token.', {
      optional: true,
      check: requestHeaderName,
      examples: ['X-Token'],
    }),
    query: text('The query parameter that has the token.', {
      optional: true,
      check: parameterName,
      examples: ['access_token'],
    }),
    cookie: text('The cookie that has the token.', { optional: true, check: cookieName, examples: ['session'] }),
    forward: flag('The upstream sees the token.', { default: false, examples: [false] }),
  },
  {
    optional: true,
    oneOf: ['jwks', 'jwksFile', 'keys'],
    examples: [
      {
        jwks: 'https://login.example.com/.well-known/jwks.json',
        algorithms: ['RS256'],
        issuer: 'https://login.example.com/',
        audience: 'https://api.example.com',
      },
    ],
  },
)

export const subjects = list(
  'Tokens that are about this consumer, by the value of the consumerClaim. Without it: by the name of the consumer.',
  either(
    'A value of the claim, or a mapping with subject and issuer.',
    'a text, or a mapping with subject and issuer',
    [
      {
        shape: object(
          'Of one issuer alone.',
          {
            subject: text('The value of the claim.', { check: oneLine, examples: ['auth0|5f7c8ec7'] }),
            issuer: text('The issuer of the token.', { check: oneLine, examples: ['https://login.example.com/'] }),
          },
          {},
        ),
        tell: 'map',
      },
      { shape: text('The value of the claim.', { check: oneLine, examples: ['auth0|5f7c8ec7'] }), tell: 'text' },
    ],
    {},
  ),
  { optional: true, min: 1, examples: [['auth0|5f7c8ec7']] },
)
