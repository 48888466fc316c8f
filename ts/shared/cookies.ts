// Reads one cookie out of a Cookie header (RFC 6265 section 4.2.1), for the guards that find a credential there and for
// the balancer that hashes one. What native/head hides from upstreams (hidden.rs) is named by the same rules, or else a
// credential would be found here and go upstream all the same.

/** The first of that name; undefined: there is none. */
export function firstCookie(header: string, name: string): string | undefined {
  const start = findCookie(header, name, 0)
  return start < 0 ? undefined : valueAt(header, start)
}

/** null: there is more than one. undefined: there is none. */
export function onlyCookie(header: string, name: string): string | null | undefined {
  const start = findCookie(header, name, 0)
  if (start < 0) return undefined
  return findCookie(header, name, endOf(header, start) + 1) < 0 ? valueAt(header, start) : null
}

/** Where the value of the next cookie of that name begins; -1: there is none. A name without `=` has an empty value. */
function findCookie(header: string, name: string, from: number): number {
  for (let at = from; at < header.length;) {
    const end = endOf(header, at)
    const equals = header.indexOf('=', at)
    const nameEnd = equals < 0 || equals > end ? end : equals
    if (trimmed(header, at, nameEnd) === name) return Math.min(nameEnd + 1, end)
    at = end + 1
  }
  return -1
}

const valueAt = (header: string, start: number): string => trimmed(header, start, endOf(header, start))

function endOf(header: string, from: number): number {
  const end = header.indexOf(';', from)
  return end < 0 ? header.length : end
}

/** Without blanks and tabs around it. Not `trim`, which takes the byte 0xA0 for a blank too. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to]
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09
