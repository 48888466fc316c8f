// The runtimes that the contract suite runs its cases on, and for each what it cannot do and why.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from '../helpers/scope.ts'

export interface Runtime {
  readonly name: string
  /** Of test/contract/probe. */
  readonly folder: string
  readonly isolation: 'inline' | 'worker'
  /** Code that never returns, or that takes all memory, costs its own thread or process. */
  readonly isolated: boolean
  /** Titles of cases that it cannot pass, with the reason. */
  readonly skip: Readonly<Record<string, string>>
}

export const runtimes: readonly Runtime[] = [
  { name: 'js inline', folder: 'js', isolation: 'inline', isolated: false, skip: {} },
  { name: 'js worker', folder: 'js', isolation: 'worker', isolated: true, skip: {} },
]

/** The probe's folder for a runtime, as its own copy. */
export function probeFor(scope: Scope, { folder, isolation }: Runtime): string {
  const copy = mkdtempSync(join(tmpdir(), 'polygate-probe-'))
  scope.after(() => rmSync(copy, { recursive: true, force: true }))
  cpSync(join(import.meta.dirname, 'probe', folder), copy, { recursive: true })
  const manifest = join(copy, 'plugin.yaml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('ISOLATION', isolation))
  return copy
}
