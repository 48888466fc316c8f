// The schema as JSON Schema (draft 2020-12 and 7 read it alike), for editors: titles, descriptions, examples, defaults.
// Printed by `polygate schema` and `polygate init`; those of plugin.yaml and cases.yaml stand in plugins/contract. Says nothing that the shapes do not say.
import { casesShape } from './plugins/cases.ts'
import { manifestShape } from './plugins/manifest.ts'
import { configShape } from './schema.ts'
import type { EitherShape, MapShape, NumberShape, ObjectShape, Shape, TextShape } from './shapes.ts'
import { bytesForm } from './validate.ts'

export type JsonSchema = { [keyword: string]: unknown }

export const configJsonSchema = (): JsonSchema => fileSchema(configShape, 'Polygate configuration')

/** Of `plugin.yaml`. */
export const manifestJsonSchema = (): JsonSchema => fileSchema(manifestShape, 'Manifest of a Polygate plugin')

/** Of `cases.yaml`. */
export const casesJsonSchema = (): JsonSchema => fileSchema(casesShape, 'Cases of a Polygate plugin')

function fileSchema(shape: ObjectShape, title: string): JsonSchema {
  const { patternProperties, ...schema } = objectSchema(shape)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title,
    ...schema,
    properties: {
      $schema: { type: 'string', description: 'Where editors find this schema.' },
      ...(schema.properties as JsonSchema),
    },
    patternProperties: {
      ...(patternProperties as JsonSchema | undefined),
      '^x-': { description: 'Ignored: a place for YAML anchors.' },
    },
  }
}

function schemaOf(shape: Shape, title?: string): JsonSchema {
  return {
    ...(title === undefined ? {} : { title }),
    description: shape.about,
    ...kindOf(shape),
    ...(shape.default === undefined ? {} : { default: shape.default }),
    ...(shape.examples === undefined ? {} : { examples: shape.examples }),
  }
}

function kindOf(shape: Shape): JsonSchema {
  switch (shape.kind) {
    case 'text':
      return shape.orFile ? { anyOf: [textSchema(shape), inFile] } : textSchema(shape)
    case 'word':
      return { anyOf: [{ enum: [...shape.words, ...shape.words.filter(isNumeric).map(Number)] }, fromEnvironment] }
    case 'number':
      return numberSchema(shape)
    case 'flag':
      return { anyOf: [shape.onlyTrue ? { const: true } : { type: 'boolean' }, fromEnvironment] }
    case 'list':
      return { type: 'array', items: schemaOf(shape.item), ...(shape.min > 0 ? { minItems: shape.min } : {}) }
    case 'map':
      return mapSchema(shape)
    case 'object':
      return objectSchema(shape)
    case 'toggle':
      return { anyOf: [{ type: 'boolean' }, schemaOf(shape.on), fromEnvironment] }
    case 'either':
      return eitherSchema(shape)
    case 'any':
      return {}
  }
}

const textSchema = ({ pattern }: TextShape<unknown>): JsonSchema => ({
  type: 'string',
  ...(pattern === undefined ? {} : { anyOf: [{ pattern }, fromEnvironment] }),
})

const inFile: JsonSchema = {
  type: 'object',
  description: 'A file that holds the text; one line end after it is cut.',
  properties: { file: { type: 'string', description: 'Name of the file, relative to the configuration.' } },
  required: ['file'],
  additionalProperties: false,
}

const isNumeric = (word: string): boolean => /^[0-9.]+$/.test(word)

/** What stands in a variable is known only when the gateway starts. */
const fromEnvironment: JsonSchema = { type: 'string', pattern: '\\$\\{[A-Za-z_]' }

function numberSchema({ whole, min, max, unit, choices }: NumberShape<unknown>): JsonSchema {
  const range = { minimum: min, ...(max === Number.MAX_SAFE_INTEGER ? {} : { maximum: max }) }
  const number = choices ? { enum: choices } : { type: whole ? 'integer' : 'number', ...range }
  const sized = unit === 'bytes' ? [{ type: 'string', pattern: bytesForm }] : []
  return { anyOf: [number, ...sized, fromEnvironment] }
}

const mapSchema = ({ key, value }: MapShape): JsonSchema => ({
  type: 'object',
  additionalProperties: schemaOf(value),
  propertyNames: { description: key.about },
})

const eitherSchema = ({ forms }: EitherShape): JsonSchema => ({ anyOf: forms.map(form => schemaOf(form.shape)) })

function objectSchema({ keys, oneOf }: ObjectShape): JsonSchema {
  const entries = Object.entries(keys)
  const required = entries.filter(([, shape]) => shape.default === undefined && !shape.optional).map(([key]) => key)
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([key, shape]) => [key, schemaOf(shape, key)])),
    additionalProperties: false,
    ...(required.length > 0 ? { required } : {}),
    ...(oneOf ? { oneOf: oneOf.map(key => ({ required: [key] })) } : {}),
  }
}
