// Rules about upstreams: peers, their TLS, health checks.
import { child, describe, entriesOf, has, itemsOf, numberOf, textOf, type Node } from '../nodes.ts'
import { readPeerUrl, type PeerUrl } from '../formats.ts'
import { trailOf, type Problems } from '../problems.ts'
import { active, passive, peer as peerShape } from '../schema/upstream.ts'
import { misfit, orDefault, type Rule } from './rule.ts'

export const distinctPeers: Rule = (root, problems) => {
  for (const [name, { node: upstream }] of upstreamsOf(root)) {
    const seen = new Set<string>()
    for (const [index, peer] of peersOf(upstream)) {
      const node = child(peer, 'url')
      const url = urlOf(peer)
      if (!node || !url) continue
      const key = JSON.stringify(url)
      if (seen.has(key)) {
        const message = `found ${describe(node)}, which is a peer already; a larger weight gives it more`
        problems.add(node.offset, trailOf('upstreams', name, 'peers', index, 'url'), message)
      }
      seen.add(key)
    }
  }
}

export const weightedPeers: Rule = (root, problems) => {
  for (const [name, { node: upstream }] of upstreamsOf(root)) {
    const peers = child(upstream, 'peers')
    const weights = itemsOf(peers).map(peer => numberOf(orDefault(peerShape, peer, 'weight')))
    if (peers && weights.length > 0 && weights.every(weight => weight === 0)) {
      problems.add(
        peers.offset,
        trailOf('upstreams', name, 'peers'),
        'found only weights of 0, expected one of at least 1',
      )
    }
  }
}

/** TLS settings that nothing uses would give a false feeling of safety. */
export const usedTls: Rule = (root, problems) => {
  for (const [name, { node: upstream }] of upstreamsOf(root)) {
    for (const [index, peer] of peersOf(upstream)) {
      const url = urlOf(peer)
      if (has(peer, 'tls') && url && url.scheme !== 'https') {
        unused(problems, peer, trailOf('upstreams', name, 'peers', index, 'tls'), 'an https:// url')
      }
      pairedKey(problems, child(peer, 'tls'), ['upstreams', name, 'peers', index, 'tls'])
    }
    const urls = [...peersOf(upstream)].map(([, peer]) => urlOf(peer))
    if (has(upstream, 'tls') && urls.length > 0 && urls.every(url => url && url.scheme !== 'https')) {
      unused(problems, upstream, trailOf('upstreams', name, 'tls'), 'a peer with an https:// url')
    }
    pairedKey(problems, child(upstream, 'tls'), ['upstreams', name, 'tls'])
  }
}

function unused(problems: Problems, owner: Node, trail: ReturnType<typeof trailOf>, needed: string): void {
  if (owner.kind === 'map') problems.add(owner.entries.get('tls')!.keyOffset, trail, `found tls without ${needed}`)
}

function pairedKey(problems: Problems, tls: Node | undefined, keys: readonly (string | number)[]): void {
  if (tls?.kind !== 'map' || has(tls, 'certificate') === has(tls, 'key')) return
  const [there, missing] = has(tls, 'key') ? ['key', 'certificate'] : ['certificate', 'key']
  problems.add(
    tls.entries.get(there)!.keyOffset,
    trailOf(...keys, there),
    `found without ${missing}, expected both or none`,
  )
}

export const soundHealth: Rule = (root, problems) => {
  for (const [name, { node: upstream }] of upstreamsOf(root)) {
    const health = child(upstream, 'health')
    const question = child(health, 'active')
    const intervalMs = numberOf(orDefault(active.on, question, 'intervalMs'))
    const timeout = orDefault(active.on, question, 'timeoutMs')
    if (question && timeout && intervalMs !== undefined && (numberOf(timeout) ?? 0) > intervalMs) {
      const trail = trailOf('upstreams', name, 'health', 'active', 'timeoutMs')
      misfit(problems, timeout, trail, `at most the intervalMs of ${intervalMs}`)
    }
    const ejection = child(health, 'passive')
    const ejectMs = numberOf(orDefault(passive.on, ejection, 'ejectMs'))
    const longest = orDefault(passive.on, ejection, 'maxEjectMs')
    if (ejection && longest && ejectMs !== undefined && (numberOf(longest) ?? ejectMs) < ejectMs) {
      const trail = trailOf('upstreams', name, 'health', 'passive', 'maxEjectMs')
      misfit(problems, longest, trail, `at least the ejectMs of ${ejectMs}`)
    }
  }
}

const upstreamsOf = (root: Node) => entriesOf(child(root, 'upstreams'))

const peersOf = (upstream: Node): Iterable<[number, Node]> => itemsOf(child(upstream, 'peers')).entries()

function urlOf(peer: Node): PeerUrl | null {
  const url = readPeerUrl(textOf(child(peer, 'url')) ?? '')
  return typeof url === 'string' ? null : url
}
