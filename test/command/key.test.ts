// `polygate key`: new keys and their digests, hashes of what comes on standard input, and what can be neither key nor
// password. What it prints is what the configuration takes and the gateway lets in.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../../ts/config/load.ts'
import { packageRoot } from '../../ts/shared/native.ts'
import { startGateway } from '../helpers/gateway.ts'
import { within } from '../helpers/scope.ts'
import type { Outcome } from './polygate.ts'

const main = ['--import', import.meta.resolve('tsx'), join(packageRoot, 'ts', 'main.ts')]

function key(args: readonly string[], input: string | Buffer = ''): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...main, 'key', ...args], { input })
  return { status, output: stdout.toString(), errors: stderr.toString() }
}

const passwordForm =
  'polygate key: expected a password of 1 to 1024 bytes without line breaks and other control characters\n'
const keyForm = 'polygate key: expected a key of 8 to 512 printable ASCII characters without blanks\n'

test('usage: nothing, another word, surplus arguments, both hashes', () => {
  for (const args of [
    [],
    ['old'],
    ['new', 'x'],
    ['hash', '--md5'],
    ['hash', 'my-secret'],
    ['hash', '--argon2id', '--sha256'],
    ['new', '--format', 'xml'],
  ]) {
    const { status, output, errors } = key(args)
    assert.deepEqual([status, output], [2, ''], args.join(' '))
    assert.match(errors, /^polygate key: /)
  }
})

test('what can be no password', () => {
  for (const input of ['', '\n', '\r\n', 'two\nlines', 'a\0b', 'tab\t', 'x'.repeat(1025), Buffer.from([0x7f])]) {
    assert.deepEqual(key(['hash'], input), { status: 1, output: '', errors: passwordForm }, JSON.stringify(input))
  }
  assert.deepEqual(key(['hash'], 'x'.repeat(70_000)), {
    status: 1,
    output: '',
    errors: 'polygate key: expected less than 64 KiB\n',
  })
})

test('what can be no key', () => {
  for (const input of ['', '\n', 'short', 'two words', 'schlüssel-von-alice', 'a-key\nand-more', 'x'.repeat(513)]) {
    assert.deepEqual(key(['hash', '--sha256'], input), { status: 1, output: '', errors: keyForm }, input)
  }
})

test('a new key: random, with its digest, as the configuration takes it', () => {
  const made = new Set<string>()
  for (const args of [['new'], ['new', '--format', 'json']]) {
    const { status, output, errors } = key(args)
    assert.deepEqual([status, errors], [0, ''])
    const { key: text, sha256 } = (
      args.length > 1
        ? JSON.parse(output)
        : /^key {5}(?<key>[\w-]{43})\nsha256 {2}(?<sha256>[0-9a-f]{64})\n$/.exec(output)?.groups
    ) as { key: string; sha256: string }
    made.add(text)
    assert.match(text, /^[\w-]{43}$/)
    const load = (written: string): string | undefined =>
      readConfig(`listen: [{ port: 1 }]\nconsumers: { alice: { keys: [ ${written} ] } }`, 'f.yaml', {}).plan
        .consumers[0]?.keys[0]?.sha256
    assert.equal(load(`"${text}"`), sha256)
    assert.equal(load(`{ sha256: ${sha256} }`), sha256)
  }
  assert.equal(made.size, 2)
})

test('the digest of a key, with and without a line end', () => {
  const sha256 = createHash('sha256').update('a-key-of-alice').digest('hex')
  for (const end of ['', '\n', '\r\n']) {
    assert.deepEqual(key(['hash', '--sha256'], `a-key-of-alice${end}`), {
      status: 0,
      output: `${sha256}\n`,
      errors: '',
    })
  }
})

test('the hash of a password: salted, and the gateway lets it in', async t => {
  const [first, second] = [key(['hash'], 'pässwörd\n'), key(['hash', '--argon2id'], 'pässwörd')]
  for (const { status, output, errors } of [first, second]) {
    assert.deepEqual([status, errors], [0, ''])
    assert.match(output, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}\n$/)
  }
  assert.notEqual(first.output, second.output)
  const gateway = await startGateway(
    t,
    `consumers: { alice: { passwords: [ "${first.output.trim()}" ] } }
routes: [ { name: a, match: {}, respond: {}, guards: [ { basic: {} } ] } ]
`,
  )
  const statusFor = async (password: string): Promise<number> => {
    const authorization = `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`
    return (await fetch(gateway.url, { headers: { authorization } })).status
  }
  assert.deepEqual([await statusFor('pässwörd'), await statusFor('passwörd')], [200, 401])
})

test('at a terminal: a prompt, nothing of what is typed, and a rubout takes back a character', async t => {
  // util-linux's `script` is a terminal for what it runs.
  const command = [process.execPath, ...main, 'key', 'hash', '--sha256'].map(word => `'${word}'`).join(' ')
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: 'pipe' })
  t.after(() => child.kill('SIGKILL'))
  let seen = ''
  const prompted = new Promise<void>(resolve => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text
      if (seen.includes('API key: ')) resolve()
    })
  })
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))
  await within(20_000, 'the prompt', prompted)
  child.stdin.write('a-key-of-alicé\x7fe\r')
  assert.equal(await within(20_000, 'the end', ended), 0)
  const sha256 = createHash('sha256').update('a-key-of-alice').digest('hex')
  assert.equal(seen.replaceAll('\r', ''), `API key: \n${sha256}\n`)
})
