// `polygate schema`: the JSON Schema of the configuration, for editors and other tools.
import { parseArgs } from 'node:util'
import { configJsonSchema } from '../config/json-schema.ts'

export const usage = `usage: polygate schema

Prints the JSON Schema of the configuration file.`

export const schemaText = (): string => `${JSON.stringify(configJsonSchema(), null, 2)}\n`

export function main(args: string[]): Promise<number> {
  parseArgs({ args, options: {}, strict: true })
  process.stdout.write(schemaText())
  return Promise.resolve(0)
}
