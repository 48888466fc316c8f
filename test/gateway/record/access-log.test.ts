// Pins the access log: a full disk, a missing folder or a slow reader loses lines, which are counted, and nothing else;
// each line is JSON of its own whatever clients send; credentials in a query are masked; rotation loses nothing.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  existsSync,
  mkdirSync,
  constants,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { AccessLog, type AccessEntry, type AccessLogOptions } from '../../../ts/gateway/record/access-log.ts'

const folderOf = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-access-log-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const entry = (change: Partial<AccessEntry> = {}): AccessEntry => ({
  timeMs: Date.UTC(2026, 0, 2),
  requestId: 'r1',
  remoteAddress: '192.0.2.1',
  method: 'GET',
  host: 'api.example.com',
  path: '/a',
  route: 'a',
  status: 200,
  code: null,
  reason: '',
  consumer: '',
  upstream: 'u',
  endpoint: 'http://127.0.0.1:9000',
  requestBytes: 1,
  responseBytes: 2,
  durationMs: 3.0004,
  upstreamMs: 2.5,
  protocol: 'HTTP/1.1',
  userAgent: 'test',
  secretParameters: new Set(),
  ...change,
})

const logTo = (target: string, options: Partial<AccessLogOptions> = {}, sample = 1) =>
  new AccessLog({ target, sample }, { flushAfterMs: 1, retryAfterMs: 5, ...options })

const linesOf = (file: string): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Record<string, unknown>)

