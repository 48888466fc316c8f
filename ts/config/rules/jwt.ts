// Rules about tokens: guards that fit their route, keys that can be used, and subjects that are one consumer's. Must
// print no key.
import { isLoopbackHost } from '../formats.ts'
import {
  isSymmetric,
  jwtAlgorithms,
  leastSecretBytes,
  readJwks,
  readPublicKey,
  type JwtAlgorithm,
} from '../jwt-keys.ts'
import type { NamedFiles } from '../named-files.ts'
import { child, describe, entriesOf, has, itemsOf, textOf, type Node } from '../nodes.ts'
import { trailOf, under, type Problems, type Trail } from '../problems.ts'
import { secretBytes, secretEncodings } from '../secrets.ts'
import { placedChecks, together, type PlacedCheck } from './placed-checks.ts'
import { misfit, type Rule } from './rule.ts'

export const distinctSubjects: Rule = (root, problems) => {
  const owners = new Map<string, string>()
  const consumers = [...entriesOf(child(root, 'consumers'))]
  for (const [name, { node: consumer }] of consumers) {
    if (!has(consumer, 'jwt')) owners.set(subjectKey(name, null), name)
  }
  for (const [name, { node: consumer }] of consumers) {
    for (const [index, item] of itemsOf(child(consumer, 'jwt')).entries()) {
      const subject = textOf(item) ?? textOf(child(item, 'subject'))
      if (subject === undefined) continue
      const key = subjectKey(subject, textOf(child(item, 'issuer')) ?? null)
      const owner = owners.get(key)
      owners.set(key, name)
      if (owner === undefined) continue
      const message = `the same subject as one of consumer ${owner}, expected one of its own`
      problems.add(item.offset, trailOf('consumers', name, 'jwt', index), message)
    }
  }
}

const subjectKey = (subject: string, issuer: string | null): string => JSON.stringify([subject, issuer])

const places = ['header', 'query', 'cookie'] as const

export const soundJwtGuards: Rule = (root, problems) => {
  const anyConsumer = [...entriesOf(child(root, 'consumers'))].length > 0
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    const guards = placedChecks(route, index).filter(({ kind }) => kind === 'jwt')
    for (const [at, guard] of guards.entries()) {
      const { node, trail } = guard
      if (guards.slice(0, at).some(before => together(before, guard))) {
        problems.add(guard.guard.offset, trail, 'found a second jwt guard, expected one: a client has one token')
      }
      const [, second] = places.filter(place => has(node, place))
      if (second !== undefined) {
        const message = `found a second place, expected at most one of ${places.join(', ')}`
        problems.add(child(node, second)!.offset, under(trail, second), message)
      }
      if (has(route, 'redirect') && has(node, 'query')) {
        const message = 'found query on a redirect, expected header or cookie: a redirect keeps the query'
        problems.add(guard.guard.offset, trail, message)
      }
      consumerProblems(guard, anyConsumer, problems)
      sourceProblems(guard, problems)
      headerProblems(guard, problems)
    }
  }
}

function consumerProblems({ node, trail }: PlacedCheck, anyConsumer: boolean, problems: Problems): void {
  const unknown = child(node, 'unknownConsumer')
  if (unknown && !has(node, 'consumerClaim')) {
    problems.add(unknown.offset, under(trail, 'unknownConsumer'), 'found without consumerClaim, which says who it is')
  }
  const claim = child(node, 'consumerClaim')
  if (claim && !anyConsumer && textOf(unknown) !== 'admit') {
    problems.add(claim.offset, under(trail, 'consumerClaim'), 'nobody could pass: there are no consumers')
  }
}

function sourceProblems({ node, trail }: PlacedCheck, problems: Problems): void {
  const jwks = child(node, 'jwks')
  const url = textOf(jwks)
  const insecure = child(node, 'insecure')
  const isInsecure = insecure?.kind === 'scalar' && insecure.value === true
  if (jwks && url !== undefined && /^http:/i.test(url) && URL.canParse(url) && !isInsecure) {
    if (!isLoopbackHost(new URL(url).hostname)) {
      misfit(problems, jwks, under(trail, 'jwks'), 'https://, or insecure: true: whoever is between can make tokens')
    }
  }
  if (insecure && isInsecure && !/^http:/i.test(url ?? '')) {
    problems.add(insecure.offset, under(trail, 'insecure'), 'found without a jwks that begins with http:')
  }
  if (has(node, 'keys')) return
  for (const [at, item] of itemsOf(child(node, 'algorithms')).entries()) {
    if (!textOf(item)?.startsWith('HS')) continue
    const expected = 'an algorithm with public keys, or keys with a secret: a key set that others read holds none'
    misfit(problems, item, under(under(trail, 'algorithms'), at), expected)
  }
}

