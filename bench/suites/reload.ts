// Suite `reload`: ten SIGHUPs under load. No request may fail: not refused, not reset, not answered with an error.
import { appendFileSync } from 'node:fs'
import { writeJson, verdict } from '../measure/report.ts'
import { runLoad } from '../measure/generator.ts'
import { Processes } from '../processes.ts'
import { startPolygate } from '../rivals/polygate.ts'
import { startFastUpstream } from '../upstream/fast.ts'

const reloads = 10
const pauseMs = 700

export async function reloadSuite(json: string | null): Promise<void> {
  const processes = new Processes()
  const upstream = await startFastUpstream(processes, '', [128])
  const polygate = await startPolygate(processes, { cores: '', upstreamPort: upstream.port, workers: 2 })
  const url = `http://127.0.0.1:${polygate.port}`
  const seconds = Math.ceil((reloads * pauseMs) / 1000) + 2
  const load = runLoad(processes, {
    generator: 'autocannon',
    url: `${url}/128`,
    connections: 32,
    seconds,
    cores: '',
    threads: 1,
  })
  for (let i = 1; i <= reloads; i++) {
    await new Promise(resolve => setTimeout(resolve, pauseMs))
    // Another plan each time: the new route is asked for below.
    appendFileSync(
      polygate.configFile,
      `  - { name: reload-${i}, match: { path: /reload-${i} }, respond: { status: 200, body: done } }\n`,
    )
    polygate.running.signal('SIGHUP')
  }
  const result = await load
  const last = await fetch(`${url}/reload-${reloads}`)
  await processes.stopAll()
  if (last.status !== 200 || (await last.text()) !== 'done')
    throw new Error('INVALID: the last reload did not take effect')
  console.log(`${result.requests} requests during ${reloads} reloads ${result.failureText}`)
  verdict('failed requests', result.failures, 0, 'requests')
  writeJson(json, { suite: 'reload', reloads, requests: result.requests, failures: result.failures })
}
