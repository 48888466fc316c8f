// Rules about routes: names, references, and keys that only make sense together.
import { child, describe, entriesOf, has, itemsOf, numberOf, textOf, type Node } from '../nodes.ts'
import { didYouMean } from '../nearest.ts'
import { readPathPattern, readTarget, type PathPattern } from '../path-pattern.ts'
import { trailOf, type Problems } from '../problems.ts'
import { match as matchShape, respond as respondShape } from '../schema/route.ts'
import { misfit, orDefault, type Rule } from './rule.ts'

export const uniqueRouteNames: Rule = (root, problems) => {
  const seen = new Map<string, number>()
  for (const [index, route] of routesOf(root)) {
    const node = child(route, 'name')
    const name = textOf(node)
    if (!node || name === undefined) continue
    const first = seen.get(name)
    if (first === undefined) seen.set(name, index)
    else misfit(problems, node, trailOf('routes', index, 'name'), `a name of its own: routes[${first}] has it already`)
  }
}

export const knownUpstreams: Rule = (root, problems) => {
  const names = [...entriesOf(child(root, 'upstreams'))].map(([name]) => name)
  for (const [index, route] of routesOf(root)) {
    const node = child(route, 'upstream')
    const name = textOf(node)
    if (!node || name === undefined || names.includes(name)) continue
    const secret = node.kind === 'scalar' && node.from !== null
    const known = names.length === 0 ? 'upstreams to have it; it has none' : `one of the upstreams ${listed(names)}`
    misfit(problems, node, trailOf('routes', index, 'upstream'), `${known}${secret ? '' : didYouMean(name, names)}`)
  }
}

export const knownPlugins: Rule = (root, problems) => {
  const names = [...entriesOf(child(root, 'plugins'))].map(([name]) => name)
  for (const [index, route] of routesOf(root)) {
    for (const [at, node] of itemsOf(child(route, 'plugins')).entries()) {
      const name = textOf(node)
      if (name === undefined || names.includes(name)) continue
      const known = names.length === 0 ? 'plugins to have it; it has none' : `one of the plugins ${listed(names)}`
      misfit(problems, node, trailOf('routes', index, 'plugins', at), `${known}${didYouMean(name, names)}`)
    }
  }
}

const listed = (names: readonly string[]): string =>
  names.length > 12 ? `${names.slice(0, 12).join(', ')} and ${names.length - 12} more` : names.join(', ')

/** Two routes that take exactly the same requests: the second would never be reached. */
export const reachableRoutes: Rule = (root, problems) => {
  const seen = new Map<string, number>()
  for (const [index, route] of routesOf(root)) {
    const match = child(route, 'match')
    if (match?.kind !== 'map') continue
    const key = matchKey(match)
    const first = seen.get(key)
    if (first === undefined) seen.set(key, index)
    else {
      problems.add(
        match.offset,
        trailOf('routes', index, 'match'),
        `never reached: routes[${first}] takes the same requests`,
      )
    }
  }
}

function matchKey(match: Node): string {
  const texts = (key: string): string[] =>
    itemsOf(child(match, key))
      .map(node => textOf(node) ?? '')
      .sort()
  const headers = [...entriesOf(child(match, 'headers'))].map(([name, { node }]) => [
    name.toLowerCase(),
    textOf(node) ?? null,
  ])
  const path = textOf(orDefault(matchShape, match, 'path')) ?? null
  const hosts = texts('hosts').map(host => host.toLowerCase())
  return JSON.stringify([
    hosts,
    path,
    texts('methods'),
    headers.sort(),
    numberOf(orDefault(matchShape, match, 'priority')) ?? null,
  ])
}

const forwardOnly = ['stripPrefix', 'rewrite', 'requestHeaders', 'webSocket'] as const

export const fittingKeys: Rule = (root, problems) => {
  for (const [index, route] of routesOf(root)) {
    const action = ['upstream', 'respond', 'redirect'].find(key => has(route, key))
    for (const key of action === 'upstream' || action === undefined ? [] : forwardOnly) {
      if (route?.kind !== 'map' || !has(route, key)) continue
      const { keyOffset } = route.entries.get(key)!
      problems.add(keyOffset, trailOf('routes', index, key), `found beside ${action}, expected only with upstream`)
    }
    if (route.kind === 'map' && has(route, 'stripPrefix') && has(route, 'rewrite')) {
      const { keyOffset } = route.entries.get('rewrite')!
      const message = 'found beside stripPrefix, expected one of them: a rewrite names the whole path'
      problems.add(keyOffset, trailOf('routes', index, 'rewrite'), message)
    }
    const respond = child(route, 'respond')
    const status = numberOf(orDefault(respondShape, respond, 'status'))
    const body = child(respond, 'body')
    if (body && textOf(body) !== '' && (status === 204 || status === 205 || status === 304)) {
      misfit(problems, body, trailOf('routes', index, 'respond', 'body'), `no body: a ${status} has none (RFC 9110)`)
    }
  }
}

