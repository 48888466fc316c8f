// Suite `start`: wall-clock time from starting the command to the first proxied answer, several times.
import { writeJson, verdict } from '../measure/report.ts'
import { median } from '../measure/statistics.ts'
import { Processes } from '../processes.ts'
import { startPolygate } from '../rivals/polygate.ts'
import { startFastUpstream } from '../upstream/fast.ts'

const times = 7
const limitMs = 500

export async function startSuite(json: string | null): Promise<void> {
  const processes = new Processes()
  const upstream = await startFastUpstream(processes, '', [128])
  const startsMs: number[] = []
  for (let i = 0; i < times; i++) {
    const from = performance.now()
    const polygate = await startPolygate(processes, { cores: '', upstreamPort: upstream.port })
    const answer = await fetch(`http://127.0.0.1:${polygate.port}/128`)
    if (answer.status !== 200) throw new Error(`INVALID: first answer has status ${answer.status}`)
    startsMs.push(performance.now() - from)
    polygate.running.signal('SIGTERM')
    await polygate.running.exited
  }
  await processes.stopAll()
  console.log(startsMs.map(ms => ms.toFixed(0)).join(' ms, ') + ' ms')
  verdict('start to first answer, median', median(startsMs), limitMs, 'ms')
  writeJson(json, { suite: 'start', startsMs, medianMs: median(startsMs) })
}
