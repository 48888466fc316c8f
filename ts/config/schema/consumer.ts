// Consumers: who calls the gateway, and by which keys and passwords they are known. These are secrets: no error shows one.
import { apiKey, consumerName, instant, sha256, username } from '../formats.ts'
import { passwordHash } from '../password-hash.ts'
import { certificates } from './certificate.ts'
import { either, list, map, object, text } from '../shapes.ts'
import { ownQuota, ownRateLimit } from './limit.ts'
import { signing } from './signing.ts'
import { subjects } from './jwt.ts'

const keyForms = 'a text, or a mapping with key or sha256, and notAfter'

const key = either(
  'An API key: its text, or a mapping with more about it. The gateway keeps only its SHA-256.',
  keyForms,
  [
    {
      shape: object(
        'An API key with more about it.',
        {
          key: text('The key.', {
            optional: true,
            secret: true,
            orFile: true,
            check: apiKey,
            examples: ['${ALICE_KEY}'],
          }),
          sha256: text('SHA-256 of the key in hexadecimal, in place of the key itself.', {
            optional: true,
            secret: true,
            check: sha256,
            examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
          }),
          notAfter: text('From this moment on the key is refused.', {
            optional: true,
            check: instant,
            examples: ['2027-01-01T00:00:00Z'],
          }),
        },
        { oneOf: ['key', 'sha256'] },
      ),
      tell: 'map',
    },
    {
      shape: text('The key.', { secret: true, orFile: true, check: apiKey, examples: ['${ALICE_KEY}'] }),
      tell: 'text',
    },
  ],
  { secret: true, examples: ['${ALICE_KEY}'] },
)

const passwordForms = 'the text of a hash, or a mapping with hash, username and notAfter'
const hashExample = '$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'

const hash = text(
  'A hash by argon2id, argon2i or bcrypt, within bounds of what it may cost. `polygate key hash` makes one.',
  {
    secret: true,
    orFile: true,
    check: passwordHash,
    examples: [hashExample],
  },
)

const password = either(
  "A password for HTTP Basic: its hash alone, for the consumer's name, or a mapping with more about it.",
  passwordForms,
  [
    {
      shape: object(
        'A password with more about it.',
        {
          hash,
          username: text("Who sends it. Without it the consumer's name.", {
            optional: true,
            check: username,
            examples: ['alice'],
          }),
          notAfter: text('From this moment on the password is refused.', {
            optional: true,
            check: instant,
            examples: ['2027-01-01T00:00:00Z'],
          }),
        },
        {},
      ),
      tell: 'map',
    },
    { shape: hash, tell: 'text' },
  ],
  { secret: true, examples: [{ username: 'alice', hash: hashExample }] },
)

const consumer = object(
  'One of those who call the gateway.',
  {
    keys: list('API keys; several, so that one can be replaced by another.', key, {
      default: [],
      secret: true,
      examples: [['${ALICE_KEY}']],
    }),
    passwords: list('Passwords for HTTP Basic; several, so that one can be replaced by another.', password, {
      default: [],
      secret: true,
      examples: [[hashExample]],
    }),
    signing,
    jwt: subjects,
    certificates,
    rateLimit: ownRateLimit,
    quota: ownQuota,
    tags: list('Words by which consumers are grouped.', text('A word.', { check: consumerName, examples: ['gold'] }), {
      default: [],
      examples: [['gold']],
    }),
    metadata: map(
      'Whatever else is to be known of them.',
      text('A name.', { examples: ['team'] }),
      text('A value.', { examples: ['payments'] }),
      { default: {}, examples: [{ team: 'payments' }] },
    ),
  },
  { examples: [{ keys: ['${ALICE_KEY}'] }] },
)

export const consumers = map(
  'Who calls the gateway, by name. Upstreams read the name in X-Consumer-Name.',
  text('Name of a consumer.', { check: consumerName, examples: ['alice'] }),
  consumer,
  { default: {}, examples: [{ alice: { keys: ['${ALICE_KEY}'] } }] },
)
