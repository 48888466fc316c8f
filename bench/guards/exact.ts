// The part of the suite `guards` about exactness: two workers count one limit, to the request.
import { cpuBetween, takeSnapshot } from '../measure/cpu.ts'
import { countAmount } from '../measure/generator.ts'
import { workersOf } from '../measure/worker.ts'
import type { Processes } from '../processes.ts'
import { startPolygate } from '../rivals/polygate.ts'
import { consumersYaml, guardYaml, keyHeaders } from './consumers.ts'

export const exactLimit = 1000
const amount = 20_000
/** A worker that took part in such a load needed more than this. */
const leastCpuMs = 50

/** How many requests were admitted. Throws when a worker took no part, or the limit began to be there again. */
export async function countAdmitted(processes: Processes, upstreamPort: number): Promise<number> {
  const limit = `{ rateLimit: { limit: ${exactLimit}, per: 24h, by: consumer } }`
  const polygate = await startPolygate(processes, {
    name: 'two workers',
    cores: '',
    upstreamPort,
    workers: 2,
    more: consumersYaml(),
    routes: `  - { name: bench, match: { path: "/*" }, upstream: bench, guards: [ ${guardYaml.key}, ${limit} ] }\n`,
  })
  const workers = workersOf(polygate)
  const before = takeSnapshot()
  const url = `http://127.0.0.1:${polygate.port}/128`
  const { requests, refused, errors } = await countAmount(processes, {
    url,
    connections: 64,
    amount,
    headers: keyHeaders(),
  })
  const after = takeSnapshot()
  const idle = workers.filter(pid => Number(cpuBetween([pid], before, after)) / 1e6 < leastCpuMs)
  if (errors > 0 || requests !== amount) throw new Error(`INVALID: ${requests} of ${amount} requests, ${errors} errors`)
  if (workers.length !== 2 || idle.length > 0) throw new Error('INVALID: one worker had next to no requests')
  // One cell of 1,000 a day comes back after 86 seconds.
  if (Number(after.atNs - before.atNs) / 1e9 > 80) throw new Error('INVALID: it took so long that the limit moved')
  return requests - refused
}
