// Edits of a response's header block by the route: names taken out, lines added. Compiled per route when the plan is
// prepared; a route without edits has none and its block goes through as the upstream client made it.
import type { HeaderEditsPlan, Plan } from '../../config/plan.ts'

/** Takes and gives lines of `\r\nname: value`. */
export type HeaderEdits = (block: string) => string

/** `remove`: further lower-case names to take out, beside those of the plan. Null where there is nothing to do. */
export function compileHeaderEdits(plan: HeaderEditsPlan | null, remove: readonly string[] = []): HeaderEdits | null {
  const removed = new Set(remove)
  let added = ''
  if (plan !== null) {
    for (const name of plan.remove) removed.add(name.toLowerCase())
    for (const [name, value] of plan.set) {
      removed.add(name.toLowerCase())
      added += `\r\n${name}: ${value}`
    }
    for (const [name, value] of plan.append) added += `\r\n${name}: ${value}`
  }
  if (removed.size === 0) return added === '' ? null : block => block + added
  return block => {
    let kept = ''
    // The block begins with CRLF, so the first piece is empty.
    for (const line of block.split('\r\n')) {
      if (line !== '' && !removed.has(line.slice(0, line.indexOf(':')).toLowerCase())) kept += `\r\n${line}`
    }
    return kept + added
  }
}

/** The gateway's own answer to cross-origin questions must be the only one. */
const corsNames = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-max-age',
]

/** By route id. */
export const compileResponseEdits = ({ routes }: Plan): (HeaderEdits | null)[] =>
  routes.map(route => compileHeaderEdits(route.responseHeaders, route.cors === null ? [] : corsNames))
