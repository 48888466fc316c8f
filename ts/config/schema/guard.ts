// Guards of a route: checks that a request must pass, in the order of the list.
import { cookieName, parameterName, requestHeaderName } from '../formats.ts'
import { list, object, text } from '../shapes.ts'

const key = object(
  'The client sends an API key of a consumer, in exactly one place. The upstream does not see it, and gets X-Consumer-Name.',
  {
    header: text('Name of the header.', { optional: true, check: requestHeaderName, examples: ['apikey'] }),
    query: text('Name of the query parameter.', { optional: true, check: parameterName, examples: ['apikey'] }),
    cookie: text('Name of the cookie.', { optional: true, check: cookieName, examples: ['apikey'] }),
  },
  { optional: true, oneOf: ['header', 'query', 'cookie'], examples: [{ header: 'apikey' }] },
)

const guard = object('One check.', { key }, { oneOf: ['key'], examples: [{ key: { header: 'apikey' } }] })

export const guards = list('Checks that a request must pass, in this order; the first that refuses answers.', guard, {
  default: [],
  examples: [[{ key: { header: 'apikey' } }]],
})
