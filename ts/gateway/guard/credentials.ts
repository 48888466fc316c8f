// Where a request carries a credential: a parameter of the query, a cookie. Called by key.ts. A credential
// that is there twice is none: two readers of one request must not find two different clients in it. Knows no consumer.
import { onlyCookie } from '../../shared/cookies.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Exchange } from '../exchange.ts'

/** The value; null: there is more than one. undefined: there is none. */
export type ReadCredential = (exchange: Exchange) => string | null | undefined

export function credentialReader(from: 'query' | 'cookie', name: string, heads: RequestHeads): ReadCredential {
  if (from === 'query') return exchange => parameter(exchange.query, name)
  return exchange => onlyCookie(heads.header(exchange.slot, 'cookie') ?? '', name)
}

/** The parameter of a query (without `?`), decoded as upstreams decode it. */
export function parameter(query: string, name: string): string | null | undefined {
  let found: string | undefined
  for (let from = 0; from < query.length;) {
    let end = query.indexOf('&', from)
    if (end < 0) end = query.length
    let equals = query.indexOf('=', from)
    if (equals < 0 || equals > end) equals = end
    if (decoded(query.slice(from, equals)) === name) {
      if (found !== undefined) return null
      found = decoded(query.slice(Math.min(equals + 1, end), end))
    }
    from = end + 1
  }
  return found
}

/** A broken escape stands for itself: such a text is no key, and no name of a parameter. */
function decoded(text: string): string {
  if (!text.includes('%')) return text.includes('+') ? text.replaceAll('+', ' ') : text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
