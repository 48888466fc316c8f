// The vocabulary in which the schema is written. A shape is data: validate.ts reads values by it, json-schema.ts prints
// it for editors, and TypeScript infers the type of the value from it. Written here and not taken from a library because
// the usual ones (TypeBox 60 ms, ajv 35 ms plus compilation) cost start-up time, fill no defaults inside alternatives,
// and know no positions. Must not read or check values itself.

declare const valueType: unique symbol

interface Common<T> {
  readonly [valueType]?: T
  /** One or two sentences for editors and reference docs. */
  readonly about: string
  readonly examples?: readonly unknown[]
  /** In the form users write it; read like any other value. Without it and without `optional` the key is required. */
  readonly default?: unknown
  /** Absent gives null. */
  readonly optional?: boolean
  /** A secret: no error prints what was found. */
  readonly secret?: boolean
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** A check of one text: null, or what was expected instead. */
export type TextCheck = (text: string) => string | null

export interface TextShape<T = string> extends Common<T> {
  readonly kind: 'text'
  readonly check?: TextCheck
  /** The text may stand in a file: `{ file: NAME }` in its place (secret-files.ts). */
  readonly orFile?: boolean
  /** For editors only; `check` is the judge. */
  readonly pattern?: string
}
export interface WordShape<T = string> extends Common<T> {
  readonly kind: 'word'
  readonly words: readonly string[]
}
/** `unit` bytes also takes `64KiB`, `10MiB`, `1GiB`. */
export interface NumberShape<T = number> extends Common<T> {
  readonly kind: 'number'
  readonly whole: boolean
  readonly min: number
  readonly max: number
  readonly unit: 'ms' | 'bytes' | 'seconds' | null
  /** The only values there are. */
  readonly choices?: readonly number[]
}
export interface FlagShape<T = boolean> extends Common<T> {
  readonly kind: 'flag'
  /** false would say nothing. */
  readonly onlyTrue?: boolean
}
export interface ListShape<T = unknown> extends Common<T> {
  readonly kind: 'list'
  readonly item: Shape
  readonly min: number
}
/** Keys are the user's names. */
export interface MapShape<T = unknown> extends Common<T> {
  readonly kind: 'map'
  readonly key: TextShape
  readonly value: Shape
}
export interface ObjectShape<T = unknown> extends Common<T> {
  readonly kind: 'object'
  readonly keys: Readonly<Record<string, Shape>>
  /** Keys of which exactly one must be there. */
  readonly oneOf?: readonly string[]
}
/** false, or an object; true stands for the object with all its defaults. */
export interface ToggleShape<T = unknown> extends Common<T> {
  readonly kind: 'toggle'
  readonly on: ObjectShape
}
/** Whatever JSON can say: somebody else knows what it has to be. */
export interface AnyShape<T = unknown> extends Common<T> {
  readonly kind: 'any'
}
/** Several forms of one value. */
export interface EitherShape<T = unknown> extends Common<T> {
  readonly kind: 'either'
  readonly forms: readonly Form[]
  /** Completes "found ..., expected ..." for a value that is none of the forms. */
  readonly expected: string
}
/** The first form whose `tell` holds is the one that was meant; then its errors are the errors. */
export interface Form<S extends Shape = Shape> {
  readonly shape: S
  readonly tell: 'text' | 'number' | 'boolean' | 'list' | 'map' | { readonly mapWith: string }
}

export type Shape =
  | TextShape<unknown>
  | WordShape<unknown>
  | NumberShape<unknown>
  | FlagShape<unknown>
  | ListShape
  | MapShape
  | ObjectShape
  | ToggleShape
  | EitherShape
  | AnyShape

/** The type of the value that validation gives for a shape. */
export type ValueOf<S> = S extends { readonly [valueType]?: infer T } ? Exclude<T, undefined> : never

type Options = { examples?: readonly unknown[]; default?: unknown; optional?: boolean; secret?: boolean }
type Maybe<T, O extends Options> = O extends { optional: true } ? T | null : T
type Values<K extends Readonly<Record<string, Shape>>> = { readonly [N in keyof K]: ValueOf<K[N]> }

export const text = <const O extends Options & { check?: TextCheck; orFile?: boolean; pattern?: string }>(
  about: string,
  options: O,
): TextShape<Maybe<string, O>> => ({ kind: 'text', about, ...options })

export const word = <const W extends readonly string[], const O extends Options>(
  about: string,
  words: W,
  options: O,
): WordShape<Maybe<W[number], O>> => ({ kind: 'word', about, words, ...options })

type Range = { min?: number; max?: number; choices?: readonly number[] }
const ranged = ({ min = 0, max = Number.MAX_SAFE_INTEGER }: Range): { min: number; max: number } => ({ min, max })

export const whole = <const O extends Options & Range>(about: string, options: O): NumberShape<Maybe<number, O>> => ({
  kind: 'number',
  whole: true,
  unit: null,
  about,
  ...options,
  ...ranged(options),
})

export const any = <const O extends Options>(about: string, options: O): AnyShape<Maybe<JsonValue, O>> => ({
  kind: 'any',
  about,
  ...options,
})

export const ratio = <const O extends Options>(about: string, options: O): NumberShape<Maybe<number, O>> => ({
  kind: 'number',
  whole: false,
  unit: null,
  about,
  ...options,
  min: 0,
  max: 1,
})

/** A day: longer is a slip of the unit. */
const dayMs = 86_400_000

export const ms = <const O extends Options & Range>(about: string, options: O): NumberShape<Maybe<number, O>> => ({
  kind: 'number',
  whole: true,
  unit: 'ms',
  about,
  ...options,
  ...ranged({ min: 1, max: dayMs, ...options }),
})

export const bytes = <const O extends Options & Range>(about: string, options: O): NumberShape<Maybe<number, O>> => ({
  kind: 'number',
  whole: true,
  unit: 'bytes',
  about,
  ...options,
  ...ranged(options),
})

export const seconds = <const O extends Options & Range>(about: string, options: O): NumberShape<Maybe<number, O>> => ({
  kind: 'number',
  whole: true,
  unit: 'seconds',
  about,
  ...options,
  ...ranged(options),
})

export const flag = <const O extends Options & { onlyTrue?: boolean }>(
  about: string,
  options: O,
): FlagShape<Maybe<boolean, O>> => ({
  kind: 'flag',
  about,
  ...options,
})

export const list = <const S extends Shape, const O extends Options & { min?: number }>(
  about: string,
  item: S,
  options: O,
): ListShape<Maybe<readonly ValueOf<S>[], O>> => ({ kind: 'list', about, item, ...options, min: options.min ?? 0 })

/** Of the keys in the order of the file. */
export const map = <const S extends Shape, const O extends Options>(
  about: string,
  key: TextShape,
  value: S,
  options: O,
): MapShape<Maybe<ReadonlyMap<string, ValueOf<S>>, O>> => ({ kind: 'map', about, key, value, ...options })

export const object = <
  const K extends Readonly<Record<string, Shape>>,
  const O extends Options & { oneOf?: readonly (keyof K & string)[] },
>(
  about: string,
  keys: K,
  options: O,
): ObjectShape<Maybe<Values<K>, O>> => ({ kind: 'object', about, keys, ...options })

/** A part of the configuration that is there, with its defaults, even when nobody writes it. */
export const section = <const K extends Readonly<Record<string, Shape>>>(
  about: string,
  keys: K,
): ObjectShape<Values<K>> => object(about, keys, { default: {} })

export const toggle = <const K extends Readonly<Record<string, Shape>>>(
  about: string,
  keys: K,
  options: { default: boolean; examples?: readonly unknown[] },
): ToggleShape<false | Values<K>> => ({ kind: 'toggle', about, on: object(about, keys, {}), ...options })

export const either = <const F extends readonly Form[], const O extends Options>(
  about: string,
  expected: string,
  forms: F,
  options: O,
): EitherShape<Maybe<ValueOf<F[number]['shape']>, O>> => ({
  kind: 'either',
  about,
  expected,
  forms,
  ...options,
})
