// A client that sends so many requests a second whatever the answers do (an open loop), and counts each one's latency from
// the moment when it was due: what an honest client sees. argv: JSON of SteadyOptions; prints JSON of SteadyResult.
import { createConnection, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'

export interface SteadyOptions {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly perSecond: number
  readonly seconds: number
  readonly connections: number
}

export interface SteadyResult {
  readonly requests: number
  /** Answers other than 200. */
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

interface Connection {
  readonly socket: Socket
  /** When the request was due that has no answer yet; null: free. */
  dueMs: number | null
  received: string
}

const options = JSON.parse(process.argv[2] ?? '') as SteadyOptions
const lines = Object.entries(options.headers).map(([name, value]) => `${name}: ${value}\r\n`)
const request = `GET ${options.path} HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\n${lines.join('')}\r\n`
const total = options.perSecond * options.seconds
const latencies: number[] = []
const waiting: number[] = []
let failures = 0
let due = 0
let finish = (): void => undefined

function send(connection: Connection, dueMs: number): void {
  connection.dueMs = dueMs
  connection.socket.write(request)
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text)
  return end >= 0 && length !== null && text.length >= end + 4 + Number(length[1])
}

function receive(connection: Connection, text: string): void {
  connection.received += text
  if (connection.dueMs === null || !isWhole(connection.received)) return
  latencies.push(performance.now() - connection.dueMs)
  if (!connection.received.startsWith('HTTP/1.1 200 ')) failures++
  connection.received = ''
  connection.dueMs = null
  const next = waiting.shift()
  if (next !== undefined) send(connection, next)
  if (latencies.length === total) finish()
}

async function connect(): Promise<Connection> {
  const socket = createConnection(options.port, '127.0.0.1').setNoDelay(true).setEncoding('latin1')
  const connection: Connection = { socket, dueMs: null, received: '' }
  socket.on('data', (text: string) => receive(connection, text))
  socket.on('error', () => process.exit(3)).on('close', () => process.exit(3))
  await new Promise(resolve => socket.once('connect', resolve))
  return connection
}

const connections = await Promise.all(Array.from({ length: options.connections }, connect))
const done = new Promise<void>(resolve => (finish = resolve))
const startMs = performance.now()
const timer = setInterval(() => {
  for (const now = performance.now(); due < total && startMs + (due * 1000) / options.perSecond <= now; due++) {
    const dueMs = startMs + (due * 1000) / options.perSecond
    const free = connections.find(one => one.dueMs === null)
    if (free === undefined) waiting.push(dueMs)
    else send(free, dueMs)
  }
}, 1)
await done
clearInterval(timer)
latencies.sort((a, b) => a - b)
const at = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)] ?? NaN
const result: SteadyResult = { requests: total, failures, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
console.log(JSON.stringify(result))
process.exit(0)
