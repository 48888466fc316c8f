// The match stage: host, path, method and headers choose the route (router.ts), and routes that Polygate answers by
// itself (static answers, redirects) are answered once the guards have let the request through.
import type { Plan } from '../../config/plan.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import { Verdict, type Answer, type Exchange } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { compileRouter } from './router.ts'
import { compileRedirect } from './target.ts'

/** `crossOrigin` adds what the route with this id says about other origins: also to a 405, which the route then gives. */
export function matchStage(
  { routes }: Plan,
  heads: RequestHeads,
  crossOrigin: (exchange: Exchange, routeId: number) => void,
): Stage {
  const router = compileRouter(routes)
  let slot = 0
  const headerOf = (name: string): string | undefined => heads.header(slot, name)

  return exchange => {
    slot = exchange.slot
    const found = router.find(exchange.method, exchange.host, exchange.path, headerOf)
    if (found.route < 0) {
      if (found.allow === null) return exchange.refuse('no_route')
      crossOrigin(exchange, found.missed)
      return exchange.refuse('method_not_allowed', '', [['allow', found.allow]])
    }
    const route = routes[found.route]!
    exchange.routeId = found.route
    exchange.route = route
    exchange.captures = found.captures
    exchange.preflight = found.preflight
    exchange.maxBodyBytes = route.maxBodyBytes
    // An ordinary request then: native/head leaves Upgrade out of what goes upstream.
    if (!route.webSocket) exchange.handshake = null
    return Verdict.next
  }
}

export function localStage({ routes }: Plan): Stage {
  const redirects = routes.map(compileRedirect)
  const answers = routes.map(({ action }): Answer | null =>
    action.kind === 'respond'
      ? { status: action.status, headers: action.headers, body: Buffer.from(action.body), close: false }
      : null,
  )
  return (exchange: Exchange) => {
    const { action } = exchange.route!
    switch (action.kind) {
      case 'forward':
        return Verdict.next
      case 'respond':
        exchange.answer = answers[exchange.routeId]!
        return Verdict.answer
      case 'redirect': {
        const location = redirects[exchange.routeId]!(exchange.path, exchange.captures, exchange.query)
        exchange.answer = { status: action.status, headers: [['location', location]], body: '', close: false }
        return Verdict.answer
      }
    }
  }
}
