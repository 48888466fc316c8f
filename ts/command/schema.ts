// `polygate schema`: the JSON Schema of the configuration, of plugin.yaml, or of cases.yaml, for editors and other tools.
import { parseArgs } from 'node:util'
import { casesJsonSchema, configJsonSchema, manifestJsonSchema, type JsonSchema } from '../config/json-schema.ts'

export const usage = `usage: polygate schema [--plugin | --cases]

Prints the JSON Schema of the configuration file.

  --plugin   of plugin.yaml instead
  --cases    of cases.yaml, which \`polygate plugin test\` reads`

const print = (schema: JsonSchema): string => `${JSON.stringify(schema, null, 2)}\n`

export const schemaText = (): string => print(configJsonSchema())
export const manifestSchemaText = (): string => print(manifestJsonSchema())
export const casesSchemaText = (): string => print(casesJsonSchema())

export function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { plugin: { type: 'boolean', default: false }, cases: { type: 'boolean', default: false } },
    strict: true,
  })
  if (values.plugin && values.cases) {
    process.stderr.write('polygate schema: found --plugin and --cases, expected one of them\n')
    return Promise.resolve(2)
  }
  const text = values.plugin ? manifestSchemaText() : values.cases ? casesSchemaText() : schemaText()
  process.stdout.write(text)
  return Promise.resolve(0)
}
