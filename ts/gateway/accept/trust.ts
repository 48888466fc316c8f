// Which clients are trusted proxies, whose X-Forwarded-* and Forwarded headers are believed. Compiled per plan; the
// answer is kept per address, since a proxy sends all its requests from few of them.
import { BlockList, isIPv6 } from 'node:net'
import type { Exchange } from '../exchange.ts'
import type { NativeExchanges } from '../../shared/native.ts'

/** Addresses remembered; past it the memory starts anew (a trusted proxy is looked up again at once). */
const maxRemembered = 4096

export function compileTrust(cidrs: readonly string[], exchanges: NativeExchanges): (exchange: Exchange) => boolean {
  if (cidrs.length === 0) return () => false
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
  }
  const remembered = new Map<string, boolean>()
  return exchange => {
    const address = exchanges.remoteAddress(exchange.slot)
    let trusted = remembered.get(address)
    if (trusted === undefined) {
      trusted = address !== '' && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
      if (remembered.size >= maxRemembered) remembered.clear()
      remembered.set(address, trusted)
    }
    return trusted
  }
}
