// Which clients are trusted proxies, whose X-Forwarded-* and Forwarded headers are believed, and whose address counts as
// the client's. Compiled per plan; the answer is kept per address, since a proxy sends all its requests from few of them.
import { BlockList, isIP, isIPv6 } from 'node:net'
import type { Exchange } from '../exchange.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'

/** Addresses remembered; past it the memory starts anew (a trusted proxy is looked up again at once). */
const maxRemembered = 4096

export interface Trust {
  /** Whether the peer is a trusted proxy. */
  readonly trusts: (exchange: Exchange) => boolean
  /** The last address that no trusted proxy has: the peer's, or one that trusted proxies vouch for. '': unix socket. */
  readonly clientAddress: (exchange: Exchange) => string
}

export function compileTrust(cidrs: readonly string[], exchanges: NativeExchanges, heads: RequestHeads): Trust {
  const peer = (exchange: Exchange): string => exchanges.remoteAddress(exchange.slot)
  if (cidrs.length === 0) return { trusts: () => false, clientAddress: peer }
  const isTrusted = compileBlocks(cidrs)
  const remembered = new Map<string, boolean>()

  function trusts(exchange: Exchange): boolean {
    const address = peer(exchange)
    let trusted = remembered.get(address)
    if (trusted === undefined) {
      trusted = isTrusted(address)
      if (remembered.size >= maxRemembered) remembered.clear()
      remembered.set(address, trusted)
    }
    return trusted
  }

  function clientAddress(exchange: Exchange): string {
    let client = peer(exchange)
    if (!trusts(exchange)) return client
    const hops = (heads.header(exchange.slot, 'x-forwarded-for') ?? '').split(',')
    while (hops.length > 0) {
      const hop = withoutPort(hops.pop()!.trim())
      // What is no address was not written by a proxy that we trust to write one.
      if (isIP(hop) === 0) return client
      client = hop
      if (!isTrusted(hop)) return client
    }
    return client
  }

  return { trusts, clientAddress }
}

function compileBlocks(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
  }
  return address => address !== '' && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** Some proxies write `192.0.2.1:1234` and `[2001:db8::1]:1234`. */
function withoutPort(hop: string): string {
  if (hop.startsWith('[')) return hop.slice(1, Math.max(1, hop.indexOf(']')))
  const colon = hop.indexOf(':')
  return colon > 0 && colon === hop.lastIndexOf(':') ? hop.slice(0, colon) : hop
}
