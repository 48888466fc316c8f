// A route as the match stage needs it, and the four questions that are asked of each: host, path, headers, method.
// The router asks the quick ones by its tables and the rest here; explain asks all of them here.
import type { RoutePlan } from '../../config/plan.ts'
import { normaliseLiteral } from './path.ts'
import { parsePattern, type Pattern } from './pattern.ts'
import { compileRegex, type GuardedRegex } from './regex.ts'
import { usesRest } from './placeholders.ts'

export interface Candidate {
  /** Index in the plan's routes. */
  readonly route: number
  readonly plan: RoutePlan
  readonly priority: number
  /** Lower case; `*.example.com` as `.example.com`; [] = any. */
  readonly hosts: readonly string[]
  readonly pattern: Pattern
  readonly rules: readonly HeaderRule[]
  /** [] = any. */
  readonly methods: readonly string[]
  readonly cors: boolean
  /** The action has `{*}`, so the rest of a prefix is captured, as the last value. */
  readonly withRest: boolean
}

export interface HeaderRule {
  /** Lower case. */
  readonly name: string
  /** Null: only present. */
  readonly value: string | null
  readonly regex: GuardedRegex | null
}

export type HeaderOf = (name: string) => string | undefined

/** Throws an Error that names the route and its place in the configuration. */
export function compileCandidate(plan: RoutePlan, route: number): Candidate {
  try {
    const { hosts, path, methods, headers, priority } = plan.match
    const pattern = parsePattern(path)
    const rules = headers.map(compileRule)
    const withRest = pattern.kind === 'prefix' && usesRest(plan.action)
    return {
      route,
      plan,
      priority,
      hosts: hosts.map(hostOf),
      pattern,
      rules,
      methods,
      cors: plan.cors !== null,
      withRest,
    }
  } catch (error) {
    throw new Error(`${plan.source}: route "${plan.name}": ${(error as Error).message}`, { cause: error })
  }
}

function hostOf(text: string): string {
  const host = text.toLowerCase()
  const suffix = host.startsWith('*.') ? host.slice(1) : host
  if (suffix === '' || suffix === '.' || suffix.includes('*') || normaliseLiteral(suffix) === null) {
    throw new Error(`host "${text}" is neither a name nor *.name`)
  }
  return suffix
}

function compileRule({ name, value }: RoutePlan['match']['headers'][number]): HeaderRule {
  const regex = value?.startsWith('~') ? compileRegex(value.slice(1)) : null
  return { name: name.toLowerCase(), value, regex }
}

export const isWildcard = (host: string): boolean => host.startsWith('.')

/** How well a host of the route fits: longer is better, `exactHost` best, 0 where any host will do, -1 not at all. */
export function hostFit(candidate: Candidate, host: string): number {
  if (candidate.hosts.length === 0) return 0
  let best = -1
  for (const own of candidate.hosts) {
    if (own === host) return exactHost
    if (isWildcard(own) && host.length > own.length && host.endsWith(own)) best = Math.max(best, own.length)
  }
  return best
}

export const exactHost = 0x7fff_ffff

/** A GET route answers HEAD as well (RFC 9110 section 9.3.2). */
export function methodFits(methods: readonly string[], method: string): boolean {
  if (methods.length === 0) return true
  for (let i = 0; i < methods.length; i++) if (methods[i] === method) return true
  return method === 'HEAD' && methods.includes('GET')
}

/**
 * All rules hold. In a preflight the browser sends no header of the request to come but lists their names: a rule
 * whose name is in `announced` holds, whatever value it wants.
 */
export function rulesHold(
  rules: readonly HeaderRule[],
  headerOf: HeaderOf,
  announced: ReadonlySet<string> | null,
): boolean {
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!
    if (!ruleHolds(rule, headerOf) && !announced?.has(rule.name)) return false
  }
  return true
}

export function ruleHolds(rule: HeaderRule, headerOf: HeaderOf): boolean {
  const given = headerOf(rule.name)
  if (given === undefined) return false
  if (rule.regex !== null) return given.length <= rule.regex.maxLength && rule.regex.test(given)
  return rule.value === null || rule.value === given
}
