// The guards of one route as a list of steps, each of which knows the next one for either verdict: so that "one of
// these will do" costs a request no more than a list, and a guard that answers later leaves nothing behind but the
// number of its step. Called by guard.ts; compiled by guards.ts.
//
//   anyOf [ A, allOf [ B, C ], D ], E        0 A  pass 4  fail 1
//                                            1 B  pass 2  fail 3
//                                            2 C  pass 4  fail 3
//                                            3 D  pass 4  fail none: refused
//                                            4 E  pass 5  fail none
import { isMissing } from '../../shared/guard-outcomes.ts'
import { Verdict, type Exchange, type Refusal } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'

export interface Step {
  readonly check: Stage
  /** The step after it; the list's length: the request may go on. */
  readonly pass: number
  /** The step to try instead, or `refused`. */
  readonly fail: number
  /** The first of guards one of which will do. */
  readonly opens: boolean
}

export const refused = -1

export type Program = readonly Step[]

/** Alternatives of which each is a list; a list with one alternative is a guard that must be passed. */
export type Requirement = readonly (readonly Stage[])[]

export function compileProgram(requirements: readonly Requirement[]): Program {
  const program: Step[] = []
  for (const alternatives of requirements) {
    const begin = program.length
    const end = begin + alternatives.reduce((sum, { length }) => sum + length, 0)
    alternatives.forEach((stages, nth) => {
      const next = program.length + stages.length
      const fail = nth === alternatives.length - 1 ? refused : next
      stages.forEach((check, at) => {
        const opens = alternatives.length > 1 && program.length === begin
        program.push({ check, pass: at === stages.length - 1 ? end : program.length + 1, fail, opens })
      })
    })
  }
  return program
}

export function runProgram(program: Program, exchange: Exchange, from: number): Verdict {
  let at = from
  while (at < program.length) {
    const step = program[at]!
    if (step.opens) {
      exchange.consumerBefore = exchange.consumer
      exchange.credentialBefore = exchange.credential
      exchange.claimsBefore = exchange.claims
    }
    const verdict = step.check(exchange)
    if (verdict === Verdict.later) {
      exchange.guardStep = at
      return exchange.hold()
    }
    if (verdict === Verdict.next) at = step.pass
    else if (step.fail === refused || isFinal(exchange)) return refuse(exchange)
    else at = setAside(exchange, step)
  }
  return Verdict.next
}

/** Where the program goes on after a step that has answered later; `refused`, or a step. */
export function nextStep(program: Program, exchange: Exchange, verdict: Verdict): number {
  const step = program[exchange.guardStep]!
  if (verdict === Verdict.next) return step.pass
  return step.fail === refused || isFinal(exchange) ? refused : setAside(exchange, step)
}

/**
 * No refusal that another guard could make good: a plugin's own answer, and a body that nobody reads any further because it is
 * too long to be verified.
 */
const isFinal = ({ code }: Exchange): boolean => code === null || code === 'body_too_large'

function setAside(exchange: Exchange, step: Step): number {
  const { answer, code, detail, refusedFor } = exchange
  ;(exchange.refusals ??= []).push({ answer: answer!, code, detail, outcome: refusedFor })
  exchange.answer = null
  exchange.code = null
  exchange.detail = ''
  exchange.refusedFor = null
  exchange.consumer = exchange.consumerBefore
  exchange.credential = exchange.credentialBefore
  if (exchange.claims !== exchange.claimsBefore) {
    exchange.claims?.dropClaims(exchange.slot)
    exchange.claims = exchange.claimsBefore
  }
  return step.fail
}

/**
 * No guard has let the request in. A client whom a credential would let in hears 401, what is wrong with the one that it
 * has sent, if it has sent one, and all ways there are to prove who it is (RFC 9110 section 11.6.1).
 */
export function refuse(exchange: Exchange): Verdict {
  const { refusals, answer } = exchange
  if (refusals === null || answer === null || isFinal(exchange) || answer.status >= 500) return Verdict.answer
  const all: readonly Refusal[] = [
    ...refusals,
    { answer, code: exchange.code, detail: exchange.detail, outcome: exchange.refusedFor },
  ]
  const byCredential = all.filter(({ code }) => code === 'unauthorized')
  const sent = byCredential.find(({ outcome }) => outcome !== null && !isMissing(outcome))
  const told = sent ?? byCredential[0] ?? all.at(-1)!
  exchange.answer = { ...told.answer, headers: byCredential.flatMap(one => one.answer.headers) }
  exchange.code = told.code
  exchange.detail = told.detail
  exchange.refusedFor = told.outcome
  return Verdict.answer
}
