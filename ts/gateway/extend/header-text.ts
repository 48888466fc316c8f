// What a plugin may put into a head that the gateway sends to a client. Requests are checked by native/head; answers and
// responses here, by the same rules (RFC 9110 sections 5.1 and 5.5).
import type { HeaderPair } from '../../config/plan.ts'

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/
const fieldValue = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/

/** Those that frame a message or speak of the connection, and those that the gateway writes itself. */
const ownNames = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
])

/** Null, or what is wrong. */
export function headerProblem(name: string, value: string): string | null {
  if (!token.test(name)) return `${JSON.stringify(name.slice(0, 60))} is no header name`
  if (ownNames.has(name.toLowerCase())) return `header ${name} is written by the gateway alone`
  return fieldValue.test(value) ? null : `header ${name}: a value has no control characters, and no blanks at its ends`
}

export function pairsProblem(pairs: readonly HeaderPair[]): string | null {
  for (const [name, value] of pairs) {
    const problem = headerProblem(name, value)
    if (problem !== null) return problem
  }
  return null
}
