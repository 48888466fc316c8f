// Validated configuration -> plan: names become indexes, files absolute, shorthands plain. Called by load. Synchronous:
// a peer with a name for a host is one endpoint with `ip: null` here; control resolves it and puts one endpoint an
// address in its place. Defaults are not filled here: the schema has them.
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { consumerPlan, guardPlans, type GuardContext } from './compile-guards.ts'
import { longestSkews, type KeySources } from './compile-signatures.ts'
import { readPeerUrl, readStatuses } from './formats.ts'
import type { NamedFiles } from './named-files.ts'
import type {
  ActionPlan,
  BalancePlan,
  EndpointPlan,
  EndpointTlsPlan,
  HeaderEditsPlan,
  HeaderPair,
  ListenPlan,
  Plan,
  PluginPlan,
  RoutePlan,
  UpstreamPlan,
} from './plan.ts'
import { SecretList } from './secrets.ts'
import type { Config, ListenConfig, RouteConfig, UpstreamConfig } from './schema.ts'
import { upstreamSignPlan } from './upstream-signing.ts'

export interface CompileOptions {
  /** What relative file names start from. */
  readonly folder: string
  readonly files: NamedFiles
  /** For the plan's `sourceFiles`. */
  readonly sourceFiles: readonly string[]
  readonly plugins: readonly PluginPlan[]
  /** `file:line:col` of a route. */
  readonly sourceOf: (routeIndex: number) => string
  /** The environment variable that is all of the text at this place, or null. */
  readonly variableAt: (keys: readonly (string | number)[]) => string | null
}

export function compile(config: Config, options: CompileOptions): Plan {
  const absolute = (file: string): string => resolve(options.folder, file)
  const names = [...config.upstreams.keys()]
  const { accessLog, admin, counting, limits } = config
  const secrets = new SecretList()
  const sources = { secrets, files: options.files, absolute, variableAt: options.variableAt }
  const consumers = [...config.consumers].map(([name, consumer]) => consumerPlan(name, consumer, sources))
  const context = {
    ...sources,
    longestSkews: longestSkews(config.routes),
    anyOwnLimits: consumers.some(consumer => consumer.limits.length > 0),
  }
  const plan = {
    listen: config.listen.map(listener => listenPlan(listener, absolute, options.files)),
    workers: config.workers === 'auto' ? availableParallelism() : config.workers,
    admin: admin && { ...admin },
    limits: { ...limits },
    timeouts: { ...config.timeouts },
    accessLog: accessLog && { ...accessLog, target: logTarget(accessLog.target, absolute) },
    forwarded: { ...config.forwarded },
    upstreams: [...config.upstreams].map(([name, upstream]) => upstreamPlan(name, upstream, sources)),
    consumers,
    secrets: secrets.list,
    counting: { ...counting, file: counting.file === null ? null : absolute(counting.file) },
    plugins: options.plugins,
    routes: config.routes.map((route, index) => routePlan(route, index, names, limits.maxBodyBytes, context, options)),
    sourceFiles: [...options.sourceFiles],
  }
  const settled = { ...plan, accessLog: plan.accessLog || null }
  return { version: planVersion(settled, options.files), ...settled }
}

/** Of the content: two files that say the same have one version. Named files count by content, not by name alone. */
function planVersion(plan: Omit<Plan, 'version'>, files: NamedFiles): string {
  // Objects above are built key by key in one order, so their JSON is canonical.
  const json = JSON.stringify([plan, [...files.values()].map(({ hash }) => hash)])
  return createHash('sha256').update(json).digest('hex').slice(0, 12)
}

const logTarget = (target: string, absolute: (file: string) => string): string =>
  target === 'stdout' || target === 'stderr' ? target : absolute(target)

function listenPlan(listener: ListenConfig, absolute: (file: string) => string, files: NamedFiles): ListenPlan {
  if ('unix' in listener) return { address: '', port: 0, unix: absolute(listener.unix), tls: null }
  const { address, port, tls } = listener
  if (tls === null) return { address, port, unix: null, tls: null }
  const certificates = [{ hosts: [], certificate: tls.certificate, key: tls.key }, ...tls.sni].map(entry => ({
    hosts: entry.hosts.map(host => host.toLowerCase()),
    certificate: absolute(entry.certificate),
    key: absolute(entry.key),
  }))
  const clientCa = tls.clientCa === null ? null : absolute(tls.clientCa)
  const clientCrl = tls.clientCrl === null ? null : absolute(tls.clientCrl)
  const fingerprint = createHash('sha256')
  const contents: Record<string, string> = {}
  for (const name of certificates
    .flatMap(entry => [entry.certificate, entry.key])
    .concat(clientCa ?? [], clientCrl ?? [])) {
    const file = files.get(name)
    fingerprint.update(`${file?.hash}\n`)
    if (file) contents[name] = file.text
  }
  return {
    address,
    port,
    unix: null,
    tls: {
      certificates,
      clientCa,
      clientCertificate: tls.clientCertificate,
      clientCrl,
      minVersion: tls.minVersion,
      fingerprint: fingerprint.digest('hex').slice(0, 16),
      contents,
    },
  }
}

