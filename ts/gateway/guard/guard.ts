// The guard stage: built-in checks in a fixed order, each a function of the exchange that answers now or later.
//   1. cross-origin rules (cors.ts): a preflight is answered here, other answers get their headers
//   2. body size (body-size.ts): what is announced as too long is refused before a byte is read, and counts nowhere
//   3. the route's own guards, in the order of the configuration (guards.ts, program.ts)
import { Verdict, type Exchange } from '../exchange.ts'
import type { Stage, Stages } from '../pipeline.ts'
import { bodySizeGuard } from './body-size.ts'
import type { CrossOrigin } from './cors.ts'
import type { RouteGuards } from './guards.ts'
import { nextStep, refuse, refused, runProgram, type Program } from './program.ts'

export function guardStage(cors: CrossOrigin | null, guards: RouteGuards | null): Stages['guard'] {
  const first: Stage = cors === null ? bodySizeGuard : exchange => cors.guard(exchange) || bodySizeGuard(exchange)
  const list = guards?.list ?? []
  const programOf = (exchange: Exchange): Program | null => list[exchange.routeId] ?? null

  function settle(exchange: Exchange, verdict: Verdict): Verdict {
    const program = programOf(exchange)!
    const next = nextStep(program, exchange, verdict)
    return next === refused ? refuse(exchange) : runProgram(program, exchange, next)
  }

  return {
    check:
      guards === null
        ? first
        : exchange => {
            const verdict = first(exchange)
            if (verdict !== Verdict.next) return verdict
            const program = programOf(exchange)
            return program === null ? Verdict.next : runProgram(program, exchange, 0)
          },
    settle,
    recheck: exchange => runProgram(programOf(exchange)!, exchange, exchange.guardStep),
    leave(exchange) {
      guards?.leave(exchange)
    },
  }
}
