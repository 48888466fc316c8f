// Edits of a response's header block by the route: names taken out, lines added. Compiled per route into the addon
// when the plan is prepared (native/head does them), and given back with the plan.
import type { Plan, RoutePlan } from '../../config/plan.ts'
import type { NativeExchanges } from '../../shared/native.ts'

/** The gateway's own answer to cross-origin questions must be the only one. */
const corsNames = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-max-age',
]

/** Names to take out, and lines to add. */
function editsOf({ responseHeaders, cors }: RoutePlan): { removed: Set<string>; added: string } {
  const removed = new Set(cors === null ? [] : corsNames)
  let added = ''
  for (const name of responseHeaders?.remove ?? []) removed.add(name)
  for (const [name, value] of responseHeaders?.set ?? []) {
    removed.add(name)
    added += `\r\n${name}: ${value}`
  }
  for (const [name, value] of responseHeaders?.append ?? []) added += `\r\n${name}: ${value}`
  return { removed, added }
}

export interface ResponseEdits {
  /** By route id: the addon's number, or 0 where nothing is edited. */
  readonly list: readonly number[]
  release(): void
}

export function compileResponseEdits({ routes }: Plan, exchanges: NativeExchanges): ResponseEdits {
  const list = routes.map(route => {
    const { removed, added } = editsOf(route)
    if (removed.size === 0 && added === '') return 0
    return exchanges.responseEdits([...removed, ''].join('\n'), added)
  })
  return {
    list,
    release() {
      for (const edits of list) if (edits !== 0) exchanges.dropResponseEdits(edits)
    },
  }
}
