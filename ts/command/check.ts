// `polygate check`: reads the configuration and all that it names, and says `ok` or everything that is wrong with it.
import { parseArgs } from 'node:util'
import { ConfigErrors, findConfigFile, formatError, loadConfig, type RouteCheck } from '../config/load.ts'
import type { Plan } from '../config/plan.ts'
import { compileCandidate } from '../gateway/match/candidate.ts'
import { compileRedirect, compileTarget } from '../gateway/match/target.ts'

export const usage = `usage: polygate check [--config FILE] [--format text|json]

Checks a configuration and the files that it names. All errors are shown in one pass.

  -c, --config FILE    default: polygate.yaml, polygate.yml or polygate.json in the current folder
      --format FORMAT  text (default) or json

Exit status: 0 ok, 1 there are errors.`

export function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { config: { type: 'string', short: 'c' }, format: { type: 'string', default: 'text' } },
    strict: true,
  })
  if (values.format !== 'text' && values.format !== 'json') {
    process.stderr.write(`polygate check: found --format ${values.format}, expected text or json\n`)
    return Promise.resolve(2)
  }
  return Promise.resolve(check(values.config, values.format === 'json'))
}

/** As the workers will: what would be refused there is an error here. */
export const checkRoute: RouteCheck = (route, index) => {
  compileCandidate(route, index)
  compileTarget(route)
  compileRedirect(route)
}

function check(named: string | undefined, json: boolean): number {
  try {
    const file = findConfigFile(named)
    const { plan, warnings } = loadConfig(file, process.env, checkRoute)
    const counts = countsOf(plan)
    if (json) {
      const more = warnings.length > 0 ? { warnings } : {}
      process.stdout.write(`${JSON.stringify({ ok: true, file, version: plan.version, ...counts, ...more })}\n`)
    } else {
      for (const warning of warnings) process.stderr.write(`warning: ${formatError(warning)}\n`)
      process.stdout.write(okLine(file, counts))
    }
    return 0
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error
    if (json) process.stdout.write(`${JSON.stringify({ ok: false, errors: error.errors })}\n`)
    else {
      const count = error.errors.length
      process.stderr.write(`${error.message}\n${count === 1 ? '1 error' : `${count} errors`}\n`)
    }
    return 1
  }
}

interface Counts {
  readonly listeners: number
  readonly routes: number
  readonly upstreams: number
  readonly peers: number
}

const countsOf = ({ listen, routes, upstreams }: Plan): Counts => ({
  listeners: listen.length,
  routes: routes.length,
  upstreams: upstreams.length,
  peers: upstreams.reduce((sum, upstream) => sum + upstream.endpoints.length, 0),
})

const okLine = (file: string, { listeners, routes, upstreams, peers }: Counts): string =>
  `ok ${file}: ${plural(listeners, 'listener')}, ${plural(routes, 'route')}, ${plural(upstreams, 'upstream')} with ${plural(peers, 'peer')}\n`

const plural = (count: number, name: string): string => `${count} ${name}${count === 1 ? '' : 's'}`
