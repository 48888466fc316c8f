// autocannon with several requests in turn, which its command line does not know: FILE [-c N] [-d N] [-w N] URL, with sets
// of headers as JSON in the file. Prints what `autocannon --json` does. Started by generator.ts.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import type { RequestHeaders } from './generator.ts'

// It has no types of its own.
const autocannon = createRequire(import.meta.url)('autocannon') as (options: object) => Promise<object>

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    connections: { type: 'string', short: 'c' },
    duration: { type: 'string', short: 'd' },
    workers: { type: 'string', short: 'w' },
  },
})
const [file = '', url = ''] = positionals
const sets = JSON.parse(readFileSync(file, 'utf8')) as RequestHeaders[]
const options = {
  url,
  requests: sets.map(headers => ({ method: 'GET', headers })),
  connections: Number(values.connections),
  duration: Number(values.duration),
  ...(values.workers === undefined ? {} : { workers: Number(values.workers) }),
}
console.log(JSON.stringify(await autocannon(options)))
