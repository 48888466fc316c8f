// Runs a table of bad configurations: each must be refused with exactly these lines (`line:column path: message`), all
// of them in one pass.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigErrors, readConfig, type Environment } from '../../ts/config/load.ts'

export interface BadConfiguration {
  readonly title: string
  readonly text: string
  readonly environment?: Environment
  readonly errors: readonly string[]
}

/** Lines without the name of the file. */
export function errorsOf(text: string, environment: Environment = {}): string[] {
  try {
    readConfig(text, 'f.yaml', environment)
    return []
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error
    return error.message.split('\n').map(line => line.replace(/^f\.yaml:/, ''))
  }
}

export function badConfigurations(table: readonly BadConfiguration[]): void {
  for (const { title, text, environment, errors } of table) {
    test(title, () => assert.deepEqual(errorsOf(text, environment), errors))
  }
}
