// `polygate plugin test`: each word of a case is compared with what the host has made of the request, by the host that a
// gateway has, for each runtime; a plugin that ends its process or never returns fails its own case alone; errors of the
// files name their place. The probe of the contract suite does what the header x-probe says.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import { probeFor, runtimes, type Runtime } from '../contract/runtimes.ts'
import { polygate, temporaryFolder, type Outcome } from './polygate.ts'

interface Result {
  readonly passed: number
  readonly failed: number
  readonly cases: readonly {
    readonly name: string
    readonly differences: readonly { readonly at: string; readonly expected: string; readonly found: string }[]
    readonly logs: readonly string[]
  }[]
}

/** Runs cases, given as they are written. */
async function run(folder: string, cases: object, more: readonly string[] = []): Promise<Outcome> {
  const file = join(folder, 'these.yaml')
  writeFileSync(file, stringify(cases))
  return polygate(['plugin', 'test', folder, '--cases', file, ...more], folder)
}

async function resultOf(folder: string, cases: object): Promise<Result> {
  const { output, errors } = await run(folder, cases, ['--format', 'json'])
  assert.match(output, /^\{/, errors)
  return JSON.parse(output) as Result
}

const probe = (what: string, more: Record<string, string> = {}): object => ({
  headers: { 'x-probe': what, 'x-probe-consumer': 'alice', ...more },
})

const common = { config: { name: 'first' }, consumers: ['alice', 'bob'], upstreams: ['other'] }

/** What every runtime can do, and what the file says of it. */
const passing = [
  {
    name: 'edits',
    request: probe('edit', { 'x-repeated': 'one', 'x-gone': '1' }),
    expect: {
      forwards: {
        method: 'GET',
        path: '/',
        upstream: 'upstream',
        headers: { 'x-set': 'one', 'x-repeated': ['one', 'third'], 'x-consumer-name': 'alice' },
        without: ['x-gone'],
      },
      answers: { status: 200, body: '' },
    },
  },
  {
    name: 'the target',
    request: { ...probe('target'), method: 'POST', path: '/a?x=y', body: 'text' },
    expect: { forwards: { method: 'PUT', path: '/other/path?a=b', body: 'text' } },
  },
  {
    name: 'what it sees',
    request: {
      ...probe('see', { 'x-probe-at': 'forward', host: 'a.example' }),
      path: '/p?q=1',
      scheme: 'https',
      address: '10.0.0.7',
    },
    expect: {
      forwards: { headers: { 'x-seen': 'GET https a.example /p q=1 10.0.0.7', 'x-forwarded-proto': 'https' } },
    },
  },
  {
    name: 'a body in place of the body',
    request: { ...probe('body'), method: 'POST', body: 'text' },
    expect: { forwards: { body: 'text!', headers: { 'content-length': '5' } } },
  },
  {
    name: 'a body that is too long',
    request: { ...probe('body'), body: 'x'.repeat(5000) },
    expect: { forwards: 'nothing', answers: { status: 413 } },
  },
  {
    name: 'an answer',
    request: probe('respond'),
    expect: {
      forwards: 'nothing',
      answers: { status: 418, headers: { 'set-cookie': ['a=1', 'b=2'] }, body: 'a teapot' },
    },
  },
  { name: 'another upstream', request: probe('upstream'), expect: { forwards: { upstream: 'other' } } },
  {
    name: 'the reply',
    request: probe('reply'),
    reply: { status: 404, headers: { 'content-type': 'text/plain', 'x-upstream': 'u' }, body: 'gone' },
    expect: {
      answers: { status: 404, headers: { 'x-reply': '404 text/plain' }, without: ['x-upstream'], body: 'gone' },
    },
  },
  {
    name: 'the body of the reply',
    request: probe('reply body'),
    reply: { body: 'small' },
    expect: { answers: { body: 'SMALL' } },
  },
  { name: 'nobody', request: { headers: {} }, expect: { forwards: 'nothing', answers: { status: 401 } } },
  {
    name: 'nobody known',
    request: probe('none', { 'x-probe-consumer': 'mallory' }),
    expect: { answers: { status: 401 } },
  },
  {
    name: 'somebody else than the guards say',
    consumer: 'bob',
    request: probe('none'),
    expect: { answers: { status: 401 } },
  },
  {
    name: 'a failure',
    request: probe('throw'),
    expect: { fails: { hook: 'request', cause: 'error', reason: 'thrown by the probe' }, answers: { status: 500 } },
  },
  {
    name: 'an edit that is none',
    request: probe('framing'),
    expect: { fails: { cause: 'invalid' }, forwards: 'nothing' },
  },
  { name: 'its log', request: probe('none', { 'x-probe-log': '1' }), expect: { logs: ['seen by the probe'] } },
  {
    name: 'its configuration',
    config: { name: 'second' },
    request: probe('name'),
    expect: { forwards: { headers: { 'x-name': 'second' } } },
  },
]

for (const runtime of runtimes) describe(`cases: ${runtime.name}`, () => suite(runtime))

function suite(runtime: Runtime): void {
  test('what comes of a request is what a gateway would make of it', async context => {
    // What an edit breaks is found by native code itself when it makes it.
    const cases = passing.map(one =>
      one.name === 'an edit that is none' && !runtime.name.startsWith('js')
        ? { ...one, expect: { fails: {}, forwards: 'nothing' } }
        : one,
    )
    const { status, output, errors } = await run(probeFor(context, runtime), { ...common, cases })
    assert.deepEqual([status, errors], [0, ''], output)
    assert.equal(output, `${cases.map(({ name }) => `ok    ${name}\n`).join('')}${cases.length} passed, 0 failed\n`)
  })

  test('a request that there cannot be', async context => {
    const cases = [{ name: 'none', request: { headers: { 'content-length': 'x' } }, expect: {} }]
    const [result] = (await resultOf(probeFor(context, runtime), { ...common, cases })).cases
    assert.deepEqual(result?.differences, [
      {
        at: 'request',
        expected: 'an answer',
        found: 'a gateway takes no such request: the Content-Length is not one number',
      },
    ])
  })
}

const inline = runtimes.find(({ name }) => name === 'js inline')!
const worker = runtimes.find(({ name }) => name === 'js worker')!
const rust = runtimes.find(({ name }) => name === 'rust')!

test('how what came differs from what was expected, and status 1', async context => {
  const { status, output } = await run(probeFor(context, inline), {
    ...common,
    cases: [
      {
        name: 'all of it',
        request: { ...probe('edit', { 'x-probe-log': '1' }), body: 'sent' },
        expect: {
          forwards: {
            method: 'POST',
            path: '/a',
            headers: { 'x-set': ['one', 'two'] },
            without: ['X-Set'],
            body: '',
            upstream: 'other',
          },
          answers: { status: 201, body: 'a\nb', headers: { 'x-none': 'a' } },
          fails: { hook: 'request', cause: 'timeout', reason: 'late' },
          logs: ['another line'],
        },
      },
      { name: 'fails', request: probe('throw'), expect: { answers: { status: 200 } } },
      { name: 'forwards', request: probe('none'), expect: { forwards: 'nothing' } },
      { name: 'does not', request: probe('respond'), expect: { forwards: {} } },
      { name: 'is right', request: probe('none'), expect: {} },
    ],
  })
  assert.equal(status, 1)
  const text = output
    .replaceAll(/\S*these\.yaml:/g, 'these.yaml:')
    .replaceAll(/[^\s(]*plugin\.ts:\d+:\d+/g, 'plugin.ts')
  assert.equal(
    text,
    `FAIL  all of it  these.yaml:9:5
      fails
        - timeout at request: late
        + nothing
      forwards.method
        - "POST"
        + "GET"
      forwards.path
        - "/a"
        + "/"
      forwards.upstream
        - "other"
        + "upstream"
      forwards.headers.x-set
        - "one", "two"
        + "one"
      forwards.without X-Set
        - nothing
        + "one"
      forwards.body
        - ""
        + "sent"
      answers.status
        - 201
        + 200
      answers.headers.x-none
        - "a"
        + nothing
      answers.body
        - "a\\nb"
        + ""
      logs
        - another line
        + info: seen by the probe path="/"
      info: seen by the probe path="/"
FAIL  fails  these.yaml:41:5
      fails
        - nothing
        + error at request: Error: thrown by the probe
        +     at act (plugin.ts)
        +     at Object.request (plugin.ts)
      answers.status
        - 200
        + 500
FAIL  forwards  these.yaml:49:5
      forwards
        - nothing
        + GET /
FAIL  does not  these.yaml:56:5
      forwards
        - a request
        + nothing
ok    is right
1 passed, 4 failed
`,
  )
})

test('a hook that never returns, and one that ends the process, cost their own cases', async context => {
  const cases = (cause: string): object => ({
    ...common,
    timeoutMs: 200,
    cases: ['loop', 'exit', 'edit'].map(what => ({
      name: what,
      request: probe(what),
      expect: what === 'edit' ? {} : { fails: { cause } },
    })),
  })
  const [inlined, threaded] = await Promise.all([
    run(probeFor(context, inline), cases('lost')),
    run(probeFor(context, worker), {
      ...cases(''),
      cases: [
        { name: 'loop', request: probe('loop'), expect: { fails: { cause: 'timeout' }, answers: { status: 504 } } },
        { name: 'exit', request: probe('exit'), expect: { fails: { cause: 'lost' }, answers: { status: 500 } } },
        { name: 'never', request: probe('never'), expect: { fails: { cause: 'timeout', hook: 'request' } } },
      ],
    }),
  ])
  assert.equal(inlined.output, 'ok    loop\nok    exit\nok    edit\n3 passed, 0 failed\n', inlined.errors)
  assert.equal(threaded.output, 'ok    loop\nok    exit\nok    never\n3 passed, 0 failed\n', threaded.errors)
  const told = await resultOf(probeFor(context, inline), {
    ...common,
    cases: [{ name: 'exit', request: probe('exit'), expect: { answers: { status: 200 } } }],
  })
  assert.match(
    told.cases[0]!.differences[0]!.found,
    /^lost: the process has ended \(status 3\): in a gateway that costs a worker/,
  )
})

test('a plugin that cannot be made says why, and the next case goes on', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(
    join(folder, 'plugin.js'),
    "export default config => {\n  if (config.no) throw new Error('no way')\n  return { request() {} }\n}\n",
  )
  for (const isolation of ['inline', 'worker']) {
    writeFileSync(
      join(folder, 'plugin.yaml'),
      `name: p\nversion: 1.0.0\nruntime: js\nisolation: ${isolation}\nentry: ./plugin.js\nhooks: [request]\n`,
    )
    const { cases } = await resultOf(folder, {
      cases: [
        { name: 'no', config: { no: true }, expect: {} },
        { name: 'yes', expect: {} },
      ],
    })
    assert.match(cases[0]!.differences[0]!.found, /no way\n.*plugin\.js:2:24/)
    assert.deepEqual(cases[1]!.differences, [])
  }
})

test('a panic of native code is its failure', async context => {
  const { status, output } = await run(probeFor(context, rust), {
    ...common,
    cases: [{ name: 'panics', request: probe('panic'), expect: { fails: { reason: 'the probe of first panics' } } }],
  })
  assert.equal(status, 0, output)
})

test('wrong cases are named with their place, before anything runs', async context => {
  const folder = probeFor(context, inline)
  const wrong = async (text: string): Promise<string> => {
    writeFileSync(join(folder, 'cases.yaml'), text)
    const { status, output, errors } = await polygate(['plugin', 'test', '.'], folder)
    assert.deepEqual([status, output], [1, ''], text)
    return errors
  }
  assert.equal(await wrong(''), 'cases.yaml:1:1: found an empty file, expected a mapping with cases\n')
  assert.match(
    await wrong('cases: []\n'),
    /^cases\.yaml:1:8 cases: found an empty list, expected a list of at least 1\n$/,
  )
  assert.equal(
    await wrong(`config: { nam: first }
cases:
  - { name: a, expect: {} }
  - { name: a, config: { name: 7 }, expect: {} }
`),
    `cases.yaml:1:9 config: must have required property 'name'
cases.yaml:4:5 cases[1].name: cases[0] has this name already
cases.yaml:4:32 cases[1].config.name: must be string
`,
  )
  assert.match(
    await wrong('cases:\n  - { name: a, expects: {}, request: { path: a b } }\n'),
    /^cases\.yaml:2:5 cases\[0\]: expect is missing .*\ncases\.yaml:2:16 cases\[0\]\.expects: unknown key, .*; did you mean expect\?\ncases\.yaml:2:46 .*request\.path: found "a b", expected a path/,
  )
})

test('what is wrong with the plugin is named with its place: no folder, no manifest, no cases, code that does not compile', async context => {
  const folder = temporaryFolder(context)
  const errorsOf = async (...args: string[]): Promise<string> => {
    const { status, output, errors } = await polygate(['plugin', 'test', ...args], folder)
    assert.deepEqual([status, output], [1, ''], args.join(' '))
    return errors
  }
  assert.equal(await errorsOf('none'), 'polygate plugin test: none: there is no such folder\n')
  assert.equal(await errorsOf('.'), 'polygate plugin test: .: plugin.yaml: no such file\n')
  assert.equal((await polygate(['plugin', 'new', 'p'], folder)).status, 0)
  assert.equal(await errorsOf('p', '--cases', 'gone.yaml'), 'gone.yaml:1:1: no such file\n')
  writeFileSync(join(folder, 'p', 'plugin.js'), 'export default (\n')
  assert.match(await errorsOf('p'), /^polygate plugin test: p: its code does not compile: plugin\.js:\d+:\d+: /)
  const manifest = join(folder, 'p', 'plugin.yaml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('runtime: js', 'runtime: jss'))
  assert.match(await errorsOf('p'), /^p\/plugin\.yaml:\d+:\d+ runtime: found "jss", .*did you mean js\?\n$/)
})

test('build: the command of plugin.yaml, its end, and its lack', async context => {
  const folder = temporaryFolder(context)
  assert.equal((await polygate(['plugin', 'new', 'p'], folder)).status, 0)
  const manifest = join(folder, 'p', 'plugin.yaml')
  const text = readFileSync(manifest, 'utf8')
  const build = (command: string): Promise<Outcome> => {
    writeFileSync(manifest, `${text}build: ${command}\n`)
    return polygate(['plugin', 'build', 'p'], folder)
  }
  assert.deepEqual(await build('[sh, -c, "echo built > made"]'), { status: 0, output: '', errors: '' })
  assert.equal(readFileSync(join(folder, 'p', 'made'), 'utf8'), 'built\n')
  const failed = await build('[sh, -c, "echo why >&2; exit 7"]')
  assert.equal(failed.status, 1)
  assert.match(failed.errors, /^why\npolygate plugin build: p: build: sh -c .*: ended with status 7\n$/)
  assert.match((await build('[no-such-program-here]')).errors, /there is no such program\n$/)
  assert.equal((await build('[]')).status, 1)
  writeFileSync(manifest, text)
  assert.deepEqual(await polygate(['plugin', 'build', 'p'], folder), { status: 0, output: '', errors: '' })
})

test('usage: no folder, two, an unknown option, another format', async context => {
  const folder = temporaryFolder(context)
  for (const args of [
    ['test'],
    ['test', 'a', 'b'],
    ['test', 'a', '--case', 'x'],
    ['test', 'a', '--format', 'xml'],
    ['build'],
  ]) {
    const { status, output, errors } = await polygate(['plugin', ...args], folder)
    assert.deepEqual([status, output], [2, ''], args.join(' '))
    assert.match(errors, /^polygate plugin/)
  }
})
