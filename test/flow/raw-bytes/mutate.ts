// Seeded random mutations of raw requests: bytes changed, cut, doubled, and the tokens put in that smuggling is made
// of. The same seed gives the same byte strings. Called by fuzz.test.ts.

import type { Random } from '../../helpers/random.ts'

const tokens = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '\t',
    '\x0b',
    ':',
    ';',
    ',',
    '"',
    '\x7f',
    '\xff',
    '0',
    '9',
    'f',
    '-',
    '+',
    '\r\n\r\n',
    '\n\n',
  ],
  ...[
    'Content-Length: 5\r\n',
    'Content-Length: 0\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: identity\r\n',
  ],
  ...[
    'Content-Length',
    'Transfer-Encoding',
    'chunked',
    'Host: other\r\n',
    'Connection: close\r\n',
    'Connection: content-length\r\n',
  ],
  ...[
    'Expect: 100-continue\r\n',
    'Upgrade: h2c\r\n',
    '0\r\n\r\n',
    '5\r\nhello\r\n',
    'ffffffffffffffff\r\n',
    ' HTTP/1.1\r\n',
    ' HTTP/1.0\r\n',
  ],
  ...['GET /inner HTTP/1.1\r\nHost: inner\r\n\r\n', 'HEAD', 'POST', 'http://other/', '%0d%0a', '\r\n ', ': \r\n'],
]

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

type Mutation = (raw: string, random: Random, seeds: readonly string[]) => string

const cut = (raw: string, random: Random): [start: number, end: number] => {
  const start = Math.floor(random() * (raw.length + 1))
  const longest = random() < 0.7 ? 4 : 40
  return [start, Math.min(raw.length, start + 1 + Math.floor(random() * longest))]
}

const mutations: readonly Mutation[] = [
  (raw, random) => {
    const [start] = cut(raw, random)
    return raw.slice(0, start) + pick(random, tokens) + raw.slice(start)
  },
  (raw, random) => {
    const [start, end] = cut(raw, random)
    return raw.slice(0, start) + pick(random, tokens) + raw.slice(end)
  },
  (raw, random) => {
    const [start, end] = cut(raw, random)
    return raw.slice(0, start) + raw.slice(end)
  },
  (raw, random) => {
    const [start, end] = cut(raw, random)
    return raw.slice(0, end) + raw.slice(start)
  },
  (raw, random) => {
    const [start] = cut(raw, random)
    return raw.slice(0, start) + String.fromCharCode(Math.floor(random() * 256)) + raw.slice(start + 1)
  },
  // A whole line doubled, moved to another place, or taken out: repeated and reordered fields.
  (raw, random) => {
    const lines = raw.split('\r\n')
    const line = pick(random, lines)
    lines.splice(Math.floor(random() * lines.length), random() < 0.5 ? 0 : 1, line)
    return lines.join('\r\n')
  },
  (raw, random, seeds) => {
    const [start] = cut(raw, random)
    const other = pick(random, seeds)
    const [from] = cut(other, random)
    return raw.slice(0, start) + other.slice(from)
  },
  (raw, random, seeds) => raw + pick(random, seeds),
]

/** One to four mutations of one of the seeds. */
export function mutate(random: Random, seeds: readonly string[]): string {
  let raw = pick(random, seeds)
  const times = 1 + Math.floor(random() * 4)
  for (let i = 0; i < times; i++) raw = pick(random, mutations)(raw, random, seeds)
  return raw
}
