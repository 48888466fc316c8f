// `cases.yaml`: what a plugin is tried with, and what must come of it, in the same words for every language. One
// description that gives the reader, its errors, and the JSON Schema of plugins/contract. Called by `polygate plugin`.
import { callResults, hookNames, type FailureCause } from '../../shared/plugin-hooks.ts'
import { parseConfigText } from '../document.ts'
import { headerName, headerValue, ipAddress, method, name } from '../formats.ts'
import { child, deepest, describe, itemsOf } from '../nodes.ts'
import { trailOf } from '../problems.ts'
import {
  any,
  either,
  list,
  map,
  ms,
  object,
  section,
  text,
  whole,
  word,
  type JsonValue,
  type ValueOf,
} from '../shapes.ts'
import { validate } from '../validate.ts'
import type { ConfigCheck } from './config-check.ts'

const aHeader = text('Name of a header.', { check: headerName, examples: ['x-greeting'] })
const aValue = text('A value.', { check: headerValue, examples: ['hello'] })

const headers = (about: string) =>
  map(
    about,
    aHeader,
    either(
      'A value or several.',
      'a text, or a list of texts',
      [
        { shape: aValue, tell: 'text' },
        { shape: list('One line each.', aValue, { min: 1, examples: [['a', 'b']] }), tell: 'list' },
      ],
      { examples: ['hello', ['a', 'b']] },
    ),
    { default: {}, examples: [{ 'x-greeting': 'hello' }] },
  )

const without = list('Headers that are not there.', aHeader, { default: [], examples: [['x-internal']] })
const aBody = text('The body, as UTF-8.', { optional: true, examples: ['blocked'] })
const aStatus = whole('The status.', { optional: true, min: 200, max: 599, examples: [403] })

const request = section('What the client sends.', {
  method: text('The method.', { default: 'GET', check: method, examples: ['POST'] }),
  path: text('The path, with a query where it has one.', { default: '/', check: target, examples: ['/orders?id=7'] }),
  headers: headers('Its headers; without a host it is gateway.example.'),
  body: text('The body, as UTF-8.', { default: '', examples: ['{"id":7}'] }),
  address: text('The address of the client.', { default: '127.0.0.1', check: ipAddress, examples: ['10.0.0.7'] }),
  scheme: word('How it came.', ['http', 'https'], { default: 'http', examples: ['https'] }),
})

const replyKeys = {
  status: whole('The status.', { default: 200, min: 200, max: 599, examples: [404] }),
  headers: headers('Its headers.'),
  body: text('The body, as UTF-8.', { default: '', examples: ['{"id":7}'] }),
}

const reply = section('What the upstream answers.', replyKeys)

const asked = map(
  'What upstreams answer when the plugin asks them by itself (`host.fetch`), by name. Of others there is no answer.',
  text('Name of an upstream.', { check: name, examples: ['legacy'] }),
  object('What it answers.', replyKeys, { examples: [{ status: 200, body: '{"user":"alice"}' }] }),
  { default: {}, examples: [{ legacy: { status: 200, body: '{"user":"alice"}' } }] },
)

const forwards = either(
  'What the upstream gets. What is not named may be anything; `nothing`: it gets no request.',
  'nothing, or a mapping with method, path, headers, without, body, upstream',
  [
    { shape: word('The upstream gets no request.', ['nothing'], { examples: ['nothing'] }), tell: 'text' },
    {
      shape: object(
        'Of the request.',
        {
          method: text('The method.', { optional: true, check: method, examples: ['POST'] }),
          path: text('The path, with its query.', { optional: true, check: target, examples: ['/orders?id=7'] }),
          headers: headers('Headers with all their values.'),
          without,
          body: aBody,
          upstream: text('The upstream.', { optional: true, check: name, examples: ['other'] }),
        },
        { examples: [{ headers: { 'x-greeting': 'hello' } }] },
      ),
      tell: 'map',
    },
  ],
  { optional: true, examples: [{ headers: { 'x-greeting': 'hello' } }, 'nothing'] },
)

const answers = object(
  'What the client gets. What is not named may be anything.',
  { status: aStatus, headers: headers('Headers with all their values.'), without, body: aBody },
  { optional: true, examples: [{ status: 403, body: 'blocked' }] },
)

const failureCauses = callResults.filter(
  (result): result is FailureCause => result !== 'continued' && result !== 'responded',
)

