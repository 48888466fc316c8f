// Guards of a route: checks that a request must pass, in the order of the list.
import { cidr, cookieName, parameterName, realm, requestHeaderName } from '../formats.ts'
import { list, object, text } from '../shapes.ts'
import { concurrency, quota, rateLimit } from './limit.ts'
import { signature } from './signing.ts'
import { jwt } from './jwt.ts'
import { clientCertificate } from './certificate.ts'

const key = object(
  'The client sends an API key of a consumer, in exactly one place. The upstream does not see it, and gets X-Consumer-Name.',
  {
    header: text('Name of the header.', { optional: true, check: requestHeaderName, examples: ['apikey'] }),
    query: text('Name of the query parameter.', { optional: true, check: parameterName, examples: ['apikey'] }),
    cookie: text('Name of the cookie.', { optional: true, check: cookieName, examples: ['apikey'] }),
  },
  { optional: true, oneOf: ['header', 'query', 'cookie'], examples: [{ header: 'apikey' }] },
)

const basic = object(
  'The client sends username and password of a consumer (HTTP Basic, RFC 7617). The upstream sees neither, and gets X-Consumer-Name.',
  { realm: text('What browsers show when they ask.', { default: 'polygate', check: realm, examples: ['Shop'] }) },
  { optional: true, examples: [{ realm: 'Shop' }] },
)

const blocks = (about: string, example: string) =>
  list(about, text('An address or a block of them.', { check: cidr, examples: [example] }), {
    optional: true,
    min: 1,
    examples: [[example]],
  })

const ipAllow = blocks('Only clients with these addresses are let in: others get 403.', '10.0.0.0/8')

const ipDeny = blocks('Clients with these addresses get 403.', '203.0.113.0/24')

/** Guards that look at the request alone and count nothing, so that one of several can do. */
const lookers = { ipAllow, ipDeny, key, basic, signature, jwt, clientCertificate }
const lookerNames = ['ipAllow', 'ipDeny', 'key', 'basic', 'signature', 'jwt', 'clientCertificate'] as const

const allOf = list(
  'Guards all of which must let the request in.',
  object('One of them.', lookers, { oneOf: [...lookerNames], examples: [{ key: { header: 'apikey' } }] }),
  { optional: true, min: 1, examples: [[{ ipAllow: ['10.0.0.0/8'] }, { key: { header: 'apikey' } }]] },
)

const anyOf = list(
  'Guards one of which must let the request in; they are tried in this order. What limits count goes beside it.',
  object(
    'One of them.',
    { ...lookers, allOf },
    { oneOf: [...lookerNames, 'allOf'], examples: [{ key: { header: 'apikey' } }] },
  ),
  { optional: true, min: 1, examples: [[{ ipAllow: ['10.0.0.0/8'] }, { key: { header: 'apikey' } }]] },
)

/** Guards that count. */
const limits = { rateLimit, quota, concurrency }
const limitNames = ['rateLimit', 'quota', 'concurrency'] as const

const guard = object(
  'One check.',
  { ...lookers, ...limits, anyOf, allOf },
  {
    oneOf: [...lookerNames, ...limitNames, 'anyOf', 'allOf'],
    examples: [{ key: { header: 'apikey' } }],
  },
)

export const guards = list('Checks that a request must pass, in this order; the first that refuses answers.', guard, {
  default: [],
  examples: [[{ key: { header: 'apikey' } }, { rateLimit: { limit: 100, per: '1s', by: 'consumer' } }]],
})
