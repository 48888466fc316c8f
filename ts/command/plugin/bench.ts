// `polygate plugin bench`: measures what a call of each hook costs, on the first case, and says what is in the figures.
import { parseArgs } from 'node:util'
import { PluginError } from '../../config/plugins/folder.ts'
import { inFlight, measureHooks, type HookCost } from '../../gateway/trial/measure.ts'
import type { Log, LogFields } from '../../shared/log.ts'
import { folderIn, formatIn } from './arguments.ts'
import { readAuthorsPlugin } from './author.ts'
import { askedOf, replyOf, requestOf } from './cases.ts'

const defaultRounds = '9'
const mostRounds = 1000

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      cases: { type: 'string' },
      rounds: { type: 'string', default: defaultRounds },
      format: { type: 'string', default: 'text' },
    },
    allowPositionals: true,
    strict: true,
  })
  const folder = folderIn('bench', positionals)
  const format = formatIn('bench', values.format)
  const rounds = roundsIn(values.rounds)
  if (folder === null || format === null || rounds === null) return 2
  const author = readAuthorsPlugin(folder, values.cases)
  const [first] = author.list.cases
  try {
    const plugin = author.planFor(first!)
    const { log, failure } = listen()
    const costs = await measureHooks({
      plugin,
      upstreams: author.list.upstreams,
      consumers: author.consumers,
      log,
      request: requestOf(first!),
      reply: replyOf(first!),
      asked: askedOf(first!),
      rounds,
    }).catch((error: Error) => {
      throw new PluginError(`${first!.place}: ${error.message}`)
    })
    const failed = failure()
    if (failed !== null) throw new PluginError(`${first!.place}: a call that fails is not measured: ${failed}`)
    const { version, runtime, isolation } = plugin
    const measured = { plugin: plugin.name, version, runtime, isolation, case: first!.name, rounds }
    const hooks = costs.map(summarize)
    process.stdout.write(format === 'json' ? `${JSON.stringify({ ...measured, hooks })}\n` : shown(measured, hooks))
    return 0
  } finally {
    author.release()
  }
}

function roundsIn(text: string): number | null {
  const rounds = Number(text)
  if (/^\d+$/.test(text) && rounds >= 1 && rounds <= mostRounds) return rounds
  process.stderr.write(
    `polygate plugin bench: found --rounds ${text}, expected a whole number from 1 to ${mostRounds}\n`,
  )
  return null
}

/** A plugin's own lines are no part of the figures. */
function listen(): { readonly log: Log; readonly failure: () => string | null } {
  let first: string | null = null
  const error = (message: string, { hook, cause, reason }: LogFields = {}): void => {
    if (message === 'plugin failed') first ??= `${String(cause)} at ${String(hook)}: ${String(reason)}`
  }
  return { log: { debug() {}, info() {}, warn() {}, error }, failure: () => first }
}

/** Microseconds of CPU a call. */
interface Summary {
  readonly hook: string
  readonly medianUs: number
  readonly lowestUs: number
  readonly highestUs: number
  readonly otherThreadsUs: number
  readonly calls: number
}

const summarize = ({ hook, loopUs, otherUs, calls }: HookCost): Summary => ({
  hook,
  medianUs: median(loopUs),
  lowestUs: Math.min(...loopUs),
  highestUs: Math.max(...loopUs),
  otherThreadsUs: median(otherUs),
  calls,
})

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

interface Measured {
  readonly plugin: string
  readonly version: string
  readonly runtime: string
  readonly isolation: string
  readonly case: string
  readonly rounds: number
}

function shown(measured: Measured, hooks: readonly Summary[]): string {
  const { plugin, version, runtime, isolation, rounds } = measured
  const isThreaded = isolation === 'worker'
  const heads = ['hook', 'us a call', 'lowest', 'highest', ...(isThreaded ? ['in its thread'] : [])]
  const rows = hooks.map(({ hook, medianUs, lowestUs, highestUs, otherThreadsUs }) => [
    hook,
    ...[medianUs, lowestUs, highestUs, ...(isThreaded ? [otherThreadsUs] : [])].map(us => us.toFixed(2)),
  ])
  const calls = Math.min(...hooks.map(one => one.calls))
  return `${plugin} ${version}, ${runtime} ${isolation}: ${measured.case}

${[heads, ...rows].map(cells => cells.map((cell, at) => (at === 0 ? cell.padEnd(14) : cell.padStart(14))).join('')).join('\n')}

CPU time of the gateway's loop${isThreaded ? ', and beside it of the plugin’s thread' : ''}; medians of ${rounds} rounds of at least ${calls} calls${
    isThreaded ? `, ${inFlight} of them in flight` : ''
  }.
In it: the call as a gateway makes it, all that the plugin asks of the request, its edits and their checks, counting.
Not in it: reading a request, sending it on, and other work between two calls, which leaves the caches colder.
`
}
