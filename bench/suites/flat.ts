// Suite `flat`: resident memory of a worker while it serves 1,000,000 requests: after the first 100,000 it must stay.
import { writeJson, verdict } from '../measure/report.ts'
import { residentKiB } from '../measure/cpu.ts'
import { onlyWorkerOf } from '../measure/worker.ts'
import { runAmount } from '../measure/generator.ts'
import { Processes } from '../processes.ts'
import { startPolygate } from '../rivals/polygate.ts'
import { startFastUpstream } from '../upstream/fast.ts'

const step = 100_000
const steps = 10
const limitMiB = 8

export async function flatSuite(json: string | null): Promise<void> {
  const processes = new Processes()
  const upstream = await startFastUpstream(processes, '', [128])
  const polygate = await startPolygate(processes, { cores: '', upstreamPort: upstream.port })
  const worker = onlyWorkerOf(polygate)
  const residentMiB: number[] = []
  for (let i = 0; i < steps; i++) {
    await runAmount(processes, { url: `http://127.0.0.1:${polygate.port}/128`, connections: 32, amount: step })
    residentMiB.push(residentKiB(worker) / 1024)
    console.error(`${(i + 1) * step} requests: ${(residentKiB(worker) / 1024).toFixed(1)} MiB`)
  }
  await processes.stopAll()
  const [first = NaN, ...later] = residentMiB
  verdict('growth after the first 100,000 requests', Math.max(...later) - first, limitMiB, 'MiB')
  writeJson(json, { suite: 'flat', step, residentMiB })
}
