// What a running gateway's admin server says of it, for tests. Workers report once a second, so values are waited for.
import { within } from './scope.ts'

interface Administered {
  readonly adminUrl: string
}

const waitMs = 10_000
const pauseMs = 25

/** Samples by series as written: `name{label="value"}`. */
export async function metricsOf({ adminUrl }: Administered): Promise<Map<string, number>> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.lastIndexOf(' ')
    samples.set(line.slice(0, space), Number(line.slice(space + 1)))
  }
  return samples
}

/** Asks until `holds`, and gives the samples for which it does. Rejects with those that were of interest. */
export async function untilMetrics(
  gateway: Administered,
  what: string,
  holds: (samples: Map<string, number>) => boolean,
): Promise<Map<string, number>> {
  let samples = new Map<string, number>()
  let over = false
  const asking = async (): Promise<Map<string, number>> => {
    while (!over) {
      samples = await metricsOf(gateway)
      if (holds(samples)) break
      await new Promise(resolve => setTimeout(resolve, pauseMs))
    }
    return samples
  }
  try {
    return await within(waitMs, what, asking())
  } catch (error) {
    const shown = [...samples].filter(([series, value]) => value !== 0 && !/_bucket|_sum|process_|info/.test(series))
    throw new Error(`${(error as Error).message}; the metrics:\n${shown.map(one => one.join(' ')).join('\n')}`)
  } finally {
    over = true
  }
}

/** Asks until the series has the value; a series that is not there counts as 0. */
export async function untilMetric(gateway: Administered, series: string, value: number): Promise<void> {
  await untilMetrics(gateway, `${series} ${value}`, samples => (samples.get(series) ?? 0) === value)
}
