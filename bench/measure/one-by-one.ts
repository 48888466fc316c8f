// A client that has one request in flight on one connection, to two gateways in turn, and counts microseconds from the
// request to the end of its answer. argv: JSON of OneByOneOptions; prints JSON of OneByOneResult.
import { createConnection, type Socket } from 'node:net'

export interface OneByOneOptions {
  /** Ports of gateways on this machine, that are asked in turn. */
  readonly ports: readonly number[]
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** To each. */
  readonly requests: number
}

/** Of each port. Throws away what an answer other than 200 took. */
export interface OneByOneResult {
  readonly p50Us: readonly number[]
  readonly failures: number
}

const { ports, path, headers, requests } = JSON.parse(process.argv[2] ?? '') as OneByOneOptions
/** Of each connection: not counted. */
const warmUpRequests = 2000
/** So many to one gateway, then so many to the next. */
const runRequests = 500

class Client {
  readonly #socket: Socket
  readonly #request: string
  #received = ''
  #done: (text: string) => void = () => undefined

  constructor(port: number) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${lines.join('')}\r\n`
    this.#socket = createConnection(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1')
    this.#socket.on('error', () => process.exit(3)).on('close', () => process.exit(3))
    this.#socket.on('data', (text: string) => {
      this.#received += text
      if (!isWhole(this.#received)) return
      const answer = this.#received
      this.#received = ''
      this.#done(answer)
    })
  }

  ask(): Promise<string> {
    return new Promise(resolve => {
      this.#done = resolve
      this.#socket.write(this.#request)
    })
  }
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text)
  return end >= 0 && length !== null && text.length >= end + 4 + Number(length[1])
}

const clients = ports.map(port => ({ client: new Client(port), tookUs: [] as number[] }))
let failures = 0
for (const { client } of clients) for (let nth = 0; nth < warmUpRequests; nth++) await client.ask()
for (let sent = 0; sent < requests; sent += runRequests) {
  for (const { client, tookUs } of clients) {
    for (let nth = 0; nth < runRequests; nth++) {
      const beganNs = process.hrtime.bigint()
      const answer = await client.ask()
      tookUs.push(Number(process.hrtime.bigint() - beganNs) / 1000)
      if (!answer.startsWith('HTTP/1.1 200 ')) failures++
    }
  }
}
const p50Us = clients.map(({ tookUs }) => tookUs.sort((a, b) => a - b)[tookUs.length >> 1] ?? NaN)
console.log(JSON.stringify({ p50Us, failures } satisfies OneByOneResult))
process.exit(0)
