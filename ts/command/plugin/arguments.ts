// Arguments that several commands of `polygate plugin` have.

/** The one folder that is named; null: it has been said what is wrong. */
export function folderIn(command: string, positionals: readonly string[]): string | null {
  const [folder, ...more] = positionals
  if (folder !== undefined && folder !== '' && more.length === 0) return folder
  process.stderr.write(`polygate plugin ${command}: found ${positionals.length} folders, expected one\n`)
  return null
}

export type Format = 'text' | 'json'

/** Null: it has been said what is wrong. */
export function formatIn(command: string, found: string): Format | null {
  if (found === 'text' || found === 'json') return found
  process.stderr.write(`polygate plugin ${command}: found --format ${found}, expected text or json\n`)
  return null
}
