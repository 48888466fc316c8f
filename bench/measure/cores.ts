// Which cores a suite with whole requests uses: core 0 is the gateway's, generator and upstream have the others.
import { cpus } from 'node:os'
import { findCommand } from '../processes.ts'
import type { GeneratorName, LoadOptions } from './generator.ts'

export interface LoadPlace {
  readonly gatewayCore: string
  readonly load: Pick<LoadOptions, 'generator' | 'cores' | 'threads'>
}

/** Throws when the generator is not there; warns where there is one core for all. */
export function loadPlace(generator: GeneratorName): LoadPlace {
  const coreCount = cpus().length
  const cores = coreCount > 1 ? (coreCount > 2 ? `1-${coreCount - 1}` : '1') : '0'
  if (coreCount === 1) console.error('WARNING: one core: generator and gateway compete, the rates mean nothing')
  if (generator === 'wrk' && !findCommand('wrk')) throw new Error('--generator wrk: wrk is not installed')
  return { gatewayCore: '0', load: { generator, cores, threads: Math.max(1, Math.min(4, coreCount - 1)) } }
}
