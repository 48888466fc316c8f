// What makes an OPTIONS request a CORS preflight (Fetch standard, section 3.3.4), and what it announces.
// Used by find and explain.
import type { HeaderOf } from './candidate.ts'

export interface Preflight {
  /** Method of the request to come. */
  readonly method: string
  /** Lower-case names of the headers that it will have. */
  readonly headers: ReadonlySet<string>
}

/** Null for an OPTIONS request of another kind. */
export function preflightOf(headerOf: HeaderOf): Preflight | null {
  const method = headerOf('access-control-request-method')
  if (method === undefined || headerOf('origin') === undefined) return null
  const names = headerOf('access-control-request-headers') ?? ''
  return { method, headers: new Set(names.split(',').map(name => name.trim().toLowerCase())) }
}
