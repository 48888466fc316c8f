// Runs the command line as a user does: a process of its own, in a folder of its own.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../ts/shared/native.ts'
import type { Scope } from '../helpers/scope.ts'

export interface Outcome {
  readonly status: number | null
  readonly output: string
  readonly errors: string
}

const main = join(packageRoot, 'ts', 'main.ts')
const loader = import.meta.resolve('tsx')

export function polygate(
  args: readonly string[],
  folder: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', loader, main, ...args], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', status => resolve({ status, output, errors }))
  })
}

export function temporaryFolder(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-command-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
