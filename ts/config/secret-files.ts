// Secrets that stand in files: `{ file: NAME }` in the place of a text whose shape takes one (`orFile`). Called by load
// before anything else reads the tree: the mapping is replaced by the text that the file holds, so that validation, rules
// and compiler need not know where a secret came from. Where the language has a key of its own for the file as well
// (`secretFile` beside `secret`), it is that key written otherwise: such a file may hold bytes, and is read again for a plan
// that comes from disk. Must not print what a file holds.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { readFailure } from './files.ts'
import { fileName } from './formats.ts'
import { child, describe, has, textOf, type Entry, type MapNode, type Node } from './nodes.ts'
import { under, type Problems, type Trail } from './problems.ts'
import type { ObjectShape, Shape } from './shapes.ts'
import { meantForm } from './validate.ts'

/** No secret is longer: a certificate or a list of keys belongs elsewhere. */
const maxSecretBytes = 64 * 1024

export interface WithSecrets {
  readonly root: Node
  /** Absolute names of the files that were read. */
  readonly files: readonly string[]
}

/** `folder` is what relative names start from. */
export function readSecretFiles(shape: ObjectShape, root: Node, folder: string, problems: Problems): WithSecrets {
  const reader = new SecretReader(folder, problems)
  return { root: reader.walk(shape, root, null), files: [...reader.files] }
}

class SecretReader {
  readonly files = new Set<string>()
  readonly #folder: string
  readonly #problems: Problems

  constructor(folder: string, problems: Problems) {
    this.#folder = folder
    this.#problems = problems
  }

  /** The node itself where no file is named below it. */
  walk(shape: Shape, node: Node, trail: Trail | null): Node {
    switch (shape.kind) {
      case 'text':
        return shape.orFile === true && node.kind === 'map' && has(node, 'file') ? this.#secret(node, trail) : node
      case 'list': {
        if (node.kind !== 'list') return node
        const items = node.items.map((item, index) => this.walk(shape.item, item, under(trail, index)))
        return items.every((item, index) => item === node.items[index]) ? node : { ...node, items }
      }
      case 'map':
        return this.#entries(node, trail, () => shape.value)
      case 'object':
        return this.#entries(withFileKeys(shape, node), trail, key => shapeOf(shape, key))
      case 'toggle':
        return this.walk(shape.on, node, trail)
      case 'either': {
        const meant = meantForm(shape, node)
        return meant ? this.walk(meant, node, trail) : node
      }
      case 'any':
      case 'word':
      case 'number':
      case 'flag':
        return node
    }
  }

  #entries(node: Node, trail: Trail | null, shapeOf: (key: string) => Shape | undefined): Node {
    if (node.kind !== 'map') return node
    const changed = new Map<string, Entry>()
    for (const [key, entry] of node.entries) {
      const shape = shapeOf(key)
      const walked = shape ? this.walk(shape, entry.node, under(trail, key)) : entry.node
      if (walked !== entry.node) changed.set(key, { ...entry, node: walked })
    }
    if (changed.size === 0) return node
    return { ...node, entries: new Map([...node.entries].map(([key, entry]) => [key, changed.get(key) ?? entry])) }
  }

  #secret(node: MapNode, trail: Trail | null): Node {
    const broken: Node = { kind: 'broken', offset: node.offset }
    for (const [key, { keyOffset }] of node.entries) {
      if (key === 'file') continue
      const expected = 'found beside file, expected { file: NAME } alone, in the place of the secret itself'
      this.#problems.add(keyOffset, under(trail, key), expected)
      return broken
    }
    const nameNode = child(node, 'file')!
    if (nameNode.kind === 'broken') return broken
    const name = textOf(nameNode)
    const inside = under(trail, 'file')
    if (name === undefined || fileName(name) !== null) {
      this.#problems.add(nameNode.offset, inside, `found ${describe(nameNode)}, expected the name of a file`)
      return broken
    }
    const called = `file ${describe(nameNode)}`
    const file = resolve(this.#folder, name)
    const read = readSecret(file)
    if (read.wrong !== null) {
      this.#problems.add(nameNode.offset, inside, `${called}: ${read.wrong}`)
      return broken
    }
    this.files.add(file)
    const warning = readableByAll(called, read.mode)
    if (warning !== null) this.#problems.warn(nameNode.offset, inside, warning)
    return { kind: 'scalar', offset: nameNode.offset, value: read.text, from: called }
  }
}

const shapeOf = ({ keys }: ObjectShape, key: string): Shape | undefined =>
  Object.hasOwn(keys, key) ? keys[key] : undefined

/** `secret: { file: NAME }` becomes `secretFile: NAME`, where there is such a key and it is not written as well. */
function withFileKeys(shape: ObjectShape, node: Node): Node {
  if (node.kind !== 'map') return node
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => {
    const known = shapeOf(shape, key)
    const fileKey = `${key}File`
    const isFile = known?.kind === 'text' && known.orFile === true && entry.node.kind === 'map'
    if (!isFile || shapeOf(shape, fileKey) === undefined || has(node, fileKey)) return [key, entry]
    const named = child(entry.node, 'file')
    return named === undefined || entry.node.entries.size > 1
      ? [key, entry]
      : [fileKey, { keyOffset: entry.keyOffset, node: named }]
  })
  return entries.every(([key]) => node.entries.has(key)) ? node : { ...node, entries: new Map(entries) }
}

/** The warning for a file of a secret that everybody can read; null: not everybody can. */
export const readableByAll = (called: string, mode: number): string | null =>
  (mode & 0o004) === 0 ? null : `${called}: everybody may read it (mode ${(mode & 0o777).toString(8)}), expected 600`

type Read = { readonly wrong: string } | { readonly wrong: null; readonly text: string; readonly mode: number }

function readSecret(file: string): Read {
  let descriptor: number | null = null
  try {
    // Without O_NONBLOCK a pipe that nobody writes to would hold up control for ever.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const status = fstatSync(descriptor)
    if (status.isDirectory()) return { wrong: 'a folder, expected a file' }
    if (!status.isFile()) return { wrong: 'is no regular file' }
    const content = Buffer.alloc(maxSecretBytes + 1)
    let length = 0
    for (let got = -1; got !== 0 && length < content.length; length += got) {
      got = readSync(descriptor, content, length, content.length - length, null)
    }
    if (length > maxSecretBytes) return { wrong: 'is larger than 64 KiB, expected a secret' }
    return textFrom(content.subarray(0, length), status.mode)
  } catch (error) {
    return { wrong: readFailure(error) }
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

function textFrom(content: Buffer, mode: number): Read {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    return { wrong: 'is no UTF-8 text' }
  }
  if (text.includes('\0')) return { wrong: 'holds a zero byte, expected a text' }
  if (text.trim() === '') return { wrong: 'is blank, expected a secret' }
  // Editors end a file with one.
  return { wrong: null, text: text.replace(/\r?\n$/, ''), mode }
}
