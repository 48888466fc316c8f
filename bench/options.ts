// argv -> what a benchmark run is asked for, or a UsageError. Called by main.ts, and by the test of the READMEs' lines.
import { parseArgs } from 'node:util'
import type { GeneratorName } from './measure/generator.ts'

export const suites = ['proxy', 'memory', 'flat', 'idle', 'reload', 'start'] as const
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

export interface BenchOptions {
  readonly suite: SuiteName
  readonly proxy: ProxyOptions
  /** File for the results, as it was typed. */
  readonly json: string | null
}

/** What cannot be run as it was asked for; the message says why. */
export class UsageError extends Error {}

export const rivalNames = ['nginx', 'haproxy', 'haproxy-64k'] as const
export type RivalName = (typeof rivalNames)[number]

export function parseBench(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parse(argv)
  const suite = suites.find(name => name === positionals[0])
  if (suite === undefined || positionals.length > 1) {
    const found = positionals.length === 0 ? 'no suite' : positionals.map(one => JSON.stringify(one)).join(' ')
    throw new UsageError(`found ${found}, expected one of ${suites.join(', ')}`)
  }
  const { generator } = values
  if (generator !== 'autocannon' && generator !== 'wrk') {
    throw new UsageError(`--generator: found ${generator}, expected autocannon or wrk`)
  }
  return {
    suite,
    json: values.json ?? null,
    proxy: {
      rounds: whole('rounds', values.rounds, 1),
      seconds: whole('seconds', values.seconds, 1),
      warmUpSeconds: whole('warm-up', values['warm-up'], 0),
      connections: wholes('connections', values.connections),
      bodies: wholes('bodies', values.bodies),
      rivals: values.rivals.split(',').filter(Boolean).map(rivalOf),
      generator,
    },
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        'warm-up': { type: 'string', default: '2' },
        connections: { type: 'string', default: '1,32,256' },
        bodies: { type: 'string', default: '128,65536' },
        rivals: { type: 'string', default: 'nginx,haproxy' },
        generator: { type: 'string', default: 'autocannon' },
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

function rivalOf(name: string): RivalName {
  const known = rivalNames.find(one => one === name)
  if (known === undefined) throw new UsageError(`--rivals: found ${name}, expected some of ${rivalNames.join(', ')}`)
  return known
}
