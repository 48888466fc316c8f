// Reads a tree of nodes by the schema: gives the typed value with all defaults, and adds to `problems` everything that
// does not fit, going on after each. Called by load. Must not know any key by name.
import {
  describe,
  has,
  isFromFile,
  nodeOf,
  numberOf,
  plainOf,
  textOf,
  type ListNode,
  type MapNode,
  type Node,
  type ScalarNode,
} from './nodes.ts'
import { didYouMean } from './nearest.ts'
import { under, type Problems, type Trail } from './problems.ts'
import type {
  EitherShape,
  Form,
  ListShape,
  MapShape,
  NumberShape,
  ObjectShape,
  Shape,
  TextShape,
  ToggleShape,
  ValueOf,
  WordShape,
} from './shapes.ts'

/** The value is only meaningful while `problems` has none. `ignored` tells keys of the root to pass over. */
export function validate<S extends ObjectShape>(
  shape: S,
  root: Node,
  problems: Problems,
  ignored: (key: string) => boolean,
): ValueOf<S> {
  const reader = new Reader(problems, ignored)
  return reader.read(shape, root, null) as ValueOf<S>
}

class Reader {
  readonly #problems: Problems
  readonly #ignored: (key: string) => boolean

  constructor(problems: Problems, ignored: (key: string) => boolean) {
    this.#problems = problems
    this.#ignored = ignored
  }

  read(shape: Shape, node: Node, trail: Trail | null): unknown {
    if (node.kind === 'broken') return undefined
    switch (shape.kind) {
      case 'text':
        return this.#text(shape, node, trail)
      case 'word': {
        const found = wordOf(node)
        return found !== undefined && shape.words.includes(found) ? found : this.#wrongWord(shape, node, trail)
      }
      case 'number':
        return this.#number(shape, node, trail)
      case 'flag': {
        const value = booleanOf(node)
        if (value === undefined || (shape.onlyTrue && !value)) {
          return this.#wrong(node, trail, shape.onlyTrue ? 'true' : 'true or false')
        }
        return value
      }
      case 'list':
        return this.#list(shape, node, trail)
      case 'map':
        return this.#map(shape, node, trail)
      case 'object':
        return this.#object(shape, node, trail)
      case 'toggle':
        return this.#toggle(shape, node, trail)
      case 'either':
        return this.#either(shape, node, trail)
      case 'any':
        return plainOf(node)
    }
  }

  #wrong(node: Node, trail: Trail | null, expected: string, secret = false): undefined {
    const hidden = secret && node.kind === 'scalar' && !isFromFile(node)
    const found = hidden ? 'a value that is not shown' : describe(node)
    this.#problems.add(node.offset, trail, `found ${found}, expected ${expected}`)
  }

  #wrongWord({ words }: WordShape<unknown>, node: Node, trail: Trail | null, expected = oneOf(words)): undefined {
    const found = textOf(node)
    const hint = found === undefined || isSecret(node) ? '' : didYouMean(found, words)
    return this.#wrong(node, trail, `${expected}${hint}`)
  }

  #text(shape: TextShape<unknown>, node: Node, trail: Trail | null): string | undefined {
    const text = textOf(node)
    if (text === undefined) {
      if (shape.orFile && node.kind === 'map') return this.#wrong(node, trail, 'a text, or { file: NAME } alone')
      const quoted = node.kind === 'scalar' && node.value !== null ? '; put it in quotes' : ''
      return this.#wrong(node, trail, `a text${quoted}`, shape.secret)
    }
    const expected = shape.check?.(text) ?? null
    return expected === null ? text : this.#wrong(node, trail, expected, shape.secret)
  }

  #number(shape: NumberShape<unknown>, node: Node, trail: Trail | null): number | undefined {
    const value = shape.unit === 'bytes' ? bytesOf(node) : numeric(node)
    const fits =
      value !== undefined &&
      (shape.whole ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
      value >= shape.min &&
      value <= shape.max &&
      (shape.choices?.includes(value) ?? true)
    return fits ? value : this.#wrong(node, trail, expectedNumber(shape))
  }

  #list(shape: ListShape, node: Node, trail: Trail | null): readonly unknown[] | undefined {
    if (node.kind !== 'list') return this.#wrong(node, trail, 'a list', shape.secret)
    if (node.items.length < shape.min) return this.#wrong(node, trail, `a list of at least ${shape.min}`)
    return (node satisfies ListNode).items.map((item, index) => this.read(shape.item, item, under(trail, index)))
  }

  #map(shape: MapShape, node: Node, trail: Trail | null): ReadonlyMap<string, unknown> | undefined {
    if (node.kind !== 'map') return this.#wrong(node, trail, 'a mapping')
    const values = new Map<string, unknown>()
    for (const [key, entry] of node.entries) {
      const expected = shape.key.check?.(key) ?? null
      if (expected !== null) {
        this.#problems.add(entry.keyOffset, under(trail, key), `found ${JSON.stringify(key)}, expected ${expected}`)
      }
      values.set(key, this.read(shape.value, entry.node, under(trail, key)))
    }
    return values
  }

  #object(shape: ObjectShape, node: Node, trail: Trail | null): Record<string, unknown> | undefined {
    if (node.kind !== 'map') return this.#wrong(node, trail, `a mapping with ${Object.keys(shape.keys).join(', ')}`)
    this.#unknownKeys(shape, node, trail)
    const value: Record<string, unknown> = {}
    for (const [key, inside] of Object.entries(shape.keys)) {
      const written = node.entries.get(key)?.node
      if (written) value[key] = this.read(inside, written, under(trail, key))
      else if (inside.default !== undefined)
        value[key] = this.read(inside, nodeOf(inside.default, node.offset), under(trail, key))
      else if (inside.optional) value[key] = null
      else this.#problems.add(node.offset, trail, `${key} is missing (${inside.about.replace(/\.$/, '')})`)
    }
    if (shape.oneOf) this.#exactlyOne(shape.oneOf, node, trail)
    return value
  }

  #unknownKeys(shape: ObjectShape, node: MapNode, trail: Trail | null): void {
    const known = Object.keys(shape.keys)
    for (const [key, entry] of node.entries) {
      if (Object.hasOwn(shape.keys, key) || (trail === null && this.#ignored(key))) continue
      const free = known.filter(name => !node.entries.has(name))
      const message = `unknown key, expected one of ${known.join(', ')}${didYouMean(key, free)}`
      this.#problems.add(entry.keyOffset, under(trail, key), message)
    }
  }

  #exactlyOne(keys: readonly string[], node: MapNode, trail: Trail | null): void {
    const there = keys.filter(key => has(node, key))
    if (there.length === 0)
      this.#problems.add(node.offset, trail, `found none of ${keys.join(', ')}, expected one of them`)
    for (const key of there.slice(1)) {
      const message = `found beside ${there[0]}, expected exactly one of ${keys.join(', ')}`
      this.#problems.add(node.entries.get(key)!.keyOffset, under(trail, key), message)
    }
  }

  #toggle(shape: ToggleShape, node: Node, trail: Trail | null): unknown {
    if (node.kind === 'map') return this.read(shape.on, node, trail)
    const value = booleanOf(node)
    if (value === undefined) {
      return this.#wrong(node, trail, `true, false, or a mapping with ${Object.keys(shape.on.keys).join(', ')}`)
    }
    return value && this.read(shape.on, nodeOf({}, node.offset), trail)
  }

  #either(shape: EitherShape, node: Node, trail: Trail | null): unknown {
    const meant = meantForm(shape, node)
    if (!meant) return this.#wrong(node, trail, shape.expected, shape.secret)
    // A word that is none of the words may have been meant for another form.
    if (meant.kind === 'word' && !meant.words.includes(wordOf(node) ?? '')) {
      return this.#wrongWord(meant, node, trail, shape.expected)
    }
    return this.read(meant, node, trail)
  }
}

