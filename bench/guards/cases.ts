// What the suite `guards` measures whole requests through: a gateway a case, so that none carries another's code.
import type { RequestHeaders } from '../measure/generator.ts'
import type { GuardRivalName } from '../options.ts'
import type { Processes } from '../processes.ts'
import type { Gateway, GatewayOptions, StartGateway } from '../rivals/gateway.ts'
import { startHaproxy } from '../rivals/haproxy.ts'
import { startNginx } from '../rivals/nginx.ts'
import { startPolygate } from '../rivals/polygate.ts'
import {
  consumersYaml,
  guardYaml,
  keyHeaders,
  keys,
  passwordHeaders,
  signedHeaders,
  tokenHeaders,
} from './consumers.ts'

export interface GuardCase {
  readonly name: string
  readonly gateway: Gateway
  /** Made before each run: signatures are good for five minutes. */
  readonly headers: () => RequestHeaders
  /** The case that does the same without guards; its own name: this is one. */
  readonly base: string
  /** Microseconds that the worker may need more than for the base; null: only told. */
  readonly limitUs: number | null
}

const { key, limit, signature, jwt, basic, addresses } = guardYaml
const nothing = (): RequestHeaders => ({})
const plain = 'polygate'

const ours: readonly [
  name: string,
  guards: readonly string[],
  headers: () => RequestHeaders,
  limitUs: number | null,
][] = [
  [plain, [], nothing, null],
  ['key + signature + limit', [key, signature, limit], signedHeaders, 1.5],
  ['key', [key], keyHeaders, null],
  ['key + limit', [key, limit], keyHeaders, null],
  ['jwt', [jwt], tokenHeaders, null],
  ['basic', [basic], passwordHeaders, null],
  ['ipAllow', [addresses], nothing, null],
]

const rivalStarts: Readonly<Record<GuardRivalName, StartGateway>> = { nginx: startNginx, haproxy: startHaproxy }

export const routeYaml = (guards: readonly string[]): string =>
  `  - { name: bench, match: { path: "/*" }, upstream: bench, guards: [ ${guards.join(', ')} ] }\n`

export async function startCases(processes: Processes, where: GatewayOptions): Promise<GuardCase[]> {
  const more = consumersYaml()
  const cases: GuardCase[] = []
  for (const [name, guards, headers, limitUs] of ours) {
    const gateway = await startPolygate(processes, { ...where, name, more, routes: routeYaml(guards) })
    cases.push({ name, gateway, headers, limitUs, base: plain })
  }
  return cases
}

/** Each without guards, and with a map of the same keys and a limit by consumer. */
export async function startRivals(
  processes: Processes,
  where: GatewayOptions,
  names: readonly GuardRivalName[],
): Promise<{ readonly cases: readonly GuardCase[]; readonly missing: readonly string[] }> {
  const cases: GuardCase[] = []
  const missing: string[] = []
  for (const name of names) {
    const bare = await rivalStarts[name](processes, where)
    const guarded = await rivalStarts[name](processes, { ...where, keys })
    if (bare === null || guarded === null) {
      missing.push(name)
      continue
    }
    cases.push(
      { name: bare.name, gateway: bare, headers: nothing, base: bare.name, limitUs: null },
      { name: guarded.name, gateway: guarded, headers: keyHeaders, base: bare.name, limitUs: null },
    )
  }
  return { cases, missing }
}
