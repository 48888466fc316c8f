// Rules about signature guards: what is written belongs to the scheme, and somebody can pass.
import { didYouMean } from '../nearest.ts'
import { child, entriesOf, has, itemsOf, textOf, type MapNode, type Node } from '../nodes.ts'
import { under, type Problems, type Trail } from '../problems.ts'
import { isScheme, schemeTraits, signatureSchemes, type SignatureScheme } from '../signature-schemes.ts'
import { placedChecks } from './placed-checks.ts'
import { misfit, type Rule } from './rule.ts'

/** A guard as it is written, and where. */
interface WrittenGuard {
  readonly node: MapNode
  readonly trail: Trail
  readonly scheme: SignatureScheme
}

export const soundSignatureGuards: Rule = (root, problems) => {
  const owners = ownersOf(root)
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    for (const { kind, node, trail } of placedChecks(route, index)) {
      const scheme = textOf(child(node, 'scheme'))
      if (kind !== 'signature' || node.kind !== 'map' || !isScheme(scheme)) continue
      const guard: WrittenGuard = { node, trail, scheme }
      ownKeys(guard, problems)
      passable(guard, owners, problems)
      soundPlaces(guard, problems)
      soundReplay(guard, problems)
      soundRequirements(guard, problems)
      if (scheme === 'sigv4') {
        for (const key of ['region', 'service']) {
          if (!has(node, key)) problems.add(node.offset, trail, `${key} is missing: scheme sigv4 signs it`)
        }
      }
      if (!has(route, 'redirect')) continue
      for (const key of ['keyParameter', 'parameter', 'presigned'].filter(key => has(node, key))) {
        const message = 'found on a redirect, which keeps the query: it would send the signature on'
        problems.add(node.entries.get(key)!.keyOffset, under(trail, key), message)
      }
    }
  }
}

/** By scheme the consumers that have a key for it, in the order of the file. */
function ownersOf(root: Node): ReadonlyMap<string, readonly string[]> {
  const owners = new Map<string, string[]>()
  for (const [name, { node: consumer }] of entriesOf(child(root, 'consumers'))) {
    for (const key of itemsOf(child(consumer, 'signing'))) {
      const scheme = textOf(child(key, 'scheme')) ?? ''
      const names = owners.get(scheme) ?? []
      if (!names.includes(name)) names.push(name)
      owners.set(scheme, names)
    }
  }
  return owners
}

/** Whether a scheme has a key of the guard; those that are not in its traits are all schemes'. */
const rest: Readonly<Record<string, (scheme: SignatureScheme) => boolean>> = {
  clockSkewSeconds: scheme => schemeTraits[scheme].skewSeconds !== null,
  onFailure: scheme => schemeTraits[scheme].tellsReplay || schemeTraits[scheme].guardKeys.includes('bind'),
}
const special = new Set(signatureSchemes.flatMap(scheme => schemeTraits[scheme].guardKeys))

function ownKeys({ node, trail, scheme }: WrittenGuard, problems: Problems): void {
  for (const [key, { keyOffset }] of node.entries) {
    const takes = rest[key] ?? (special.has(key) ? (one: SignatureScheme) => hasKey(one, key) : null)
    if (takes === null || takes(scheme)) continue
    const others = signatureSchemes.filter(takes).join(', ')
    problems.add(keyOffset, under(trail, key), `found beside scheme ${scheme}, expected only with ${others}`)
  }
}

const hasKey = (scheme: SignatureScheme, key: string): boolean => schemeTraits[scheme].guardKeys.includes(key)

function passable(guard: WrittenGuard, owners: ReadonlyMap<string, readonly string[]>, problems: Problems): void {
  const { node, trail, scheme } = guard
  const names = owners.get(scheme) ?? []
  const consumer = child(node, 'consumer')
  const name = textOf(consumer)
  if (names.length === 0) {
    problems.add(node.offset, trail, `nobody could pass: no consumer has a key for ${scheme} under signing`)
  } else if (schemeTraits[scheme].namesKey) {
    return
  } else if (consumer && name !== undefined && !names.includes(name)) {
    const known = `a consumer with a secret for ${scheme}${didYouMean(name, names)}`
    misfit(problems, consumer, under(trail, 'consumer'), known)
  } else if (!consumer && names.length > 1) {
    const message = `consumer is missing: ${names.join(', ')} have secrets for ${scheme}, whose requests name no key`
    problems.add(node.offset, trail, message)
  }
}

const pairs = [
  ['keyHeader', 'keyParameter', 'header', 'parameter', 'the signature'],
  ['header', 'parameter', 'keyHeader', 'keyParameter', 'the key'],
] as const

function soundPlaces({ node, trail, scheme }: WrittenGuard, problems: Problems): void {
  if (!hasKey(scheme, 'keyHeader')) return
  for (const [one, other, needed, orElse, what] of pairs) {
    const written = [one, other].find(key => has(node, key))
    if (written === undefined || has(node, needed) || has(node, orElse)) continue
    const message = `found without a place for ${what}, expected ${needed} or ${orElse} beside it`
    problems.add(node.entries.get(written)!.keyOffset, under(trail, written), message)
  }
  for (const [one, other] of [
    ['keyHeader', 'header'],
    ['keyParameter', 'parameter'],
  ] as const) {
    const signature = child(node, other)
    const [key, name] = [textOf(child(node, one)), textOf(signature)]
    const same = other === 'header' ? key?.toLowerCase() === name?.toLowerCase() : key === name
    if (signature && name !== undefined && same) {
      misfit(problems, signature, under(trail, other), `another ${other} than ${one}`)
    }
  }
}

function soundReplay({ node, trail, scheme }: WrittenGuard, problems: Problems): void {
  const replay = child(node, 'replay')
  if (replay?.kind !== 'scalar' || replay.value !== true) return
  const presigned = child(node, 'presigned')
  const { tellsReplay, skewSeconds } = schemeTraits[scheme]
  if (tellsReplay && !(presigned?.kind === 'scalar' && presigned.value === true)) return
  const reason = tellsReplay
    ? 'a presigned request is meant to be sent more than once'
    : skewSeconds === null
      ? `${scheme} signs no time, so the gateway would have to remember for ever, and refuse what is delivered again`
      : 'honest clients send the same signature for a whole second; bind: address lets one address alone use it'
  problems.add(replay.offset, under(trail, 'replay'), `found true, expected false: ${reason}`)
}

/** `(created)` is cavage's, `@authority` RFC 9421's and two dialects'. */
function soundRequirements({ node, trail, scheme }: WrittenGuard, problems: Problems): void {
  const dialect = textOf(child(node, 'dialect'))
  for (const [at, item] of itemsOf(child(node, 'require')).entries()) {
    const first = textOf(item)?.[0]
    const fits =
      first === '('
        ? scheme === 'cavage'
        : first !== '@' || scheme === 'rfc9421' || (scheme === 'cavage' && (dialect === 'kong' || dialect === 'apisix'))
    if (!fits)
      misfit(problems, item, under(under(trail, 'require'), at), 'a header: this component is of another scheme')
  }
}