/** Of a number its text: `minVersion: 1.2` is a number to YAML, and no user thinks so. */
const wordOf = (node: Node): string | undefined => textOf(node) ?? numberOf(node)?.toString()

/** The form that a value was meant to be. */
export function meantForm({ forms }: EitherShape, node: Node): Shape | undefined {
  const file = has(node, 'file') ? forms.find(({ shape }) => shape.kind === 'text' && shape.orFile) : undefined
  return (file ?? forms.find(form => tells(form, node)))?.shape
}

function tells({ tell }: Form, node: Node): boolean {
  if (typeof tell === 'object') return has(node, tell.mapWith)
  if (tell === 'text') return textOf(node) !== undefined
  if (tell === 'number') return numeric(node) !== undefined
  if (tell === 'boolean') return booleanOf(node) !== undefined
  return node.kind === tell
}

const isSecret = (node: Node): boolean => node.kind === 'scalar' && node.from !== null

/** The environment has texts only: there, and only there, "8080" is a number and "true" a boolean. */
const fromEnvironment = (node: Node): node is ScalarNode & { value: string } =>
  node.kind === 'scalar' && node.from !== null && typeof node.value === 'string'

function numeric(node: Node): number | undefined {
  if (fromEnvironment(node)) return /^-?\d+(\.\d+)?$/.test(node.value) ? Number(node.value) : undefined
  return numberOf(node)
}

function booleanOf(node: Node): boolean | undefined {
  if (fromEnvironment(node)) return node.value === 'true' ? true : node.value === 'false' ? false : undefined
  return node.kind === 'scalar' && typeof node.value === 'boolean' ? node.value : undefined
}

const unitBytes: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 }
export const bytesForm = '^[0-9]{1,15}(KiB|MiB|GiB|TiB)$'
const bytesExpression = new RegExp(bytesForm)

function bytesOf(node: Node): number | undefined {
  const unit = bytesExpression.exec(textOf(node) ?? '')?.[1]
  return unit === undefined ? numeric(node) : parseInt(textOf(node)!, 10) * unitBytes[unit]!
}

function expectedNumber({ whole, min, max, unit, choices }: NumberShape<unknown>): string {
  if (choices) return oneOf(choices.map(String))
  const kind = unit === 'bytes' ? 'a size in bytes, as 65536 or 64KiB,' : whole ? 'a whole number' : 'a number'
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  const named = unit === 'ms' ? ' milliseconds' : unit === 'seconds' ? ' seconds' : ''
  return `${kind} ${range}${named}`
}

const oneOf = (words: readonly string[]): string => (words.length === 1 ? words[0]! : `one of ${words.join(', ')}`)