/** Resolves when `holds` does; asked after each turn of the loop, so that no time is guessed. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve))
}

test('a full disk loses lines and counts them, within bounded memory', async () => {
  const log = logTo('/dev/full', { maxPendingChars: 10_000 })
  for (let i = 0; i < 10_000; i++) log.write(entry({ path: `/${i}` }))
  await until(() => log.dropped > 9_000)
  await log.close()
  assert.equal(log.dropped, 10_000)
})

test('a folder that is missing loses nothing once it is there', async t => {
  const folder = join(folderOf(t), 'logs')
  const file = join(folder, 'access.log')
  const log = logTo(file)
  log.write(entry({ requestId: 'early' }))
  await new Promise(resolve => setImmediate(resolve))
  mkdirSync(folder)
  await until(() => existsSync(file))
  await log.close()
  assert.deepEqual(
    linesOf(file).map(line => line['requestId']),
    ['early'],
  )
  assert.equal(log.dropped, 0)
})

test('a reader that is slow loses lines past the bound and no others; what comes through is whole', async t => {
  const fifo = join(folderOf(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  const log = logTo(fifo, { maxPendingChars: 100_000 })
  for (let i = 0; i < 5000; i++) log.write(entry({ requestId: String(i) }))
  assert.ok(log.dropped > 0, 'the bound holds')
  const kept = 5000 - log.dropped
  let text = ''
  const chunk = Buffer.alloc(65536)
  await until(() => {
    try {
      text += chunk.toString('utf8', 0, readSync(reader, chunk))
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN')
    }
    return text.split('\n').length - 1 === kept
  })
  await log.close()
  closeSync(reader)
  const ids = text
    .split('\n')
    .slice(0, -1)
    .map(line => Number((JSON.parse(line) as AccessEntry).requestId))
  assert.deepEqual(
    ids,
    Array.from({ length: kept }, (_none, i) => i),
  )
})

test('standard output that is a full, non-blocking pipe gets the rest later', async t => {
  const script = join(folderOf(t), 'writer.ts')
  const source = new URL('../../../ts/gateway/record/access-log.ts', import.meta.url).href
  const { writeFileSync } = await import('node:fs')
  writeFileSync(
    script,
    `import { AccessLog } from ${JSON.stringify(source)}
     process.stdout.write('') // makes Node set the pipe non-blocking, as control's own use of it does
     const log = new AccessLog({ target: 'stdout', sample: 1 }, {})
     const entry = ${JSON.stringify(entry({ userAgent: 'é'.repeat(200) }))}
     for (let i = 0; i < 3000; i++) log.write({ ...entry, requestId: String(i) })
     process.on('message', async () => { await log.close(); process.send(log.dropped); process.disconnect() })
     process.send('written')`,
  )
  const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'message')
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await until(() => text.split('\n').length === 3001)
  child.send('close')
  const [dropped] = (await once(child, 'message')) as [number]
  await once(child, 'close')
  assert.equal(dropped, 0)
  const ids = text
    .split('\n')
    .slice(0, -1)
    .map(line => (JSON.parse(line) as AccessEntry).requestId)
  assert.deepEqual(
    ids,
    Array.from({ length: 3000 }, (_none, i) => String(i)),
  )
})

test('what a client sends cannot forge a line', async t => {
  const file = join(folderOf(t), 'access.log')
  const log = logTo(file)
  const hostile = 'a"}\n{"status":200,"x":"\r\n\u0000\u2028\ud800'
  log.write(entry({ requestId: hostile, host: hostile, path: hostile, userAgent: hostile, method: hostile }))
  await log.close()
  const [line, ...more] = linesOf(file)
  assert.deepEqual(more, [])
  assert.equal(line!['host'], hostile)
})

test('credentials in a query are masked, however their names are written', async t => {
  const file = join(folderOf(t), 'access.log')
  const log = logTo(file)
  const paths = [
    '/a?apikey=SECRET&page=2',
    '/a?API%5FKEY=SECRET',
    '/a?x=1&access_token=SECRET&access_token=SECRET',
    '/a?%E0%A4%A=1&sig=SECRET',
  ]
  for (const path of paths) log.write(entry({ path }))
  await log.close()
  assert.ok(!readFileSync(file, 'utf8').includes('SECRET'))
  assert.deepEqual(
    linesOf(file).map(line => line['path']),
    ['/a?apikey=*&page=2', '/a?API%5FKEY=*', '/a?x=1&access_token=*&access_token=*', '/a?%E0%A4%A=1&sig=*'],
  )
})

test('the fields, with durations to the microsecond and overhead apart', async t => {
  const file = join(folderOf(t), 'access.log')
  const log = logTo(file)
  log.write(entry({ status: 503, code: 'no_peer' }))
  log.write(entry({ durationMs: NaN, upstreamMs: Infinity }))
  await log.close()
  const [line, odd] = linesOf(file)
  assert.deepEqual(line, {
    time: '2026-01-02T00:00:00.000Z',
    requestId: 'r1',
    remoteAddress: '192.0.2.1',
    method: 'GET',
    host: 'api.example.com',
    path: '/a',
    route: 'a',
    status: 503,
    code: 'no_peer',
    reason: '',
    consumer: '',
    upstream: 'u',
    endpoint: 'http://127.0.0.1:9000',
    requestBytes: 1,
    responseBytes: 2,
    durationMs: 3,
    upstreamMs: 2.5,
    overheadMs: 0.5,
    protocol: 'HTTP/1.1',
    userAgent: 'test',
  })
  assert.deepEqual([odd!['durationMs'], odd!['upstreamMs']], [0, 0])
})

test('server errors are always logged, the rest as the sample says', () => {
  const [none, all] = [logTo('/dev/null', {}, 0), logTo('/dev/null', {}, 1)]
  assert.deepEqual(
    [200, 404, 500, 503].map(status => none.wants(status)),
    [false, false, true, true],
  )
  assert.ok([200, 404, 500].every(status => all.wants(status)))
  const half = logTo('/dev/null', {}, 0.5)
  const wanted = Array.from({ length: 10_000 }, () => half.wants(200)).filter(Boolean).length
  assert.ok(wanted > 4500 && wanted < 5500)
})

test('after rotation the new file gets what comes, and no line is lost', async t => {
  const file = join(folderOf(t), 'access.log')
  const log = logTo(file)
  for (let i = 0; i < 1000; i++) log.write(entry({ requestId: String(i) }))
  await until(() => existsSync(file) && linesCount(file) === 1000)
  renameSync(file, `${file}.1`)
  log.reopen()
  for (let i = 1000; i < 2000; i++) log.write(entry({ requestId: String(i) }))
  await log.close()
  assert.equal(linesOf(`${file}.1`).length + linesOf(file).length, 2000)
  assert.ok(linesOf(file).length > 0)
  assert.equal(log.dropped, 0)
})

const linesCount = (file: string): number => readFileSync(file, 'utf8').split('\n').length - 1
