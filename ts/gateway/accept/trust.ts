// Which clients are trusted proxies, whose X-Forwarded-* and Forwarded headers are believed, and whose address counts as
// the client's. Compiled per plan.
import { isIP } from 'node:net'
import type { Exchange } from '../exchange.ts'
import { compileBlocks } from '../../shared/address-blocks.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'

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
  const trusts = (exchange: Exchange): boolean => isTrusted(peer(exchange))

  function clientAddress(exchange: Exchange): string {
    let client = peer(exchange)
    if (!trusts(exchange)) return client
    const hops = (heads.sentHeader(exchange.slot, 'x-forwarded-for') ?? '').split(',')
    while (hops.length > 0) {
      const hop = plain(hops.pop()!.trim())
      // What is no address was not written by a proxy that we trust to write one.
      if (isIP(hop) === 0) return client
      client = hop
      if (!isTrusted(hop)) return client
    }
    return client
  }

  return { trusts, clientAddress }
}

/** As the peer's address is written: some proxies add ports, or write IPv4 as IPv6. */
function plain(hop: string): string {
  const address = withoutPort(hop)
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice('::ffff:'.length) : address
}

/** Of `192.0.2.1:1234` and `[2001:db8::1]:1234`. */
function withoutPort(hop: string): string {
  if (hop.startsWith('[')) return hop.slice(1, Math.max(1, hop.indexOf(']')))
  const colon = hop.indexOf(':')
  return colon > 0 && colon === hop.lastIndexOf(':') ? hop.slice(0, colon) : hop
}
