// Pins what becomes of a gateway whose limits file is harmed while it runs, cannot be written, is of another size, is full,
// or is another one after a reload: no worker ends, requests are refused or let through as configured, and the log says
// why.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { untilMetrics } from '../helpers/metrics.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within, type Scope } from '../helpers/scope.ts'
import { statusOf } from '../helpers/wire.ts'

const waitMs = 20_000
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

function newFile(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-counts-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'counts')
}

const counting = (file: string, guards: string, more = ''): string => `counting: { file: "${file}"${more} }
routes: [ { name: a, match: { path: "/*" }, respond: { body: ok }, guards: [ ${guards} ] } ]\n`

const statusesOf = async (gateway: RunningGateway, count: number, x = 'x'): Promise<number[]> => {
  const statuses: number[] = []
  for (let nth = 0; nth < count; nth++) {
    const answer = await fetch(gateway.url, { headers: { x } })
    await answer.arrayBuffer()
    statuses.push(answer.status)
  }
  return statuses
}

/** On many connections, so that every worker gets some: how often each status came. */
async function flood(t: Scope, gateway: RunningGateway, each: number): Promise<Map<number, number>> {
  const clients = await Promise.all(Array.from({ length: 24 }, () => RawClient.connect(t, gateway.port)))
  await Promise.all(clients.map(client => client.send(get.repeat(each))))
  const answers = await within(waitMs, 'the answers', Promise.all(clients.map(client => client.finals(each))))
  const counts = new Map<number, number>()
  for (const status of answers.flatMap(({ finals }) => finals.map(statusOf))) {
    counts.set(status, (counts.get(status) ?? 0) + 1)
  }
  for (const client of clients) client.destroy()
  return counts
}

/** Asks until the answer has this status. */
const untilStatus = (gateway: RunningGateway, status: number): Promise<void> => {
  const asking = async (): Promise<void> => {
    while ((await statusesOf(gateway, 1))[0] !== status) await new Promise(resolve => setTimeout(resolve, 25))
  }
  return within(waitMs, `status ${status}`, asking())
}

const harms: readonly (readonly [what: string, harm: (file: string) => void])[] = [
  ['emptied', file => truncateSync(file, 0)],
  ['cut short behind its header', file => truncateSync(file, 5000)],
  ['overwritten', file => writeFileSync(file, 'nothing that counts')],
  ['overwritten by as many bytes', file => writeFileSync(file, Buffer.alloc(statSync(file).size, 7))],
  ['removed', file => rmSync(file)],
  [
    'put elsewhere, with another in its place',
    file => {
      renameSync(file, `${file}.old`)
      writeFileSync(file, 'another')
    },
  ],
]

for (const [what, harm] of harms) {
  test(`a file that is ${what} under two running workers ends neither; counts begin anew, exactly`, async t => {
    const file = newFile(t)
    const gateway = await startGateway(
      t,
      `workers: 2\n${counting(file, '{ rateLimit: { limit: 1000, per: 24h, by: "header:x" } }, { rateLimit: { limit: 50, per: 24h, by: route } }')}`,
    )
    await untilMetrics(gateway, 'both workers', () => gateway.workers().length === 2)
    assert.equal((await flood(t, gateway, 5)).get(200), 50)
    const workers = gateway.workers()
    harm(file)
    // While nothing can be counted, answers are 503; after that both workers count in one new file.
    const during = await flood(t, gateway, 20)
    for (const status of during.keys()) assert.ok([200, 429, 503].includes(status), String(status))
    // Each finds out by itself, at the latest when it looks after the file.
    for (const worker of [1, 2]) {
      const line = gateway.line(new RegExp(`worker ${worker}: another program has changed the limits file`))
      await within(waitMs, `worker ${worker} notices`, line)
    }
    const settled = async (): Promise<void> => {
      for (let quiet = 0; quiet < 3;) quiet = (await flood(t, gateway, 1)).has(503) ? 0 : quiet + 1
    }
    await within(waitMs, 'counting again', settled())
    // Which of the floods used the limit up is not known; a reload gives another, which nobody has used.
    await gateway.reload(
      `workers: 2\n${counting(file, '{ rateLimit: { limit: 70, per: 24h, by: "header:y" } }, { quota: { limit: 60, per: month, by: address } }')}`,
    )
    assert.deepEqual([...(await flood(t, gateway, 10))].sort(), [
      [200, 60],
      [429, 180],
    ])
    assert.deepEqual(gateway.workers(), workers)
  })
}

