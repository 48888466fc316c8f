// Guards of a route: checks that a request must pass, in the order of the list.
import { cidr, cookieName, limitedBy, parameterName, period, requestHeaderName } from '../formats.ts'
import { list, object, text, whole, word } from '../shapes.ts'

const key = object(
  'The client sends an API key of a consumer, in exactly one place. The upstream does not see it, and gets X-Consumer-Name.',
  {
    header: text('Name of the header.', { optional: true, check: requestHeaderName, examples: ['apikey'] }),
    query: text('Name of the query parameter.', { optional: true, check: parameterName, examples: ['apikey'] }),
    cookie: text('Name of the cookie.', { optional: true, check: cookieName, examples: ['apikey'] }),
  },
  { optional: true, oneOf: ['header', 'query', 'cookie'], examples: [{ header: 'apikey' }] },
)

const onFailure = word(
  'What happens to a request that cannot be counted: 503, or it is let through.',
  ['closed', 'open'],
  {
    default: 'closed',
    examples: ['closed'],
  },
)

const by = (byDefault: string) =>
  text('Who has the limit to himself: address (IPv6 by /64), consumer, route (all together), or header:NAME.', {
    default: byDefault,
    check: limitedBy,
    examples: ['consumer', 'header:x-team'],
  })

export const rateLimit = object(
  'So many requests a period, evenly: what is over gets 429. Exact over all workers; limits by the same are decided together.',
  {
    limit: whole('Requests in a period.', { min: 1, max: 1_000_000_000, examples: [100] }),
    per: text('The period: a number and s, m or h.', { check: period, examples: ['1s', '10s', '1m', '1h'] }),
    burst: whole('Requests at once after a rest. Without it the limit.', {
      optional: true,
      min: 1,
      max: 1_000_000_000,
      examples: [20],
    }),
    by: by('address'),
    onFailure,
  },
  { optional: true, examples: [{ limit: 100, per: '1s', by: 'consumer' }] },
)

export const quota = object(
  'So many requests in a calendar period (UTC): what is over gets 429 until the next.',
  {
    limit: whole('Requests in a period.', { min: 1, max: 68_719_476_735, examples: [10000] }),
    per: word('The period.', ['hour', 'day', 'month'], { examples: ['day', 'month'] }),
    by: by('consumer'),
    onFailure,
  },
  { optional: true, examples: [{ limit: 100000, per: 'month' }] },
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
const lookers = { ipAllow, ipDeny, key }
const lookerNames = ['ipAllow', 'ipDeny', 'key'] as const

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

const guard = object(
  'One check.',
  { ...lookers, rateLimit, quota, anyOf, allOf },
  {
    oneOf: [...lookerNames, 'rateLimit', 'quota', 'anyOf', 'allOf'],
    examples: [{ key: { header: 'apikey' } }],
  },
)

export const guards = list('Checks that a request must pass, in this order; the first that refuses answers.', guard, {
  default: [],
  examples: [[{ key: { header: 'apikey' } }, { rateLimit: { limit: 100, per: '1s', by: 'consumer' } }]],
})
