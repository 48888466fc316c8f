// Suite `memory`: a 2 GiB body in each direction while the receiving side reads slowly. A gateway with back-pressure
// holds little of it; one without holds most.
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { residentKiB } from '../measure/cpu.ts'
import { writeJson, verdict } from '../measure/report.ts'
import { onlyWorkerOf, watchPeak } from '../measure/worker.ts'
import { Processes } from '../processes.ts'
import { startPolygate } from '../rivals/polygate.ts'

const bodyBytes = 2 * 1024 ** 3
const chunk = Buffer.alloc(256 * 1024, 'x')
const limitMiB = 32

/** Reads all, with a pause of 5 ms after every 4 MiB: always behind a sender on the same machine. */
async function readSlowly(stream: IncomingMessage): Promise<number> {
  let total = 0
  let sincePause = 0
  for await (const part of stream as AsyncIterable<Buffer>) {
    total += part.length
    sincePause += part.length
    if (sincePause >= 4 * 1024 ** 2) {
      sincePause = 0
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  return total
}

interface Sink {
  write(chunk: Buffer): boolean
  once(event: 'drain', listener: () => void): unknown
  end(): unknown
}

async function sendBody(sink: Sink): Promise<void> {
  for (let sent = 0; sent < bodyBytes; sent += chunk.length) {
    if (!sink.write(chunk)) await new Promise<void>(resolve => sink.once('drain', resolve))
  }
  sink.end()
}

export async function memorySuite(json: string | null): Promise<void> {
  const upstream = createServer((req, res) => {
    if (req.url === '/down') {
      res.writeHead(200, { 'content-length': bodyBytes })
      void sendBody(res)
    } else {
      readSlowly(req).then(
        total => res.end(String(total)),
        (error: Error) => res.destroy(error),
      )
    }
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => upstream.once('listening', resolve))
  const processes = new Processes()
  const upstreamPort = (upstream.address() as AddressInfo).port
  const polygate = await startPolygate(processes, { cores: '', upstreamPort, more: 'limits: { maxBodyBytes: 0 }' })
  const worker = onlyWorkerOf(polygate)
  for (let i = 0; i < 100; i++) await exchange(polygate.port, 'POST', '/small', null)
  const growthMiB: Record<string, number> = {}
  for (const direction of ['down', 'up'] as const) {
    const beforeKiB = residentKiB(worker)
    const watch = watchPeak(worker)
    const received =
      direction === 'down'
        ? Number(await exchange(polygate.port, 'GET', '/down', null))
        : Number(await exchange(polygate.port, 'POST', '/up', sendBody))
    growthMiB[direction] = (watch.stop() - beforeKiB) / 1024
    if (received !== bodyBytes) throw new Error(`INVALID: ${direction}: ${received} of ${bodyBytes} bytes came through`)
    verdict(`growth of the worker, 2 GiB ${direction} with a slow reader`, growthMiB[direction], limitMiB, 'MiB')
  }
  await processes.stopAll()
  upstream.closeAllConnections()
  upstream.close()
  writeJson(json, { suite: 'memory', bodyBytes, growthMiB })
}

/** For GET the number of body bytes, else the answer's text. Rejects for any status but 200. */
function exchange(
  port: number,
  method: string,
  path: string,
  send: ((sink: Sink) => Promise<void>) | null,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = send ? { 'content-length': bodyBytes } : {}
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers }, response => {
      if (response.statusCode !== 200) return reject(new Error(`INVALID: ${path} answered ${response.statusCode}`))
      if (method === 'GET') return void readSlowly(response).then(total => resolve(String(total)), reject)
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve(text)).on('error', reject)
    })
    request.on('error', reject)
    if (send) send(request).catch(reject)
    else request.end()
  })
}
