// `polygate schema`: the JSON Schema of the configuration, or of plugin.yaml, for editors and other tools.
import { parseArgs } from 'node:util'
import { configJsonSchema, manifestJsonSchema } from '../config/json-schema.ts'

export const usage = `usage: polygate schema [--plugin]

Prints the JSON Schema of the configuration file.

  --plugin   of plugin.yaml instead`

export const schemaText = (): string => `${JSON.stringify(configJsonSchema(), null, 2)}\n`

export const manifestSchemaText = (): string => `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`

export function main(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { plugin: { type: 'boolean' } }, strict: true })
  process.stdout.write(values.plugin === true ? manifestSchemaText() : schemaText())
  return Promise.resolve(0)
}
