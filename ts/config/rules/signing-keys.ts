// Rules about the keys by which requests are signed: each is of its scheme's form, can be read, and is one consumer's.
// Looks into the files that they are in. Must print no secret.
import { resolve } from 'node:path'
import type { NamedFiles } from '../named-files.ts'
import { child, entriesOf, has, itemsOf, textOf, type MapNode, type Node } from '../nodes.ts'
import { trailOf, under, type Problems, type Trail } from '../problems.ts'
import { publicKeyDer, secretBytes, secretEncodings, webhookSecret } from '../secrets.ts'
import { isAsymmetric, isScheme, schemeTraits, type SchemeTraits } from '../signature-schemes.ts'

/** A key as it is written, and where. */
interface WrittenKey {
  readonly node: MapNode
  readonly trail: Trail
  readonly scheme: string
  readonly traits: SchemeTraits
}

type TextOf = (node: Node | undefined) => Buffer | undefined

/** `folder` is what relative names start from. */
export function soundKeys(root: Node, folder: string, files: NamedFiles, problems: Problems): void {
  const owners = new Map<string, string>()
  const contentOf: TextOf = node => {
    const file = files.get(resolve(folder, textOf(node) ?? ''))
    return file && Buffer.from(file.text, 'latin1')
  }
  for (const [name, { node: consumer }] of entriesOf(child(root, 'consumers'))) {
    for (const [at, node] of itemsOf(child(consumer, 'signing')).entries()) {
      const scheme = textOf(child(node, 'scheme'))
      if (node.kind !== 'map' || !isScheme(scheme)) continue
      const trail = under(trailOf('consumers', name, 'signing'), at)
      const key: WrittenKey = { node, trail, scheme, traits: schemeTraits[scheme] }
      ownKeyId(key, name, owners, problems)
      soundAlgorithm(key, problems)
      soundMaterial(key, contentOf, problems)
      soundValidity(key, problems)
    }
  }
}

function ownKeyId(key: WrittenKey, owner: string, owners: Map<string, string>, problems: Problems): void {
  const { node, trail, scheme, traits } = key
  const id = child(node, 'keyId')
  if (!traits.namesKey) {
    if (id) found(key, 'keyId', `found beside scheme ${scheme}, whose requests name no key`, problems)
    return
  }
  const text = textOf(id)
  if (!id) problems.add(node.offset, trail, `keyId is missing: requests name the key that signed them`)
  if (!id || text === undefined) return
  if (scheme === 'sigv4' && /[/,;=]/.test(text)) {
    problems.add(id.offset, under(trail, 'keyId'), 'found a key id with /, comma, ; or =, expected one without')
  }
  const before = owners.get(`${scheme} ${text}`)
  if (before === undefined) owners.set(`${scheme} ${text}`, owner)
  else if (before !== owner) {
    const message = `the same key id as one of consumer ${before}, expected one of its own`
    problems.add(id.offset, under(trail, 'keyId'), message)
  }
}

function soundAlgorithm(key: WrittenKey, problems: Problems): void {
  const { node, trail, scheme, traits } = key
  const written = child(node, 'algorithm')
  const algorithm = textOf(written)
  const isPublic = has(node, 'publicKey') || has(node, 'publicKeyFile')
  const choices = traits.algorithms.filter(one => isAsymmetric(one) === isPublic)
  if (traits.algorithms.length === 0) {
    if (written) found(key, 'algorithm', `found beside scheme ${scheme}, which has its own`, problems)
    for (const name of ['publicKey', 'publicKeyFile']) {
      if (has(node, name)) found(key, name, `found beside scheme ${scheme}, expected secret or secretFile`, problems)
    }
  } else if (!written && isPublic) {
    problems.add(node.offset, trail, `algorithm is missing beside a public key, expected one of ${choices.join(', ')}`)
  } else if (written && algorithm !== undefined && !choices.includes(algorithm)) {
    const form = isPublic ? 'a public key' : 'a secret'
    const message = `found ${algorithm} for ${form} of scheme ${scheme}, expected one of ${choices.join(', ')}`
    problems.add(written.offset, under(trail, 'algorithm'), message)
  }
}

function soundMaterial(key: WrittenKey, contentOf: TextOf, problems: Problems): void {
  const { node, trail, scheme, traits } = key
  const algorithm = textOf(child(node, 'algorithm')) ?? ''
  for (const [name, content] of materialsOf(node, contentOf)) {
    const at = child(node, name)!.offset
    const expected = name.startsWith('secret')
      ? secretProblem(content, node, name === 'secretFile', scheme)
      : traits.algorithms.includes(algorithm) && isAsymmetric(algorithm)
        ? problemOf(publicKeyDer(content.toString('latin1'), algorithm))
        : null
    if (expected !== null) problems.add(at, under(trail, name), `${shownAs(name)}, expected ${expected}`)
  }
}

const shownAs = (name: string): string =>
  name.endsWith('File') ? 'the file holds something else' : 'found a value that is not shown'

/** What is there to be looked at: the texts, and the contents of files that could be read. */
function materialsOf(node: MapNode, contentOf: TextOf): [name: string, content: Buffer][] {
  const all: [string, Buffer | undefined][] = [
    ['secret', bufferOf(textOf(child(node, 'secret')))],
    ['secretFile', contentOf(child(node, 'secretFile'))],
    ['publicKey', bufferOf(textOf(child(node, 'publicKey')))],
    ['publicKeyFile', contentOf(child(node, 'publicKeyFile'))],
  ]
  return all.flatMap(([name, content]) => (content === undefined || !has(node, name) ? [] : [[name, content]]))
}

const bufferOf = (text: string | undefined): Buffer | undefined => (text === undefined ? undefined : Buffer.from(text))

const problemOf = (value: Buffer | string): string | null => (typeof value === 'string' ? value : null)

export function secretProblem(content: Buffer, node: Node, fromFile: boolean, scheme: string): string | null {
  const written = textOf(child(node, 'encoding')) ?? 'text'
  const encoding = secretEncodings.find(one => one === written)
  if (encoding === undefined) return null
  const bytes = secretBytes(content, encoding, fromFile)
  if (typeof bytes === 'string') return bytes
  return scheme === 'standard-webhooks' || scheme === 'svix' ? webhookSecret(bytes) : null
}

function soundValidity({ node, trail }: WrittenKey, problems: Problems): void {
  const [from, to] = ['notBefore', 'notAfter'].map(name => Date.parse(textOf(child(node, name)) ?? ''))
  if (from! >= to!) {
    problems.add(child(node, 'notAfter')!.offset, under(trail, 'notAfter'), 'not after notBefore, expected a later one')
  }
}

function found({ node, trail }: WrittenKey, name: string, message: string, problems: Problems): void {
  problems.add(node.entries.get(name)!.keyOffset, under(trail, name), message)
}