const fails = object(
  'A call of the plugin fails. Without this none may.',
  {
    hook: word('The hook that fails.', hookNames, { optional: true, examples: ['request'] }),
    cause: word(
      'How. error: it threw, or said that it fails; timeout: no answer in time; invalid: it wants what HTTP or the contract forbids; lost: its thread or process has died.',
      failureCauses,
      { optional: true, examples: ['error'] },
    ),
    reason: text('A part of what the log says.', { optional: true, examples: ['no token'] }),
  },
  { optional: true, examples: [{ hook: 'request', cause: 'error' }] },
)

const config = any('What the plugin is told.', { default: {}, examples: [{ greeting: 'hello' }] })

const oneCase = object(
  'A request, and what comes of it. Each case has an instance of the plugin of its own.',
  {
    name: text('What it shows.', { check: line, examples: ['greets the upstream'] }),
    config: any('What the plugin is told, in place of what holds for all cases.', {
      optional: true,
      examples: [{ greeting: 'hi' }],
    }),
    request,
    consumer: text('Who the route’s guards have found the client to be.', {
      optional: true,
      check: name,
      examples: ['alice'],
    }),
    reply,
    asked,
    expect: object(
      'What comes of it.',
      {
        forwards,
        answers,
        fails,
        logs: list('Parts of lines that the plugin logs.', text('A part of a line.', { examples: ['greeted'] }), {
          default: [],
          examples: [['greeted']],
        }),
      },
      { examples: [{ forwards: { headers: { 'x-greeting': 'hello' } } }] },
    ),
  },
  { examples: [{ name: 'greets', expect: { forwards: { headers: { 'x-greeting': 'hello' } } } }] },
)

const names = (about: string, example: string) =>
  list(about, text('A name.', { check: name, examples: [example] }), { default: [], examples: [[example]] })

export const casesShape = object(
  'Cases of a Polygate plugin.',
  {
    config,
    timeoutMs: ms('A call may take so long.', { default: 1000, max: 60_000, examples: [100] }),
    upstreams: names('Upstreams that the plugin may choose, beside that of the route, `upstream`.', 'other'),
    consumers: names('Consumers that the plugin may name.', 'alice'),
    cases: list('The cases.', oneCase, { min: 1, examples: [[{ name: 'greets', expect: {} }]] }),
  },
  {},
)

export type Cases = ValueOf<typeof casesShape>

export interface Case extends Omit<Cases['cases'][number], 'config'> {
  readonly config: JsonValue
  /** `file:line:col`. */
  readonly place: string
}

export interface CaseList extends Omit<Cases, 'cases' | 'config'> {
  readonly cases: readonly Case[]
}

/** Throws ConfigErrors with every error of the file. It reads no environment: a case is the same everywhere. */
export function readCases(content: string, file: string, check: ConfigCheck): CaseList {
  const { root, problems, position } = parseConfigText(content, file, {})
  if (root?.kind !== 'map') {
    if (!problems.any) {
      const found = root === null ? 'an empty file' : describe(root)
      problems.add(root?.offset ?? 0, null, `found ${found}, expected a mapping with cases`)
    }
    problems.throwIfAny()
    throw new TypeError('a document without root has a problem')
  }
  const { cases, config: common, ...rest } = validate(casesShape, root, problems, isIgnoredKey)
  problems.throwIfAny()
  const first = new Map<string, number>()
  const placed = cases.map((one, at): Case => {
    const node = itemsOf(child(root, 'cases'))[at]!
    const before = first.get(one.name)
    if (before === undefined) first.set(one.name, at)
    else problems.add(node.offset, trailOf('cases', at, 'name'), `cases[${before}] has this name already`)
    const config = one.config ?? common
    const wrong = check(config)
    if (wrong !== null) {
      const keys = ['config', ...wrong.keys]
      const [from, above] = one.config === null ? [root, []] : [node, ['cases', at]]
      problems.add(deepest(from, keys).offset, trailOf(...above, ...keys), wrong.message)
    }
    const { line, col } = position(node.offset)
    return { ...one, config, place: `${file}:${line}:${col}` }
  })
  problems.throwIfAny()
  return { ...rest, cases: placed }
}

const isIgnoredKey = (key: string): boolean => key === '$schema' || key.startsWith('x-')

function target(found: string): string | null {
  return /^\/[!-"$-~]*$/.test(found)
    ? null
    : 'a path that begins with /, and what is no printable ASCII percent-encoded'
}

function line(found: string): string | null {
  return /^[^\0-\x1f]{1,200}$/.test(found) ? null : 'a text of one line, of at most 200 characters'
}
