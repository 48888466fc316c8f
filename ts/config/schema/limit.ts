// Limits: those that are guards of a route, those that a consumer has of its own, and where they are counted.
import { limitedBy, period } from '../formats.ts'
import { object, section, text, whole, word } from '../shapes.ts'

const onFailure = word(
  'What happens to a request that cannot be counted: 503, or it is let through.',
  ['closed', 'open'],
  {
    default: 'closed',
    examples: ['closed'],
  },
)

const by = (byDefault: string) =>
  text(
    'Who has the limit to himself: address (IPv6 by /64), consumer, key (each credential of a consumer), route (all together), or header:NAME.',
    {
      default: byDefault,
      check: limitedBy,
      examples: ['consumer', 'header:x-team'],
    },
  )

const rate = {
  limit: whole('Requests in a period.', { min: 1, max: 1_000_000_000, examples: [100] }),
  per: text('The period: a number and s, m or h.', { check: period, examples: ['1s', '10s', '1m', '1h'] }),
  burst: whole('Requests at once after a rest. Without it the limit.', {
    optional: true,
    min: 1,
    max: 1_000_000_000,
    examples: [20],
  }),
}

const amount = {
  limit: whole('Requests in a period.', { min: 1, max: 68_719_476_735, examples: [10000] }),
  per: word('The period.', ['hour', 'day', 'month'], { examples: ['day', 'month'] }),
}

export const rateLimit = object(
  'So many requests a period, evenly: what is over gets 429. Exact over all workers; limits by the same are decided together.',
  { ...rate, by: by('address'), onFailure },
  { optional: true, examples: [{ limit: 100, per: '1s', by: 'consumer' }] },
)

export const quota = object(
  'So many requests in a calendar period (UTC): what is over gets 429 until the next.',
  { ...amount, by: by('consumer'), onFailure },
  { optional: true, examples: [{ limit: 100000, per: 'month' }] },
)

export const concurrency = object(
  'So many requests in flight at once, over all workers: what is over gets 429. A WebSocket counts for as long as it lives.',
  {
    limit: whole('Requests at once.', { min: 1, max: 65_535, examples: [10] }),
    by: by('address'),
    onFailure,
  },
  { optional: true, examples: [{ limit: 10, by: 'consumer' }] },
)

export const ownRateLimit = object(
  "The consumer's own rate, over all routes whose guards say who it is, in the place of their rate limits by consumer.",
  { ...rate, onFailure },
  { optional: true, examples: [{ limit: 1000, per: '1s' }] },
)

export const ownQuota = object(
  "The consumer's own quota, over all routes whose guards say who it is, in the place of their quotas by consumer.",
  { ...amount, onFailure },
  { optional: true, examples: [{ limit: 1000000, per: 'month' }] },
)

export const counting = section(
  'The file in which limits and replay windows are counted. Another size needs a restart, and counts begin anew.',
  {
    file: text('The file; gateways that name the same one share its counts. Without it one in the state folder.', {
      optional: true,
      examples: ['./limits'],
    }),
    keys: whole('Keys that can be counted at once, over all limits: about 145 bytes each.', {
      default: 100_000,
      min: 100,
      max: 100_000_000,
      examples: [100_000],
    }),
    replays: whole('Values that replay windows can remember at once: 17 bytes each.', {
      default: 1_000_000,
      min: 1000,
      max: 1_000_000_000,
      examples: [1_000_000],
    }),
  },
)
