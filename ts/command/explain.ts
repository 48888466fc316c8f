// `polygate explain METHOD URL`: which route a request takes, why the others do not, what would run, and what the guards say
// of it. The head is read by the same native code as a real one, so that what is refused there is refused here.
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { secretParametersOf } from '../config/checks.ts'
import { ConfigErrors, findConfigFile, loadConfig } from '../config/load.ts'
import type {
  CheckPlan,
  ConcurrencyGuardPlan,
  GuardPlan,
  HeaderEditsPlan,
  JwtGuardPlan,
  LimitGuardPlan,
  Plan,
  RoutePlan,
  SignatureGuardPlan,
  UpstreamSignPlan,
} from '../config/plan.ts'
import type { Explanation } from '../gateway/match/explain.ts'
import { compileRouter } from '../gateway/match/router.ts'
import { compileRedirect, compileTarget } from '../gateway/match/target.ts'
import { masked } from '../shared/masked-query.ts'
import { native } from '../shared/native.ts'
import type { LimitWindow } from '../shared/native-limits.ts'
import { HeadInfo, headRefusals, methodNames } from '../shared/native-heads.ts'
import { checkRoute } from './check.ts'
import { decide, type Decision } from './decide.ts'

export const usage = `usage: polygate explain METHOD URL [-H 'name: value']... [--config FILE] [--format text|json]

Says which route a request takes, why the others do not, what would run, and what the route's guards say of it. Nothing
is counted or remembered, and no credential is shown.

  -H, --header LINE    a request header, may be repeated
      --from ADDRESS   the client's address; default: 127.0.0.1
  -c, --config FILE    default: polygate.yaml, polygate.yml or polygate.json in the current folder
      --format FORMAT  text (default) or json

Exit status: 0 a route was found, or the answer is 404 or 405; 1 the configuration has errors; 2 usage.`

/** Names that are listed. */
const mostOwners = 5

interface Request {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
}

interface Told {
  readonly request: Request | null
  /** Why the request would be refused before any route is asked. */
  readonly refused: string | null
  readonly explanation: Explanation | null
  readonly runs: readonly string[]
  readonly decision: Decision | null
}

/** What the command line says of the request. */
interface Asked {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly target: string
  readonly lines: readonly string[]
  readonly from: string
}

export function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      header: { type: 'string', short: 'H', multiple: true, default: [] },
      from: { type: 'string', default: '127.0.0.1' },
      config: { type: 'string', short: 'c' },
      format: { type: 'string', default: 'text' },
    },
  })
  const [method, text, ...more] = positionals
  const url = text === undefined ? null : urlOf(text)
  const isSound = isIP(values.from) !== 0 && ['text', 'json'].includes(values.format)
  if (method === undefined || url === null || more.length > 0 || !isSound) {
    process.stderr.write(`${usage}\n`)
    return Promise.resolve(2)
  }
  return explain({ method, ...url, lines: values.header, from: values.from }, values.config, values.format === 'json')
}