export const capturedNames: Rule = (root, problems) => {
  for (const [index, route] of routesOf(root)) {
    const pattern = patternOf(route)
    if (!pattern) continue
    const known = [...pattern.names, ...(pattern.rest ? ['*'] : [])]
    for (const keys of [['rewrite'], ['redirect', 'to']] as const) {
      const node = keys.reduce<Node | undefined>(child, route)
      const target = textOf(node)
      const names = target === undefined ? '' : readTarget(target)
      if (!node || typeof names === 'string') continue
      for (const name of new Set(names)) {
        if (known.includes(name)) continue
        const message =
          name === '*'
            ? '{*} stands for the rest of a path that ends in /*, and match.path does not'
            : `match.path captures no {${name}}, expected ${captures(known)}${didYouMean(name, known)}`
        problems.add(node.offset, trailOf('routes', index, ...keys), message)
      }
    }
  }
}

const captures = (known: readonly string[]): string =>
  known.length === 0 ? 'a target without {name}' : `one of ${known.map(name => `{${name}}`).join(', ')}`

/** A prefix that the path can never begin with would never be stripped. */
export const strippablePrefix: Rule = (root, problems) => {
  for (const [index, route] of routesOf(root)) {
    const node = child(route, 'stripPrefix')
    const prefix = textOf(node)?.slice(1).split('/')
    const pattern = patternOf(route)
    if (!node || !prefix || !pattern?.segments) continue
    const { segments } = pattern
    const parameter = segments.indexOf(null)
    const fixed = parameter < 0 ? segments.length : parameter
    const open = pattern.rest || parameter >= 0
    const fits = prefix.every((segment, at) => (at < fixed ? segments[at] === segment : open))
    if (!fits) misfit(problems, node, trailOf('routes', index, 'stripPrefix'), 'a prefix of match.path')
  }
}

export const soundCors: Rule = (root, problems) => {
  for (const [index, route] of routesOf(root)) {
    const cors = child(route, 'cors')
    const credentials = child(cors, 'credentials')
    const origins = child(cors, 'origins')
    const any = cors?.kind === 'map' && (!origins || itemsOf(origins).some(node => textOf(node) === '*'))
    if (credentials?.kind !== 'scalar' || credentials.value !== true || !any) continue
    const message = 'found true for all origins, expected origins to be named: any site could act as the user'
    problems.add(credentials.offset, trailOf('routes', index, 'cors', 'credentials'), message)
  }
}

/** The same header twice in different capitals, or set and taken away at once. */
export const soundHeaderEdits: Rule = (root, problems) => {
  for (const [index, route] of routesOf(root)) {
    for (const keys of [['requestHeaders'], ['responseHeaders']] as const) {
      const edits = child(route, keys[0])
      const trail = (...more: (string | number)[]) => trailOf('routes', index, ...keys, ...more)
      const set = distinctNames(problems, child(edits, 'set'), name => trail('set', name))
      distinctNames(problems, child(edits, 'append'), name => trail('append', name))
      for (const [at, node] of itemsOf(child(edits, 'remove')).entries()) {
        const removed = textOf(node)?.toLowerCase()
        if (removed !== undefined && set.has(removed)) {
          problems.add(
            node.offset,
            trail('remove', at),
            `found ${describe(node)}, which is also set; set replaces by itself`,
          )
        }
      }
    }
    distinctNames(problems, child(child(route, 'respond'), 'headers'), name =>
      trailOf('routes', index, 'respond', 'headers', name),
    )
    distinctNames(problems, child(child(route, 'match'), 'headers'), name =>
      trailOf('routes', index, 'match', 'headers', name),
    )
  }
}

function distinctNames(
  problems: Problems,
  node: Node | undefined,
  trail: (name: string) => ReturnType<typeof trailOf>,
): Set<string> {
  const seen = new Set<string>()
  for (const [name, { keyOffset }] of entriesOf(node)) {
    const lower = name.toLowerCase()
    if (seen.has(lower)) problems.add(keyOffset, trail(name), 'duplicate header: capitals make no difference')
    seen.add(lower)
  }
  return seen
}

const routesOf = (root: Node): Iterable<[number, Node]> => itemsOf(child(root, 'routes')).entries()

function patternOf(route: Node): PathPattern | null {
  const match = child(route, 'match')
  const path = textOf(orDefault(matchShape, match, 'path'))
  const pattern = path === undefined ? '' : readPathPattern(path)
  return typeof pattern === 'string' ? null : pattern
}
