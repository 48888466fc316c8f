// The runtimes that the contract suite runs its cases on, and for each what it cannot do and why.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildIn } from '../helpers/native-library.ts'
import type { Scope } from '../helpers/scope.ts'

export interface Runtime {
  readonly name: string
  /** Of test/contract/probe. */
  readonly folder: string
  readonly isolation: 'inline' | 'worker'
  /** Of what must be built: the cargo package whose library goes beside the manifest. */
  readonly library?: string
  /** Code that never returns, or that takes all memory, costs its own thread, process or state. */
  readonly isolated: boolean
  /** Titles of cases that it cannot pass, with the reason. */
  readonly skip: Readonly<Record<string, string>>
}

export const runtimes: readonly Runtime[] = [
  { name: 'js inline', folder: 'js', isolation: 'inline', isolated: false, skip: {} },
  { name: 'js worker', folder: 'js', isolation: 'worker', isolated: true, skip: {} },
  {
    name: 'rust',
    folder: 'rust',
    isolation: 'inline',
    library: 'probe-plugin',
    isolated: false,
    skip: {
      'an answer later, and edits later': 'a hook of native code answers when it returns',
      'never: a deadline, and other requests do not wait': 'a hook that blocks holds the worker',
      'late: a deadline, and other requests do not wait': 'a hook that blocks holds the worker',
      'odd: the request is refused, or goes on untouched where the operator wants that': 'its type forbids that',
      'a plugin that keeps a request sees no other through it': 'its lifetime forbids that',
    },
  },
  {
    name: 'lua',
    folder: 'lua',
    isolation: 'inline',
    isolated: true,
    skip: {
      'an answer later, and edits later': 'a hook in Luau answers when it returns',
      'never: a deadline, and other requests do not wait': 'a hook that does not return is the case `loop`',
      'late: a deadline, and other requests do not wait': 'it cannot wait',
      'a plugin that keeps a request sees no other through it':
        'there is one object, and it is the request of the call',
    },
  },
]

/** The probe's folder for a runtime, as its own copy. */
export function probeFor(scope: Scope, { folder, isolation, library }: Runtime): string {
  const copy = mkdtempSync(join(tmpdir(), 'polygate-probe-'))
  scope.after(() => rmSync(copy, { recursive: true, force: true }))
  cpSync(join(import.meta.dirname, 'probe', folder), copy, { recursive: true })
  const manifest = join(copy, 'plugin.yaml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('ISOLATION', isolation))
  if (library !== undefined) buildIn(copy, library)
  return copy
}
