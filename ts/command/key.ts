// `polygate key`: makes API keys, and hashes of keys and passwords for the configuration, so that it need not hold the
// secrets themselves. Reads them from standard input alone: arguments are seen by everybody on the machine.
import { createHash, randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { apiKey } from '../config/formats.ts'
import { native } from '../shared/native.ts'

export const usage = `usage: polygate key new [--format text|json]
       polygate key hash [--argon2id | --sha256]

  new    makes a random API key: prints it, and its SHA-256 for consumers.NAME.keys
  hash   reads a password from standard input, and prints its argon2id hash for consumers.NAME.passwords; with --sha256
         an API key, and its SHA-256. One line end is cut. At a terminal what is typed is not shown.

      --format FORMAT  text (default) or json

Exit status: 0 ok, 1 what was read can be no key or password, 2 usage.`

export async function main(args: string[]): Promise<number> {
  const [action, ...more] = args
  if (action === 'new') return makeKey(more)
  if (action === 'hash') return hash(more)
  process.stderr.write(
    `polygate key: found ${action === undefined ? 'nothing' : JSON.stringify(action)}, expected new or hash\n\n${usage}\n`,
  )
  return 2
}

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex')

const keyBytes = 32

function makeKey(args: string[]): number {
  const { values } = parseArgs({ args, options: { format: { type: 'string', default: 'text' } }, strict: true })
  if (values.format !== 'text' && values.format !== 'json') {
    process.stderr.write(`polygate key: found --format ${values.format}, expected text or json\n`)
    return 2
  }
  const key = randomBytes(keyBytes).toString('base64url')
  const made = { key, sha256: sha256(key) }
  process.stdout.write(
    values.format === 'json' ? `${JSON.stringify(made)}\n` : `key     ${made.key}\nsha256  ${made.sha256}\n`,
  )
  return 0
}

async function hash(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { argon2id: { type: 'boolean' }, sha256: { type: 'boolean' } },
    strict: true,
  })
  if (values.argon2id === true && values.sha256 === true) {
    process.stderr.write('polygate key: found --argon2id and --sha256, expected one of them\n')
    return 2
  }
  const forKey = values.sha256 === true
  const secret = await readSecret(forKey ? 'API key: ' : 'Password: ')
  const expected = secret === null ? 'less than 64 KiB' : forKey ? apiKey(secret.toString('latin1')) : password(secret)
  if (secret === null || expected !== null) {
    process.stderr.write(`polygate key: expected ${expected}\n`)
    return 1
  }
  process.stdout.write(
    `${forKey ? sha256(secret.toString('latin1')) : native().passwordHash(secret, randomBytes(16))}\n`,
  )
  return 0
}

/** What the guard `basic` takes from a client (native/passwords). */
const maxPasswordBytes = 1024

function password(bytes: Buffer): string | null {
  const sound =
    bytes.length > 0 && bytes.length <= maxPasswordBytes && bytes.every(byte => byte > 0x1f && byte !== 0x7f)
  return sound ? null : `a password of 1 to ${maxPasswordBytes} bytes without line breaks and other control characters`
}

const maxInputBytes = 64 * 1024

/** Null: it is too long. */
async function readSecret(prompt: string): Promise<Buffer | null> {
  if (process.stdin.isTTY) return readUnseen(prompt)
  const parts: Buffer[] = []
  let length = 0
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    parts.push(part)
    length += part.length
    if (length > maxInputBytes) return null
  }
  const read = Buffer.concat(parts)
  const end = read.at(-1) !== 0x0a ? read.length : read.at(-2) === 0x0d ? read.length - 2 : read.length - 1
  return read.subarray(0, end)
}

const Typed = { interrupt: 0x03, end: 0x04, newline: 0x0a, enter: 0x0d, backspace: 0x08, erase: 0x7f } as const

/** One line of a terminal that shows nothing of it. Ctrl-C ends the process as it would anywhere. */
function readUnseen(prompt: string): Promise<Buffer> {
  const { stdin } = process
  stdin.setRawMode(true)
  const typed: number[] = []
  return new Promise(resolve => {
    const done = (): void => {
      stdin.off('data', onData)
      stdin.setRawMode(false)
      stdin.pause()
      process.stderr.write('\n')
    }
    const onData = (part: Buffer): void => {
      for (const byte of part) {
        if (byte === Typed.interrupt) {
          done()
          process.kill(process.pid, 'SIGINT')
          return
        }
        if (byte === Typed.end || byte === Typed.newline || byte === Typed.enter) {
          done()
          return resolve(Buffer.from(typed))
        }
        if (byte === Typed.erase || byte === Typed.backspace) eraseLast(typed)
        else if (typed.length <= maxInputBytes) typed.push(byte)
      }
    }
    stdin.on('data', onData)
    // Who sees it may type at once, and nothing of that may be shown.
    process.stderr.write(prompt)
  })
}

/** A whole character of UTF-8. */
function eraseLast(typed: number[]): void {
  let byte = typed.pop()
  while (byte !== undefined && (byte & 0xc0) === 0x80) byte = typed.pop()
}