test('a disk without room: 503 or let through, and counted again once there is room', async t => {
  const file = newFile(t)
  const yaml = `counting: { file: "${file}" }
routes:
  - { name: a, match: { path: / }, respond: {}, guards: [ { rateLimit: { limit: 1, per: 24h } } ] }
  - { name: b, match: { path: /b }, respond: {}, guards: [ { concurrency: { limit: 1, onFailure: open } }, { rateLimit: { limit: 1, per: 24h, onFailure: open } } ] }
`
  // A limit of the size of files stands for the size of a disk.
  const gateway = await startGateway(t, yaml, { prefix: ['bash', '-c', 'ulimit -S -f 64 && exec "$@"', 'bash'] })
  await gateway.line(/limits cannot be counted.*too large/i)
  const refused = await fetch(gateway.url)
  assert.equal(refused.status, 503)
  assert.equal(((await refused.json()) as { code: string }).code, 'store_unavailable')
  assert.deepEqual([(await fetch(`${gateway.url}/b`)).status, (await fetch(`${gateway.url}/b`)).status], [200, 200])
  assert.equal(statSync(file).size, 0, 'what it got of the disk is given back')
  const raised = spawnSync('prlimit', ['--pid', String(gateway.workers()[0]), '--fsize=unlimited'])
  assert.equal(raised.status, 0, String(raised.stderr))
  await untilStatus(gateway, 429)
  await gateway.line(/limits are counted again/)
  assert.deepEqual([(await fetch(`${gateway.url}/b`)).status, (await fetch(`${gateway.url}/b`)).status], [200, 429])
})

test('a folder in which nobody may write: 503, said once, and everything else is served', async t => {
  const yaml = `counting: { file: /sys/polygate-counts }
routes:
  - { name: a, match: { path: / }, respond: {}, guards: [ { rateLimit: { limit: 1, per: 24h } } ] }
  - { name: b, match: { path: /b }, respond: {} }
`
  const gateway = await startGateway(t, yaml)
  await gateway.line(/limits cannot be counted.*(permission denied|not permitted|read-only)/i)
  assert.deepEqual(await statusesOf(gateway, 2), [503, 503])
  assert.equal((await fetch(`${gateway.url}/b`)).status, 200)
  assert.equal(gateway.logs().split('limits cannot be counted').length, 2)
})

test('another size is refused by a reload, taken after a restart with a line in the log, and in another file at once', async t => {
  const file = newFile(t)
  const guard = '{ rateLimit: { limit: 2, per: 24h } }'
  const gateway = await startGateway(t, counting(file, guard))
  assert.deepEqual(await statusesOf(gateway, 3), [200, 200, 429])
  const refusal = await gateway.reload(counting(file, guard, ', keys: 5000'))
  assert.match(
    refusal,
    /counting\.keys: found 5000, expected 100000 while the gateway runs: another size needs a restart/,
  )
  assert.match(
    await gateway.reload(counting(file, guard, ', replays: 5000')),
    /counting\.replays: found 5000, expected 1000000/,
  )
  assert.deepEqual(await statusesOf(gateway, 1), [429])
  const other = newFile(t)
  assert.match(await gateway.reload(counting(other, guard, ', keys: 5000')), /reloaded/)
  assert.deepEqual(await statusesOf(gateway, 3), [200, 200, 429])
  assert.match(await gateway.reload(counting(file, guard)), /reloaded/)
  assert.deepEqual(await statusesOf(gateway, 1), [429], 'the first file has kept what it counted')
  // A second gateway that says another size cannot count while the first has the file.
  const second = await startGateway(t, counting(file, guard, ', keys: 5000'))
  await second.line(/limits cannot be counted.*in use and cannot be rebuilt: it was laid out for other sizes/)
  assert.deepEqual(await statusesOf(second, 1), [503])
  assert.deepEqual(await statusesOf(gateway, 1), [429])
  await gateway.stop()
  await second.line(/the limits file had another size: counts begin anew/)
  await untilStatus(second, 429)
})

test('a file full of keys that have used up their limit forgets none of them, however many come', async t => {
  const file = newFile(t)
  const gateway = await startGateway(
    t,
    counting(file, '{ quota: { limit: 1, per: month, by: "header:x" } }', ', keys: 100'),
  )
  const client = await RawClient.connect(t, gateway.port)
  const names = Array.from({ length: 2000 }, (_, at) => `name-${at}`)
  const askAll = async (from: number): Promise<number[]> => {
    await client.send(names.map(name => `GET / HTTP/1.1\r\nHost: a\r\nX: ${name}\r\n\r\n`).join(''))
    const { finals } = await within(waitMs, 'the answers', client.finals(from + names.length))
    return finals.slice(from).map(statusOf)
  }
  const first = await askAll(0)
  const admitted = first.filter(status => status === 200).length
  assert.ok(admitted >= 100 && admitted <= 210, `${admitted} found room`)
  assert.equal(first.filter(status => status === 503).length, names.length - admitted)
  await gateway.line(/the limits file is full of keys that have used up their limits/)
  const second = await askAll(names.length)
  for (const [at, status] of first.entries()) assert.equal(second[at], status === 200 ? 429 : 503, names[at])
})