/** The same header twice in different capitals, or one that says who the consumer is. */
function headerProblems({ node, trail }: PlacedCheck, problems: Problems): void {
  const seen = new Set<string>()
  for (const [claim, { node: header }] of entriesOf(child(node, 'forwardClaims'))) {
    const name = textOf(header)?.toLowerCase().replaceAll('_', '-') ?? ''
    const at = under(under(trail, 'forwardClaims'), claim)
    if (seen.has(name)) misfit(problems, header, at, 'a header of its own')
    if (/^x-consumer(-|$)/.test(name) || /^(x-forwarded|x-request-id$|forwarded$|via$)/.test(name)) {
      misfit(problems, header, at, 'another header: this one is written by the gateway itself')
    }
    seen.add(name)
  }
}

/** Keys that the configuration holds or names. */
export function soundJwtKeys(
  root: Node,
  files: NamedFiles,
  fileOf: (name: string) => string,
  problems: Problems,
): void {
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    for (const { kind, node, trail } of placedChecks(route, index)) {
      if (kind !== 'jwt') continue
      const texts = itemsOf(child(node, 'algorithms')).map(textOf)
      const wanted = jwtAlgorithms.filter(one => texts.includes(one))
      for (const [at, key] of itemsOf(child(node, 'keys')).entries()) {
        keyProblems(key, under(under(trail, 'keys'), at), wanted, name => files.get(fileOf(name))?.text, problems)
      }
      const jwksFile = child(node, 'jwksFile')
      const text = jwksFile && files.get(fileOf(textOf(jwksFile) ?? ''))?.text
      if (jwksFile && text !== undefined) fileProblems(jwksFile, text, under(trail, 'jwksFile'), wanted, problems)
    }
  }
}

function keyProblems(
  key: Node,
  trail: Trail,
  wanted: readonly JwtAlgorithm[],
  read: (file: string) => string | undefined,
  problems: Problems,
): void {
  for (const name of ['secret', 'secretFile']) {
    const node = child(key, name)
    if (!node) continue
    const text = name === 'secret' ? textOf(node) : read(textOf(node) ?? '')
    const raw = Buffer.from(text ?? '', name === 'secret' ? 'utf8' : 'latin1')
    const problem = text === undefined ? null : secretProblem(raw, key, name === 'secretFile', wanted)
    if (problem === null) return
    const found = name === 'secret' ? 'found a value that is not shown' : `found in ${describe(node)} something else`
    return problems.add(node.offset, under(trail, name), `${found}, expected ${problem}`)
  }
  const encoding = child(key, 'encoding')
  if (encoding) problems.add(encoding.offset, under(trail, 'encoding'), 'found without secret: PEM says it itself')
  const [name, node] = has(key, 'publicKeyFile')
    ? ['publicKeyFile', child(key, 'publicKeyFile')]
    : ['publicKey', child(key, 'publicKey')]
  const pem = name === 'publicKeyFile' ? read(textOf(node) ?? '') : textOf(node)
  if (!node || pem === undefined) return
  const found = readPublicKey(pem)
  const what = name === 'publicKeyFile' ? `found in ${describe(node)} something else` : 'found something else'
  if (typeof found === 'string') problems.add(node.offset, under(trail, name), `${what}, expected ${found}`)
  else if (!found.algorithms.some(one => wanted.includes(one))) {
    const message = `found a key for ${found.algorithms.join(', ')}, and algorithms lists none of them`
    problems.add(node.offset, under(trail, name), message)
  }
}

function secretProblem(raw: Buffer, key: Node, fromFile: boolean, wanted: readonly JwtAlgorithm[]): string | null {
  const symmetric = wanted.filter(isSymmetric)
  if (symmetric.length === 0) return 'a public key: algorithms lists none that has a secret'
  const written = textOf(child(key, 'encoding')) ?? 'text'
  const encoding = secretEncodings.find(one => one === written)
  const secret = encoding === undefined ? null : secretBytes(raw, encoding, fromFile)
  if (secret === null || typeof secret === 'string') return secret
  const least = Math.max(...symmetric.map(leastSecretBytes))
  return secret.length < least ? `at least ${least} bytes for ${symmetric.at(-1)}` : null
}

function fileProblems(
  node: Node,
  text: string,
  trail: Trail,
  wanted: readonly JwtAlgorithm[],
  problems: Problems,
): void {
  const wrong = (message: string): void => problems.add(node.offset, trail, `file ${describe(node)}: ${message}`)
  try {
    const { keys, ignored } = readJwks(Buffer.from(text, 'latin1').toString())
    for (const reason of ignored) wrong(reason)
    if (keys.some(({ algorithms }) => algorithms.some(one => wanted.includes(one)))) return
    wrong(`holds no key for ${wanted.join(', ')}`)
  } catch (error) {
    wrong((error as Error).message)
  }
}
