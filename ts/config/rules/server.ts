// Rules about listeners and the admin server.
import { child, describe, has, itemsOf, numberOf, textOf, type Node } from '../nodes.ts'
import { trailOf, type Problems } from '../problems.ts'
import { tcp } from '../schema/listen.ts'
import { admin as adminShape } from '../schema/server.ts'
import type { ObjectShape } from '../shapes.ts'
import { misfit, orDefault, type Rule } from './rule.ts'

export const distinctListeners: Rule = (root, problems) => {
  const seen = new Map<string, string>()
  for (const [index, listener] of itemsOf(child(root, 'listen')).entries()) {
    const place = textOf(child(listener, 'unix')) ?? addressOf(tcp, listener)
    if (place === null) continue
    const first = seen.get(place)
    if (first === undefined) seen.set(place, `listen[${index}]`)
    else problems.add(listener.offset, trailOf('listen', index), `the same place as ${first}, expected one of its own`)
  }
  const admin = child(root, 'admin')
  const taken = seen.get(addressOf(adminShape, admin) ?? '')
  if (admin && taken !== undefined)
    problems.add(admin.offset, trailOf('admin'), `the same place as ${taken}, expected one of its own`)
}

/** null where it is not known, or where the system chooses the port. */
function addressOf(shape: ObjectShape, node: Node | undefined): string | null {
  if (node?.kind !== 'map') return null
  const address = textOf(orDefault(shape, node, 'address'))
  const port = numberOf(orDefault(shape, node, 'port'))
  return address === undefined || !port ? null : `${address} ${port}`
}

const loopback = /^(127\.|::1$)/

/** Metrics name routes and peers, and later the admin API changes things: nobody gets that over a network for nothing. */
export const guardedAdmin: Rule = (root, problems) => {
  const admin = child(root, 'admin')
  const node = child(admin, 'address')
  const address = textOf(node)
  if (!node || address === undefined || loopback.test(address) || has(admin, 'token')) return
  misfit(problems, node, trailOf('admin', 'address'), 'a loopback address, or a token beside it')
}

export const distinctServerNames: Rule = (root, problems) => {
  for (const [index, listener] of itemsOf(child(root, 'listen')).entries()) {
    const seen = new Set<string>()
    for (const [at, entry] of itemsOf(child(child(listener, 'tls'), 'sni')).entries()) {
      for (const [position, node] of itemsOf(child(entry, 'hosts')).entries()) {
        serverName(problems, node, seen, ['listen', index, 'tls', 'sni', at, 'hosts', position])
      }
    }
  }
}

function serverName(problems: Problems, node: Node, seen: Set<string>, keys: readonly (string | number)[]): void {
  const name = textOf(node)?.toLowerCase()
  if (name === undefined) return
  if (seen.has(name)) {
    problems.add(node.offset, trailOf(...keys), `found ${describe(node)}, which has a certificate already`)
  }
  seen.add(name)
}
