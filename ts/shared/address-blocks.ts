// Lists of address blocks (CIDR) as a question that is cheap to ask again: trusted proxies, allowed and denied clients.
// Few addresses send most requests, and asking node:net's list costs microseconds, so answers are remembered.
import { BlockList, isIP } from 'node:net'

/** Addresses remembered; past it the memory starts anew. */
const maxRemembered = 4096

/** Whether an address is in one of the blocks. What is no address ('' is a unix socket's) is in none. */
export function compileBlocks(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
  }
  const remembered = new Map<string, boolean>()
  return address => {
    let inside = remembered.get(address)
    if (inside === undefined) {
      const family = isIP(address)
      inside = family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
      if (remembered.size >= maxRemembered) remembered.clear()
      remembered.set(address, inside)
    }
    return inside
  }
}
