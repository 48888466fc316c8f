// What a plugin may put into a head that the gateway sends to a client: what a route's own edits may (config/formats.ts), but
// for the request's id. Edits of requests are checked by native/head.
import { headerValue, responseHeaderName } from '../../config/formats.ts'
import type { HeaderPair } from '../../config/plan.ts'

/** Null, or what is wrong. */
export function headerProblem(name: string, value: string): string | null {
  if (name.toLowerCase() === 'x-request-id') return 'header x-request-id is written by the gateway alone'
  const expected = responseHeaderName(name) ?? headerValue(value)
  return expected === null ? null : `header ${JSON.stringify(name.slice(0, 60))}: expected ${expected}`
}

export function pairsProblem(pairs: readonly HeaderPair[]): string | null {
  for (const [name, value] of pairs) {
    const problem = headerProblem(name, value)
    if (problem !== null) return problem
  }
  return null
}
