// Errors in limits: concurrency limits, limits by key, those of consumers, and the file in which they are counted.
import { badConfigurations } from './bad-configurations.ts'

const withGuards = (...guards: string[]): string => `listen: [{ port: 8080 }]
consumers: { alice: { keys: [ alice-key-1 ] } }
routes:
  - name: a
    match: {}
    respond: {}
    guards:
${guards.map(guard => `      - ${guard}`).join('\n')}`

badConfigurations([
  {
    title: 'concurrency limits that are none',
    text: withGuards(
      'concurrency: {}',
      'concurrency: 10',
      'concurrency: { limit: 0 }',
      'concurrency: { limit: 65536, by: route }',
      'concurrency: { limit: 1, by: "header:x", per: 1s }',
      'concurrency: { limit: 1, by: nobody }',
    ),
    errors: [
      '8:22 routes[0].guards[0].concurrency: limit is missing (Requests at once)',
      '9:22 routes[0].guards[1].concurrency: found number 10, expected a mapping with limit, by, onFailure',
      '10:9 routes[0].guards[2].concurrency: a second concurrency limit by address, expected one',
      '10:31 routes[0].guards[2].concurrency.limit: found number 0, expected a whole number from 1 to 65535',
      '11:31 routes[0].guards[3].concurrency.limit: found number 65536, expected a whole number from 1 to 65535',
      '12:50 routes[0].guards[4].concurrency.per: unknown key, expected one of limit, by, onFailure',
      '13:38 routes[0].guards[5].concurrency.by: found "nobody", expected address, consumer, key, route, or header: and the name of one',
    ],
  },
  {
    title: 'two concurrency limits by the same, and limits by a credential that nobody has asked for',
    text: withGuards(
      'concurrency: { limit: 1 }',
      'concurrency: { limit: 2, by: address }',
      'concurrency: { limit: 2, by: key }',
      'rateLimit: { limit: 2, per: 1s, by: key }',
      'key: { header: apikey }',
      'concurrency: { limit: 2, by: consumer }',
      'concurrency: { limit: 2, by: "header:X-Team" }',
      'concurrency: { limit: 2, by: "header:x-team" }',
    ),
    errors: [
      '9:9 routes[0].guards[1].concurrency: a second concurrency limit by address, expected one',
      '10:9 routes[0].guards[2].concurrency.by: by key, and no guard before it says who that is',
      '11:9 routes[0].guards[3].rateLimit.by: by key, and no guard before it says who that is',
      '15:9 routes[0].guards[7].concurrency: a second concurrency limit by header:x-team, expected one',
    ],
  },
  {
    title: 'limits by more things than one request can be counted by',
    text: withGuards(
      ...['address', 'route', 'header:a', 'header:b', 'header:c', 'header:d', 'header:e', 'header:f'].map(
        by => `rateLimit: { limit: 1, per: 1s, by: "${by}" }`,
      ),
    ),
    errors: ['14:9 routes[0].guards[6].rateLimit: limits by more than 6 things, expected fewer'],
  },
  {
    title: "a consumer's own limits that are none",
    text: `listen: [{ port: 8080 }]
consumers:
  alice: { rateLimit: { limit: 1, per: 1s, by: address }, quota: { limit: 0, per: day } }
  bob: { rateLimit: { limit: 1, per: 24h, burst: 1000 }, quota: { limit: 1, per: 1s } }
  carol: { rateLimit: 5, quota: {}, concurrency: { limit: 1 } }`,
    errors: [
      '3:44 consumers.alice.rateLimit.by: unknown key, expected one of limit, per, burst, onFailure',
      '3:75 consumers.alice.quota.limit: found number 0, expected a whole number from 1 to 68719476735',
      '4:21 consumers.bob.rateLimit.burst: found a burst that takes more than a year to fill again, expected a smaller one',
      '4:82 consumers.bob.quota.per: found "1s", expected one of hour, day, month',
      '5:23 consumers.carol.rateLimit: found number 5, expected a mapping with limit, per, burst, onFailure',
      '5:33 consumers.carol.quota: limit is missing (Requests in a period)',
      '5:33 consumers.carol.quota: per is missing (The period)',
      '5:37 consumers.carol.concurrency: unknown key, expected one of keys, passwords, signing, jwt, certificates, rateLimit, quota, tags, metadata',
    ],
  },
  {
    title: 'a file that could count nothing',
    text: `listen: [{ port: 8080 }]
counting: { file: 5, keys: 99, replays: 10, size: 1 }`,
    errors: [
      '2:19 counting.file: found number 5, expected a text; put it in quotes',
      '2:28 counting.keys: found number 99, expected a whole number from 100 to 100000000',
      '2:41 counting.replays: found number 10, expected a whole number from 1000 to 1000000000',
      '2:45 counting.size: unknown key, expected one of file, keys, replays',
    ],
  },
])
