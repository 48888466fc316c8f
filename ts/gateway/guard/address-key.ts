// Address -> what a limit by address counts under. A client has a whole /64 of IPv6 to choose addresses from (RFC 6177), so
// all of it is one. Called by limit.ts; takes addresses without brackets and port.

export function addressKey(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [front = '', back = ''] = address.split('::', 2)
  const groups = front === '' ? [] : front.split(':')
  if (groups.length < 4 && address.includes('::')) {
    const behind = back === '' ? [] : back.split(':')
    while (groups.length + behind.length < 8) groups.push('0')
    groups.push(...behind)
  }
  return `${groups
    .slice(0, 4)
    .map(group => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
