// Rules about signatures of requests to upstreams: what is written belongs to the scheme, and the key fits it. Looks into
// the files that keys are in. Must print no secret.
import { resolve } from 'node:path'
import { native } from '../../shared/native.ts'
import type { NamedFiles } from '../named-files.ts'
import { child, deepest, entriesOf, has, itemsOf, textOf, type MapNode, type Node } from '../nodes.ts'
import type { Plan } from '../plan.ts'
import { trailOf, under, type Problems, type Trail } from '../problems.ts'
import { signingSchemes } from '../schema/upstream-sign.ts'
import { privateKeyDer } from '../secrets.ts'
import { isAsymmetric, schemeTraits } from '../signature-schemes.ts'
import { digestHeaders, upstreamSignerOptions } from '../upstream-signing.ts'
import { misfit, type Rule } from './rule.ts'
import { secretProblem } from './signing-keys.ts'

type Scheme = (typeof signingSchemes)[number]

/** What is written under `sign`, and where. */
interface WrittenSign {
  readonly node: MapNode
  readonly trail: Trail | null
  readonly scheme: Scheme
}

function* signsOf(root: Node): Iterable<WrittenSign> {
  for (const [name, { node: upstream }] of entriesOf(child(root, 'upstreams'))) {
    const node = child(upstream, 'sign')
    const scheme = signingSchemes.find(one => one === textOf(child(node, 'scheme')))
    if (node?.kind === 'map' && scheme !== undefined) yield { node, trail: trailOf('upstreams', name, 'sign'), scheme }
  }
}

export const soundUpstreamSigning: Rule = (root, problems) => {
  for (const sign of signsOf(root)) {
    ownKeys(sign, problems)
    soundAlgorithm(sign, problems)
    soundCover(sign, problems)
    if (sign.scheme === 'sigv4') soundScope(sign, problems)
  }
}

/** Keys that not all schemes have. */
const schemesOf: Readonly<Record<string, readonly Scheme[]>> = {
  algorithm: ['cavage', 'rfc9421'],
  privateKey: ['cavage', 'rfc9421'],
  privateKeyFile: ['cavage', 'rfc9421'],
  dialect: ['cavage'],
  cover: ['cavage', 'rfc9421'],
  tag: ['rfc9421'],
  expiresAfterSeconds: ['rfc9421'],
  region: ['sigv4'],
  service: ['sigv4'],
  path: ['sigv4'],
}

function ownKeys({ node, trail, scheme }: WrittenSign, problems: Problems): void {
  for (const [key, { keyOffset }] of node.entries) {
    const schemes = schemesOf[key] ?? signingSchemes
    if (schemes.includes(scheme)) continue
    problems.add(
      keyOffset,
      under(trail, key),
      `found beside scheme ${scheme}, expected only with ${schemes.join(', ')}`,
    )
  }
}

function soundAlgorithm({ node, trail, scheme }: WrittenSign, problems: Problems): void {
  const isPrivate = has(node, 'privateKey') || has(node, 'privateKeyFile')
  const written = child(node, 'algorithm')
  const choices = schemeTraits[scheme].algorithms.filter(one => isAsymmetric(one) === isPrivate)
  if (choices.length === 0) return
  if (!written && isPrivate) {
    problems.add(node.offset, trail, `algorithm is missing beside a private key, expected one of ${choices.join(', ')}`)
  } else if (written && textOf(written) !== undefined && !choices.includes(textOf(written)!)) {
    const form = isPrivate ? 'a private key' : 'a secret'
    misfit(problems, written, under(trail, 'algorithm'), `one of ${choices.join(', ')} for ${form} of scheme ${scheme}`)
  }
  const encoding = child(node, 'encoding')
  if (encoding && isPrivate) {
    problems.add(encoding.offset, under(trail, 'encoding'), 'found without secret: PEM says it itself')
  }
}

/** `(created)` is cavage's, `@authority` RFC 9421's, `@request-target` two dialects'. */
function soundCover({ node, trail, scheme }: WrittenSign, problems: Problems): void {
  if (scheme === 'sigv4') return
  const dialect = textOf(child(node, 'dialect'))
  const takesAt = dialect === 'kong' || dialect === 'apisix'
  const seen = new Set<string | undefined>()
  for (const [at, item] of itemsOf(child(node, 'cover')).entries()) {
    const name = textOf(item)
    const where = under(under(trail, 'cover'), at)
    const fits = name?.startsWith('(')
      ? scheme === 'cavage' && !takesAt
      : !name?.startsWith('@') || scheme === 'rfc9421' || takesAt
    if (!fits) misfit(problems, item, where, 'a header: this component is of another scheme')
    else if (seen.has(name)) misfit(problems, item, where, 'each one once')
    else if (name === digestHeaders[scheme] && isTrue(child(node, 'unsignedBody'))) {
      misfit(problems, item, where, 'another header: with unsignedBody no body is signed')
    }
    seen.add(name)
  }
}

const isTrue = (node: Node | undefined): boolean => node?.kind === 'scalar' && node.value === true

function soundScope({ node, trail }: WrittenSign, problems: Problems): void {
  for (const key of ['region', 'service']) {
    if (!has(node, key)) problems.add(node.offset, trail, `${key} is missing: scheme sigv4 signs it`)
  }
  const id = child(node, 'keyId')
  if (id && /[/,;=]/.test(textOf(id) ?? '')) {
    problems.add(id.offset, under(trail, 'keyId'), 'found a key id with /, comma, ; or =, expected one without')
  }
}

/** `folder` is what relative names start from. */
export function soundSigners(root: Node, folder: string, files: NamedFiles, problems: Problems): void {
  for (const { node, trail, scheme } of signsOf(root)) {
    for (const name of ['secret', 'secretFile', 'privateKey', 'privateKeyFile']) {
      const key = child(node, name)
      const text = textOf(key)
      const isFile = name.endsWith('File')
      if (!key || text === undefined) continue
      const content = isFile ? files.get(resolve(folder, text))?.text : text
      if (content === undefined) continue
      const algorithm = textOf(child(node, 'algorithm')) ?? ''
      const expected = name.startsWith('secret')
        ? secretProblem(Buffer.from(content, isFile ? 'latin1' : 'utf8'), node, isFile, scheme)
        : isAsymmetric(algorithm)
          ? problemOf(privateKeyDer(content, algorithm))
          : null
      const found = isFile ? 'the file holds something else' : 'found a value that is not shown'
      if (expected !== null) problems.add(key.offset, under(trail, name), `${found}, expected ${expected}`)
    }
  }
}

const problemOf = (value: Buffer | string): string | null => (typeof value === 'string' ? value : null)

/** What only the addon can say: whether a request can be signed like this at all. */
export function workingSigners({ upstreams, secrets }: Plan, root: Node, problems: Problems): void {
  for (const { name, sign } of upstreams) {
    if (sign === null) continue
    const options = upstreamSignerOptions(sign, secrets[sign.secret]!.value, true)
    const problem = options === null ? 'the key cannot be used' : native().upstreamSignerProblem(options)
    if (problem === '') continue
    const keys = ['upstreams', name, 'sign']
    const expected = sign.cover.length === 0 ? '' : `, expected in cover what scheme ${sign.scheme} can sign`
    problems.add(deepest(root, keys).offset, trailOf(...keys), `${problem}${expected}`)
  }
}
