// `polygate plugin test`: runs a plugin on its cases, and says how what came of each differs from what was expected.
import { parseArgs } from 'node:util'
import { folderIn, formatIn } from './arguments.ts'
import { readAuthorsPlugin, type AuthorsPlugin } from './author.ts'
import { askedOf, replyOf, requestOf } from './cases.ts'
import { differences, lineText, type Difference } from './compare.ts'
import { Trials, type TrialOutcome } from './trials.ts'

interface CaseResult {
  readonly name: string
  readonly place: string
  /** None: it has passed. */
  readonly differences: readonly Difference[]
  /** What the plugin has said. */
  readonly logs: readonly string[]
}

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { cases: { type: 'string' }, format: { type: 'string', default: 'text' } },
    allowPositionals: true,
    strict: true,
  })
  const folder = folderIn('test', positionals)
  const format = formatIn('test', values.format)
  if (folder === null || format === null) return 2
  const plugin = readAuthorsPlugin(folder, values.cases)
  const results: CaseResult[] = []
  for await (const result of run(plugin)) {
    results.push(result)
    if (format === 'text') process.stdout.write(shown(result))
  }
  const failed = results.filter(one => one.differences.length > 0).length
  const passed = results.length - failed
  process.stdout.write(
    format === 'json'
      ? `${JSON.stringify({ passed, failed, cases: results })}\n`
      : `${passed} passed, ${failed} failed\n`,
  )
  return failed === 0 ? 0 : 1
}

async function* run(plugin: AuthorsPlugin): AsyncGenerator<CaseResult> {
  const { list, consumers } = plugin
  const trials = new Trials()
  try {
    for (const one of list.cases) {
      const outcome = await trials.run({
        plugin: plugin.planFor(one),
        upstreams: list.upstreams,
        consumers,
        asked: askedOf(one),
        request: requestOf(one),
        reply: replyOf(one),
      })
      yield { name: one.name, place: one.place, differences: differences(one, outcome), logs: logsOf(outcome) }
    }
  } finally {
    trials.close()
    plugin.release()
  }
}

const logsOf = (outcome: TrialOutcome): string[] => (outcome.kind === 'done' ? outcome.lines.map(lineText) : [])

function shown({ name, place, differences, logs }: CaseResult): string {
  if (differences.length === 0) return `ok    ${name}\n`
  const lines = differences.flatMap(({ at, expected, found }) => [
    `      ${at}`,
    ...marked('-', expected),
    ...marked('+', found),
  ])
  const said = logs.map(line => `      ${line}`)
  return `${[`FAIL  ${name}  ${place}`, ...lines, ...said].join('\n')}\n`
}

/** Long texts of several lines stay readable. */
const marked = (mark: string, text: string): string[] => text.split('\n').map(line => `        ${mark} ${line}`)
