// Whether a plugin's configuration is what its manifest asks for. Called for the operator's configuration (load.ts) and for
// that of an author's cases (cases.ts).
import { createRequire } from 'node:module'
import type * as AjvModule from 'ajv'
import type { JsonValue } from '../shapes.ts'
import { PluginError } from './folder.ts'
import type { Manifest } from './manifest.ts'

const require = createRequire(import.meta.url)

export interface WrongConfig {
  /** Where in the configuration. */
  readonly keys: readonly string[]
  readonly message: string
}

/** Null: it is sound. Throws PluginError where the manifest itself asks for nothing that can be understood. */
export type ConfigCheck = (config: JsonValue) => WrongConfig | null

export function compileConfigCheck({ config: schema }: Manifest): ConfigCheck {
  if (schema === null) return () => null
  const { Ajv } = require('ajv') as typeof AjvModule
  const ajv = new Ajv({ allErrors: false, strict: false, validateFormats: false })
  let isSound: AjvModule.ValidateFunction
  try {
    isSound = ajv.compile(schema as AjvModule.AnySchema)
  } catch (error) {
    throw new PluginError(`plugin.yaml: config is no JSON Schema: ${(error as Error).message}`)
  }
  return config => {
    if (isSound(config)) return null
    const [first] = isSound.errors ?? []
    const keys = first?.instancePath.split('/').filter(key => key !== '') ?? []
    return { keys, message: first?.message ?? 'is not what the plugin wants' }
  }
}
