// Pins listeners on unix sockets: several workers serve one path without a gap when one is exchanged, a lost worker's
// successor takes it over, files come and go with listener and gateway, and nobody else's file is touched.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { childrenOf, startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { freePort } from '../helpers/ports.ts'
import { startUpstream } from '../helpers/upstream.ts'

function socketPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-unix-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'gateway.sock')
}

const yaml = (listen: string, more = ''): string => `
listen: [ ${listen} ]
${more}
routes:
  - { name: ping, match: { path: /ping }, respond: { status: 200, body: pong } }
`
const unix = (path: string): string => `{ unix: ${path} }`
const tcp = '{ address: 127.0.0.1, port: %PORT% }'

/** One request on a connection of its own: the whole answer, or the error's code. */
function ask(path: string, target = '/ping'): Promise<string> {
  return new Promise(resolve => {
    const socket: Socket = connect(path)
    let text = ''
    socket.setEncoding('latin1').on('data', (part: string) => (text += part))
    socket.on('error', error => resolve((error as NodeJS.ErrnoException).code!))
    socket.on('close', () => resolve(text))
    socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  })
}

async function isServed(path: string): Promise<void> {
  assert.match(await ask(path), /^HTTP\/1\.1 200 OK[^]*pong$/)
}

/** Starts where it must fail; what it printed. */
async function failsToStart(t: TestContext, text: string): Promise<string> {
  const error: unknown = await startGateway(t, text).then(
    () => assert.fail('it has started'),
    (failure: unknown) => failure,
  )
  return (error as Error).message
}

test('something else in the way is an error and stays; so is a socket that somebody listens on', async t => {
  const path = socketPath(t)
  writeFileSync(path, 'a file')
  assert.match(await failsToStart(t, yaml(unix(path))), /unix:.*gateway\.sock: a file that is no socket is in the way/)
  assert.equal(readFileSync(path, 'utf8'), 'a file')
  rmSync(path)
  const other = createServer(socket => socket.on('error', () => {}).end('other'))
  t.after(() => other.close())
  await once(other.listen(path), 'listening')
  assert.match(await failsToStart(t, yaml(unix(path))), /unix:.*gateway\.sock is in use/)
  assert.equal(await ask(path), 'other')
})

test('three workers, two paths, and nothing beside them; all is gone after the stop', async t => {
  const path = socketPath(t)
  const gateway = await startGateway(t, yaml(`${unix(path)}, ${unix(`${path}2`)}`, 'workers: 3'))
  assert.match(gateway.readyLine, /^ready unix:.*gateway\.sock workers=3 /)
  for (let i = 0; i < 20; i++) await isServed(i % 2 === 0 ? path : `${path}2`)
  assert.deepEqual(readdirSync(dirname(path)).sort(), ['gateway.sock', 'gateway.sock2'])
  assert.equal(await gateway.stop(), 0)
  assert.deepEqual(readdirSync(dirname(path)), [])
})

test('a worker is lost, whichever: the path is served again', async t => {
  const path = socketPath(t)
  const gateway = await startGateway(t, yaml(`${tcp}, ${unix(path)}`, 'workers: 2'))
  for (const pid of gateway.workers()) {
    const from = gateway.logs().length
    process.kill(pid, 'SIGKILL')
    await gateway.line(/worker lost/, from)
    while (!(await ask(path)).startsWith('HTTP/1.1 200 OK'));
  }
})

test('workers are exchanged one after the other: no request fails', async t => {
  const path = socketPath(t)
  const text = (maxHeadBytes: number): string =>
    yaml(unix(path), `workers: 2\nlimits: { maxHeadBytes: ${maxHeadBytes} }`)
  const gateway = await startGateway(t, text(16384))
  const before = gateway.workers()
  let over = false
  const load = Promise.all(
    [1, 2, 3].map(async () => {
      while (!over) await isServed(path)
    }),
  )
  // The limit is one that a worker starts with, so that each gets a successor.
  await gateway.reload(text(8192))
  const left = (): boolean => gateway.workers().some(pid => before.includes(pid))
  while (left()) await Promise.race([load, new Promise(resolve => setTimeout(resolve, 20))])
  over = true
  await load
})

test('a path comes and goes with a reload, and a refused reload leaves nothing behind', async t => {
  const path = socketPath(t)
  const gateway: RunningGateway = await startGateway(t, yaml(tcp))
  const taken = createServer()
  t.after(() => taken.close())
  const takenPort = await freePort()
  await once(taken.listen(takenPort, '127.0.0.1'), 'listening')
  assert.match(
    await gateway.reload(yaml(`${tcp}, ${unix(path)}, { address: 127.0.0.1, port: ${takenPort} }`)),
    /reload refused.* in use/,
  )
  assert.deepEqual(readdirSync(dirname(path)), [])
  const badRoute = `upstreams: { a: { peers: [ { url: "https://127.0.0.1:1" } ], tls: { ca: ${gateway.configFile} } } }`
  assert.match(await gateway.reload(yaml(`${tcp}, ${unix(path)}`, badRoute)), /reload refused/)
  assert.deepEqual(readdirSync(dirname(path)), [])
  assert.match(await gateway.reload(yaml(`${tcp}, ${unix(path)}`)), /reloaded version=/)
  await isServed(path)
  assert.match(await gateway.reload(yaml(tcp)), /reloaded version=/)
  assert.equal(existsSync(path), false)
})

test('what a killed gateway left is replaced; what a successor has by then is not removed', async t => {
  const path = socketPath(t)
  const first = await startGateway(t, yaml(unix(path)))
  const [worker] = childrenOf(first.pid)
  process.kill(worker!, 'SIGSTOP')
  process.kill(first.pid, 'SIGKILL')
  process.kill(worker!, 'SIGKILL')
  await first.exited
  assert.ok(lstatSync(path).isSocket())
  assert.equal(await ask(path), 'ECONNREFUSED')

  // The second drains, held up by a request; the third has taken the path when it ends.
  const held: ServerResponse[] = []
  const upstream = await startUpstream(t, (_, response) => void held.push(response))
  const second = await startGateway(
    t,
    `${yaml(unix(path), `upstreams: { up: { peers: [ { url: "${upstream.url}" } ] } }`)}
  - { name: late, match: { path: /late }, upstream: up }
`,
  )
  const late = ask(path, '/late')
  while (held.length === 0) await isServed(path)
  second.signal('SIGTERM')
  while ((await ask(path)) !== 'ECONNREFUSED');
  await startGateway(t, yaml(unix(path)))
  await isServed(path)
  held[0]!.end('late')
  assert.match(await late, /late$/)
  assert.equal(await second.exited, 0)
  await isServed(path)
})
