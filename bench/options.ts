// argv -> what a benchmark run is asked for, or a UsageError. Called by main.ts, and by the test of the READMEs' lines.
import { parseArgs } from 'node:util'
import type { GeneratorName } from './measure/generator.ts'

export const suites = ['proxy', 'signing', 'guards', 'plugins', 'memory', 'flat', 'idle', 'reload', 'start'] as const
export type SuiteName = (typeof suites)[number]

export interface ProxyOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly connections: readonly number[]
  /** Bytes of the response body. */
  readonly bodies: readonly number[]
  readonly rivals: readonly RivalName[]
  readonly generator: GeneratorName
}

export interface GuardsOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly connections: number
  readonly rivals: readonly GuardRivalName[]
  readonly generator: GeneratorName
}

export interface PluginsOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly connections: number
  /** One after another, of each round. */
  readonly requests: number
  readonly generator: GeneratorName
}

export interface SigningOptions {
  readonly rounds: number
}

export type BenchOptions = SuiteOptions & {
  /** File for the results, as it was typed. */
  readonly json: string | null
}

/** What cannot be run as it was asked for; the message says why. */
export class UsageError extends Error {}

export const rivalNames = ['nginx', 'haproxy', 'haproxy-64k'] as const
export type RivalName = (typeof rivalNames)[number]
/** A larger buffer changes nothing about guards. */
export const guardRivalNames = ['nginx', 'haproxy'] as const
export type GuardRivalName = (typeof guardRivalNames)[number]

export type SuiteOptions =
  | { readonly suite: 'proxy'; readonly proxy: ProxyOptions }
  | { readonly suite: 'guards'; readonly guards: GuardsOptions }
  | { readonly suite: 'plugins'; readonly plugins: PluginsOptions }
  | { readonly suite: 'signing'; readonly signing: SigningOptions }
  | { readonly suite: Exclude<SuiteName, 'proxy' | 'guards' | 'plugins' | 'signing'> }

export function parseBench(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parse(argv)
  const suite = suites.find(name => name === positionals[0])
  if (suite === undefined || positionals.length > 1) {
    const found = positionals.length === 0 ? 'no suite' : positionals.map(one => JSON.stringify(one)).join(' ')
    throw new UsageError(`found ${found}, expected one of ${suites.join(', ')}`)
  }
  const json = values.json ?? null
  const foreign = Object.keys(values).find(name => name !== 'json' && !optionsOfSuite[suite]?.includes(name))
  if (foreign !== undefined) throw new UsageError(`--${foreign}: no option of ${suite}`)
  return { ...optionsOf(suite, values), json }
}

const loadOptions = ['rounds', 'seconds', 'warm-up', 'connections', 'generator']
const optionsOfSuite: Partial<Record<SuiteName, readonly string[]>> = {
  proxy: [...loadOptions, 'rivals', 'bodies'],
  guards: [...loadOptions, 'rivals'],
  plugins: [...loadOptions, 'requests'],
  signing: ['rounds'],
}

type Values = ReturnType<typeof parse>['values']

function optionsOf(suite: SuiteName, values: Values): SuiteOptions {
  const rounds = (usual: string): number => whole('rounds', values.rounds ?? usual, 1)
  const load = () => ({
    rounds: rounds('3'),
    seconds: whole('seconds', values.seconds ?? '5', 1),
    warmUpSeconds: whole('warm-up', values['warm-up'] ?? '2', 0),
    generator: generatorOf(values.generator ?? 'autocannon'),
  })
  const rivals = (values.rivals ?? 'nginx,haproxy').split(',').filter(Boolean)
  switch (suite) {
    case 'proxy': {
      const connections = wholes('connections', values.connections ?? '1,32,256')
      const bodies = wholes('bodies', values.bodies ?? '128,65536')
      return { suite, proxy: { ...load(), connections, bodies, rivals: rivals.map(name => rivalOf(name, rivalNames)) } }
    }
    case 'guards': {
      const connections = whole('connections', values.connections ?? '32', 1)
      return { suite, guards: { ...load(), connections, rivals: rivals.map(name => rivalOf(name, guardRivalNames)) } }
    }
    case 'plugins': {
      const connections = whole('connections', values.connections ?? '32', 1)
      return { suite, plugins: { ...load(), connections, requests: whole('requests', values.requests ?? '5000', 1) } }
    }
    case 'signing':
      return { suite, signing: { rounds: rounds('300') } }
    case 'memory':
    case 'flat':
    case 'idle':
    case 'reload':
    case 'start':
      return { suite }
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        'warm-up': { type: 'string' },
        connections: { type: 'string' },
        bodies: { type: 'string' },
        rivals: { type: 'string' },
        requests: { type: 'string' },
        generator: { type: 'string' },
        json: { type: 'string' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function whole(name: string, text: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new UsageError(`--${name}: found ${JSON.stringify(text)}, expected a whole number from ${least}`)
  }
  return Number(text)
}

const wholes = (name: string, text: string): number[] => text.split(',').map(one => whole(name, one, 1))

function generatorOf(name: string): GeneratorName {
  if (name === 'autocannon' || name === 'wrk') return name
  throw new UsageError(`--generator: found ${name}, expected autocannon or wrk`)
}

function rivalOf<Name extends string>(name: string, names: readonly Name[]): Name {
  const known = names.find(one => one === name)
  if (known === undefined) throw new UsageError(`--rivals: found ${name}, expected some of ${names.join(', ')}`)
  return known
}
