// Finds and reads the configuration file, with an error for everything that a file can be instead of one.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigErrors } from './problems.ts'

export const defaultFiles = ['polygate.yaml', 'polygate.yml', 'polygate.json'] as const

export const maxFileBytes = 8 * 1024 * 1024

const refuse = (file: string, message: string): never => {
  throw new ConfigErrors([{ file, line: 1, column: 1, path: '', message }])
}

/** The file that `--config` names, or the first of the default names in `folder`. Throws ConfigErrors if there is none. */
export function findConfigFile(named: string | undefined, folder = '.'): string {
  if (named !== undefined) return named
  const found = defaultFiles.map(name => join(folder, name)).find(file => existsSync(file))
  return (
    found ??
    refuse(
      defaultFiles[0],
      `no configuration found, expected ${defaultFiles.join(', ')} in the current folder or --config FILE; \`polygate init\` writes one`,
    )
  )
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'not readable: permission denied',
  EISDIR: 'a folder, expected a file',
  ENOTDIR: 'no such file: a part of its path is no folder',
  ELOOP: 'not readable: too many symbolic links',
  EMFILE: 'not readable: too many open files',
}

/** Why a file could not be read, without its name, which may be a secret. */
export function readFailure(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
  return reasons[code] ?? `not readable: ${code}`
}

export function readConfigFile(file: string): string {
  let content: Buffer
  try {
    const status = statSync(file)
    if (status.isDirectory()) refuse(file, 'a folder, expected a file')
    if (status.size > maxFileBytes) refuse(file, `larger than ${maxFileBytes / 1024 ** 2} MiB`)
    content = readFileSync(file)
  } catch (error) {
    if (error instanceof ConfigErrors) throw error
    return refuse(file, readFailure(error))
  }
  if (content.length > maxFileBytes) refuse(file, `larger than ${maxFileBytes / 1024 ** 2} MiB`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    return refuse(file, 'not a UTF-8 text')
  }
}
