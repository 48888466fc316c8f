// Suite `idle`: what 10,000 idle keep-alive connections cost a worker in memory. Each has had one answer.
import { createConnection, type Socket } from 'node:net'
import { residentKiB } from '../measure/cpu.ts'
import { writeJson, verdict } from '../measure/report.ts'
import { onlyWorkerOf } from '../measure/worker.ts'
import { Processes } from '../processes.ts'
import { startPolygate } from '../rivals/polygate.ts'
import { startFastUpstream } from '../upstream/fast.ts'

const wanted = 10_000
const atOnce = 200
const limitKiB = 10

export async function idleSuite(json: string | null): Promise<void> {
  const processes = new Processes()
  const upstream = await startFastUpstream(processes, '', [128])
  const polygate = await startPolygate(processes, {
    cores: '',
    upstreamPort: upstream.port,
    more: 'timeouts: { idleMs: 600000 }',
  })
  const worker = onlyWorkerOf(polygate)
  // The first connections bring the worker's code and pools into memory: they are not the connections' cost.
  const first = await openMany(polygate.port, 500)
  const beforeKiB = residentKiB(worker)
  const sockets = await openMany(polygate.port, wanted)
  const afterKiB = residentKiB(worker)
  const alive = sockets.filter(socket => !socket.destroyed).length
  for (const socket of [...first, ...sockets]) socket.destroy()
  await processes.stopAll()
  if (alive < wanted) throw new Error(`INVALID: only ${alive} of ${wanted} connections stayed open`)
  const eachKiB = (afterKiB - beforeKiB) / wanted
  verdict('memory of one idle connection', eachKiB, limitKiB, 'KiB')
  writeJson(json, { suite: 'idle', connections: wanted, beforeKiB, afterKiB, eachKiB })
}

async function openMany(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    sockets.push(
      ...(await Promise.all(Array.from({ length: Math.min(atOnce, count - sockets.length) }, () => openOne(port)))),
    )
  }
  return sockets
}

/** Resolves when the answer has begun. */
function openOne(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1')
    socket.once('error', reject)
    socket.once('data', answer => {
      if (answer.toString('latin1', 0, 12) === 'HTTP/1.1 200') resolve(socket)
      else reject(new Error(`INVALID: answered ${answer.toString('latin1', 0, 40)}`))
    })
    socket.write(`GET /128 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  })
}