/** `https://host/path`, or a path alone. The path is kept as it was typed: URL would normalise it. */
function urlOf(text: string): Pick<Asked, 'scheme' | 'host' | 'target'> | null {
  if (text.startsWith('/')) return { scheme: 'http', host: 'localhost', target: text }
  const parts = /^(https?):\/\/([^/?#]+)([^#]*)$/i.exec(text)
  if (parts === null) return null
  const [, scheme = '', host = '', rest = ''] = parts
  const target = rest.startsWith('/') ? rest : `/${rest}`
  return { scheme: scheme.toLowerCase() === 'https' ? 'https' : 'http', host, target }
}

async function explain(asked: Asked, named: string | undefined, json: boolean): Promise<number> {
  try {
    const { plan } = loadConfig(findConfigFile(named), process.env, checkRoute)
    const told = await tell(plan, asked)
    process.stdout.write(json ? `${JSON.stringify({ ...told, routes: routesOf(plan, told) })}\n` : textOf(plan, told))
    return 0
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

async function tell(plan: Plan, { method, scheme, host, target, lines, from }: Asked): Promise<Told> {
  const { maxHeadBytes, maxHeaders } = plan.limits
  const heads = new (native().RequestHeads)({ slots: 1, maxHeadBytes, maxHeaders })
  const hosts = lines.some(line => /^host\s*:/i.test(line)) ? [] : [`host: ${host}`]
  const head = [`${method} ${target} HTTP/1.1`, ...hosts, ...lines, '', ''].join('\r\n')
  const refusal = heads.takeText(0, head)
  if (refusal !== 0) {
    const refused = headRefusals[refusal]?.detail ?? 'malformed'
    return { request: null, refused, explanation: null, runs: [], decision: null }
  }
  const textAt = (offset: number, length: number): string => {
    const from = heads.info[offset]!
    return heads.slab.latin1Slice(from, from + heads.info[length]!)
  }
  const request: Request = {
    method: methodNames[heads.info[HeadInfo.methodId]!] || textAt(HeadInfo.methodOffset, HeadInfo.methodLength),
    host: textAt(HeadInfo.hostOffset, HeadInfo.hostLength),
    path: textAt(HeadInfo.pathOffset, HeadInfo.pathLength),
    query: textAt(HeadInfo.queryOffset, HeadInfo.queryLength),
  }
  const explanation = compileRouter(plan.routes).explain(request.method, request.host, request.path, name =>
    heads.header(0, name),
  )
  const route = plan.routes[explanation.route]
  const isGuarded = route !== undefined && !explanation.preflight
  const decision = isGuarded ? await decide(plan, route, { heads, ...request, scheme, from }) : null
  // What guards have read is not shown.
  const shown = { ...request, query: masked(`?${request.query}`, secretParametersOf(plan)).slice(1) }
  const runs = route === undefined ? [] : runsOf(plan, route, shown, explanation)
  return { request: shown, refused: null, explanation, runs, decision }
}

function runsOf(plan: Plan, route: RoutePlan, request: Request, { captures, preflight }: Explanation): string[] {
  if (preflight) return ['the preflight is answered by cors, nothing goes upstream']
  const values = captures.map(([, value]) => value)
  const runs: string[] = []
  if (route.cors !== null) runs.push(`cors for ${route.cors.origins.join(', ')}`)
  if (route.maxBodyBytes > 0) runs.push(`body of at most ${route.maxBodyBytes} bytes`)
  const owners = plan.consumers.filter(({ limits }) => limits.length > 0).map(({ name }) => name)
  runs.push(...route.guards.map(guard => `${guardText(guard)}${ownText(guard, owners)}`))
  const { action } = route
  switch (action.kind) {
    case 'respond':
      runs.push(`answers ${action.status} by itself`)
      break
    case 'redirect':
      runs.push(`redirects ${action.status} to ${compileRedirect(route)!(request.path, values, request.query)}`)
      break
    case 'forward': {
      const upstream = plan.upstreams[action.upstream]!
      const path = compileTarget(route)?.(request.path, values) ?? request.path
      const query = request.query === '' ? '' : `?${request.query}`
      runs.push(
        `forwards ${request.method} ${path}${query} to upstream ${upstream.name} (${upstream.endpoints.map(({ url }) => url).join(', ')})`,
      )
      runs.push(...editsOf(route.requestHeaders, ''))
      if (upstream.sign !== null) runs.push(signText(upstream.sign))
    }
  }
  runs.push(...editsOf(route.responseHeaders, ' to the response'))
  return runs
}

const signText = ({ scheme, keyId, signsBody, maxBodyBytes }: UpstreamSignPlan): string =>
  `signs it with key ${keyId} (${scheme})${signsBody ? `, with its body of at most ${maxBodyBytes} bytes` : ''}`

const guardText = (guard: GuardPlan): string =>
  guard.kind === 'any'
    ? `any of: ${guard.of.map(all => all.map(checkText).join(', and ')).join('; or ')}`
    : checkText(guard)

/** Whose limits stand in the place of these. */
function ownText(guard: GuardPlan, owners: readonly string[]): string {
  const isTheirs = guard.kind === 'own-limits' || (guard.kind === 'limit' && guard.by === 'consumer')
  if (!isTheirs || owners.length === 0) return ''
  const more = owners.length > mostOwners ? ` and ${owners.length - mostOwners} more` : ''
  return `; of their own: ${owners.slice(0, mostOwners).join(', ')}${more}`
}

function checkText(guard: CheckPlan): string {
  if (guard.kind === 'jwt') return jwtText(guard)
  if (guard.kind === 'key') {
    return `key guard: a consumer's key in ${guard.from} ${guard.name}, else 401; the upstream gets X-Consumer-Name in its place`
  }
  if (guard.kind === 'basic') {
    return `basic guard: username and password of a consumer (realm ${guard.realm}), else 401; the upstream gets X-Consumer-Name in their place`
  }
  if (guard.kind === 'certificate') {
    const told = guard.headers.length === 0 ? '' : ` and ${guard.headers.join(', ')}`
    return `client certificate of a consumer, else 401; the upstream gets X-Consumer-Name${told}`
  }
  if (guard.kind === 'address')
    return `addresses: ${guard.allow ? 'only' : 'none'} of ${guard.blocks.join(', ')}, else 403`
  if (guard.kind === 'signature') return signatureText(guard)
  if (guard.kind === 'own-limits') return 'the limits that a consumer has of its own; past them 429'
  return limitText(guard)
}

function limitText(guard: LimitGuardPlan | ConcurrencyGuardPlan): string {
  const by = guard.by === 'header' ? `header ${guard.header}` : guard.by
  return guard.kind === 'limit'
    ? `limits by ${by}: ${guard.windows.map(windowText).join(', ')}; past them 429`
    : `at most ${guard.limit} at once by ${by}; past them 429`
}

function signatureText({ verifier, remember }: SignatureGuardPlan): string {
  const { scheme, skewSeconds, consumer } = verifier
  const whose = consumer === null ? "a consumer's" : `consumer ${consumer}'s`
  const clock = skewSeconds === 0 ? '' : `, made within ${skewSeconds} s`
  const once = remember === 'nothing' ? '' : remember === 'once' ? ', once' : ', from one address'
  return `signature guard: ${whose} ${scheme} signature${clock}${once}, else 401; the upstream gets X-Consumer-Name`
}

function jwtText({
  from,
  name,
  jwks,
  keys,
  algorithms,
  issuers,
  consumerClaim,
  headers,
  forward,
}: JwtGuardPlan): string {
  const whose =
    jwks === null
      ? `${keys.length === 1 ? 'a key' : `${keys.length} keys`} of the configuration`
      : `the keys of ${jwks}`
  const who = consumerClaim === null ? '' : `; ${consumerClaim} says which consumer`
  const sent = headers.map(({ name, claim }) => `${claim} as ${name}`)
  const upstream = [...(forward ? ['the token'] : []), ...sent, ...(consumerClaim === null ? [] : ['X-Consumer-Name'])]
  return (
    `jwt guard: a token in ${from} ${name}, ${algorithms.join(' or ')}, by ${whose}` +
    `${issuers.length > 0 ? ` of ${issuers.join(' or ')}` : ''}, else 401${who}; ` +
    `the upstream gets ${upstream.join(', ') || 'nothing of it'}`
  )
}

const windowText = ({ kind, limit, periodMs, burst }: LimitWindow): string =>
  kind === 'rate'
    ? `${limit} in ${periodMs / 1000} s${burst === limit ? '' : `, ${burst} at once`}`
    : `${limit} a calendar ${kind}`

/** Headers that by their names carry a credential of the gateway's own. */
const secretName = /auth|cookie|credential|key|password|secret|session|signature|token/i
const shownValue = (name: string, value: string): string => (secretName.test(name) ? '*' : value)

const editsOf = (edits: HeaderEditsPlan | null, where: string): string[] => [
  ...(edits?.set ?? []).map(([name, value]) => `sets ${name}: ${shownValue(name, value)}${where}`),
  ...(edits?.append ?? []).map(([name, value]) => `appends ${name}: ${shownValue(name, value)}${where}`),
  ...(edits?.remove ?? []).map(name => `removes ${name}${where.replace(' to ', ' from ')}`),
]

/** `key admitted: goes on as alice`, and what is left to a running gateway. */
function decisionText({ outcomes, consumer, refused, open }: Decision): string {
  const said = outcomes.length === 0 ? '' : `${outcomes.join(', ')}: `
  if (refused !== null) return `${said}${refused.status} ${refused.code}`
  const rest = open.length === 0 ? '' : `; not asked here: ${open.join(', ')}`
  return `${said}goes on${consumer === null ? '' : ` as ${consumer}`}${rest}`
}

/** The explanation's routes with their names. */
const routesOf = (plan: Plan, { explanation }: Told): unknown[] =>
  (explanation?.routes ?? []).map(({ route, reason, detail }) => {
    const { name, source } = plan.routes[route]!
    return { name, source, reason, detail }
  })

function textOf(plan: Plan, { request, refused, explanation, runs, decision }: Told): string {
  if (request === null || explanation === null) return `refused with 400: ${refused}\n`
  const lines = [
    `request  ${request.method} host ${request.host || '(none)'} path ${request.path}${request.query === '' ? '' : ` query ${request.query}`}`,
  ]
  const chosen = plan.routes[explanation.route]
  if (chosen === undefined)
    lines.push(
      explanation.allow === null
        ? 'answer   404 no_route'
        : `answer   405 method_not_allowed, Allow: ${explanation.allow}`,
    )
  else {
    lines.push(`route    ${chosen.name} (${chosen.source})`)
    for (const [name, value] of explanation.captures) lines.push(`         {${name}} = ${value}`)
    for (const run of runs) lines.push(`runs     ${run}`)
    if (decision !== null) lines.push(`decides  ${decisionText(decision)}`)
  }
  for (const { route, reason, detail } of explanation.routes) {
    if (reason === null) continue
    const { name, source } = plan.routes[route]!
    lines.push(`not      ${name} (${source}): ${detail === '' ? reason : detail}`)
  }
  return `${lines.join('\n')}\n`
}