function upstreamPlan(name: string, upstream: UpstreamConfig, sources: KeySources): UpstreamPlan {
  const { health, breaker } = upstream
  const active = health.active && {
    ...health.active,
    statuses: health.active.statuses.flatMap(statusRange),
  }
  return {
    name,
    endpoints: upstream.peers.map(peer => endpointPlan(peer, upstream.tls, sources.absolute)),
    balance: balancePlan(upstream.balance),
    timeouts: { ...upstream.timeouts },
    retries: upstream.retries,
    retryBudget: { ...upstream.retryBudget },
    pool: { ...upstream.pool },
    health: { passive: health.passive || null, active: active || null },
    breaker: breaker || null,
    hostHeader: upstream.hostHeader,
    sign: upstream.sign && upstreamSignPlan(name, upstream.sign, sources),
  }
}

function statusRange(status: number | string): number[] {
  if (typeof status === 'number') return [status]
  const [first, last] = checked(readStatuses(status))
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

function balancePlan(balance: UpstreamConfig['balance']): BalancePlan {
  if (typeof balance === 'string') return { kind: balance }
  const { header, cookie } = balance.on
  if (header !== null) return { kind: 'consistent-hash', on: 'header', name: header.toLowerCase() }
  if (cookie !== null) return { kind: 'consistent-hash', on: 'cookie', name: cookie }
  return { kind: 'consistent-hash', on: 'address', name: '' }
}

type PeerConfig = UpstreamConfig['peers'][number]

function endpointPlan(
  peer: PeerConfig,
  shared: UpstreamConfig['tls'],
  absolute: (file: string) => string,
): EndpointPlan {
  const { scheme, host, port, path } = checked(readPeerUrl(peer.url))
  const tls = scheme === 'https' ? tlsPlan(peer.tls ?? shared, host, absolute) : null
  if (scheme === 'unix') {
    return { url: `unix://${path}`, host: '', port: 0, ip: null, unix: path, weight: peer.weight, tls }
  }
  const url = `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  return { url, host, port, ip: isIP(host) > 0 ? host : null, unix: null, weight: peer.weight, tls }
}

function tlsPlan(tls: UpstreamConfig['tls'], host: string, absolute: (file: string) => string): EndpointTlsPlan {
  const file = (name: string | null): string | null => (name === null ? null : absolute(name))
  return {
    serverName: tls.serverName ?? host,
    ca: file(tls.ca),
    certificate: file(tls.certificate),
    key: file(tls.key),
    verify: tls.verify,
  }
}

function routePlan(
  route: RouteConfig,
  index: number,
  upstreamNames: readonly string[],
  maxBodyBytes: number,
  context: GuardContext,
  options: CompileOptions,
): RoutePlan {
  const { match } = route
  return {
    name: route.name,
    source: options.sourceOf(index),
    match: {
      hosts: match.hosts.map(host => host.toLowerCase()),
      path: match.path,
      methods: [...match.methods],
      headers: [...match.headers].map(([name, value]) => ({
        name: name.toLowerCase(),
        value: typeof value === 'string' ? value : null,
      })),
      priority: match.priority,
    },
    action: actionPlan(route, upstreamNames),
    guards: guardPlans(route, index, context),
    plugins: route.plugins.map(name => options.plugins.findIndex(plugin => plugin.name === name)),
    cors:
      (route.cors && {
        ...route.cors,
        headers: lower(route.cors.headers),
        exposeHeaders: lower(route.cors.exposeHeaders),
      }) ||
      null,
    requestHeaders: editsPlan(route.requestHeaders),
    responseHeaders: editsPlan(route.responseHeaders),
    maxBodyBytes: route.maxBodyBytes ?? maxBodyBytes,
    webSocket: route.webSocket,
  }
}

function actionPlan(route: RouteConfig, upstreamNames: readonly string[]): ActionPlan {
  const { respond, redirect, stripPrefix, rewrite } = route
  if (respond) return { kind: 'respond', status: respond.status, headers: pairs(respond.headers), body: respond.body }
  if (redirect) return { kind: 'redirect', to: redirect.to, status: redirect.status }
  return { kind: 'forward', upstream: upstreamNames.indexOf(route.upstream ?? ''), stripPrefix, rewrite }
}

function editsPlan(edits: RouteConfig['requestHeaders']): HeaderEditsPlan | null {
  if (edits === null) return null
  const plan = { set: pairs(edits.set), append: pairs(edits.append), remove: lower(edits.remove) }
  return plan.set.length + plan.append.length + plan.remove.length === 0 ? null : plan
}

const pairs = (values: ReadonlyMap<string, string | readonly string[]>): HeaderPair[] =>
  [...values].flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((text): HeaderPair => [name.toLowerCase(), text]),
  )

const lower = (names: readonly string[]): string[] => names.map(name => name.toLowerCase())

/** Validation has read these texts before; a failure here is a fault of ours, not of the file. */
function checked<T>(value: T | string): T {
  if (typeof value === 'string') throw new TypeError(`unvalidated text reached the compiler, expected ${value}`)
  return value
}
