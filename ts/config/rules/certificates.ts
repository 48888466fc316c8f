// Rules about client certificates: what one says is one consumer's, and a guard that asks for one can be passed.
import { certificateKey } from '../certificate-names.ts'
import { child, entriesOf, has, itemsOf, textOf, type Node } from '../nodes.ts'
import { trailOf, type Problems } from '../problems.ts'
import { certificateHeaders } from '../../shared/native-heads.ts'
import { placedChecks, together } from './placed-checks.ts'
import { misfit, type Rule } from './rule.ts'

export const distinctCertificates: Rule = (root, problems) => {
  const owners = new Map<string, string>()
  for (const [name, { node: consumer }] of entriesOf(child(root, 'consumers'))) {
    for (const [index, node] of itemsOf(child(consumer, 'certificates')).entries()) {
      const part = (key: string): string | null => textOf(child(node, key)) ?? null
      const key = certificateKey({ subject: part('subject'), san: part('san'), sha256: part('sha256') })
      if (key === null) continue
      const owner = owners.get(key)
      if (owner === undefined) owners.set(key, name)
      else {
        const message = `the same as one of consumer ${owner}, expected one of its own`
        problems.add(node.offset, trailOf('consumers', name, 'certificates', index), message)
      }
    }
  }
}

/** A guard that no client can pass, or that asks twice. */
export const soundCertificateGuards: Rule = (root, problems) => {
  const anyOwner = [...entriesOf(child(root, 'consumers'))].some(
    ([, { node }]) => itemsOf(child(node, 'certificates')).length > 0,
  )
  const anyListener = itemsOf(child(root, 'listen')).some(listener => has(child(listener, 'tls'), 'clientCa'))
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    const found = placedChecks(route, index).filter(({ kind }) => kind === 'clientCertificate')
    for (const [at, check] of found.entries()) {
      const { guard, trail } = check
      const add = (message: string): void => problems.add(guard.offset, trail, message)
      if (!anyListener) add('nobody could pass: no listener asks for client certificates (tls.clientCa)')
      if (!anyOwner) add('nobody could pass: no consumer has a certificate')
      soleWriter(route, index, check.node, problems)
      if (found.slice(0, at).some(before => together(before, check))) {
        add('found a second clientCertificate guard, expected one: a client has one certificate')
      }
    }
  }
}

/** What the guard writes must have one value: an edit of the same name would add another. */
function soleWriter(route: Node, index: number, guard: Node, problems: Problems): void {
  const written = itemsOf(child(guard, 'headers')).map(part => headerOf(textOf(part) ?? ''))
  for (const kind of ['set', 'append']) {
    for (const [name, { keyOffset }] of entriesOf(child(child(route, 'requestHeaders'), kind))) {
      // As native/head compares names.
      if (!written.includes(name.toLowerCase().replaceAll('_', '-'))) continue
      const trail = trailOf('routes', index, 'requestHeaders', kind, name)
      problems.add(keyOffset, trail, `found ${name}, which the clientCertificate guard writes, expected another header`)
    }
  }
}

const headerOf = (part: string): string | null =>
  Object.hasOwn(certificateHeaders, part) ? certificateHeaders[part as keyof typeof certificateHeaders] : null

/** Client options without authorities would say nothing, and be taken for a promise. */
export const usedClientOptions: Rule = (root, problems) => {
  for (const [index, listener] of itemsOf(child(root, 'listen')).entries()) unusedOptions(listener, index, problems)
}

function unusedOptions(listener: Parameters<typeof child>[0], index: number, problems: Problems): void {
  const tls = child(listener, 'tls')
  if (has(tls, 'clientCa')) return
  for (const key of ['clientCertificate', 'clientCrl']) {
    const node = child(tls, key)
    if (node) misfit(problems, node, trailOf('listen', index, 'tls', key), 'clientCa beside it')
  }
}
