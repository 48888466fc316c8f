// THE TABLE OF CONTENTS: one request's way through a worker, stage by stage. Compiled once per plan by the worker's
// wiring (running-plan.ts). A stage either says `next`, leaves an answer to be sent, or says that it will go on later.
import { Verdict, type Exchange } from './exchange.ts'

export type Stage = (exchange: Exchange) => Verdict

/** A stage that may have the request for a while: it says `later`, and the pipeline is told to go on. */
export interface PatientStage {
  readonly check: Stage
  /** What it has come to meanwhile. Null: the verdict is the stage's. */
  readonly settle: ((exchange: Exchange, verdict: Verdict) => Verdict) | null
  /** The body that it waited for is there. */
  readonly recheck: Stage
}

export interface Stages {
  readonly accept: {
    readonly head: Stage
    readonly body: (exchange: Exchange, chunk: ArrayBuffer, last: boolean) => Verdict
  }
  readonly match: Stage
  readonly guard: PatientStage & {
    /** Gives back the places that the exchange has taken. */
    readonly leave: (exchange: Exchange) => void
  }
  /** Null where no route has a plugin with that hook. */
  readonly extend: {
    readonly request: PatientStage | null
    readonly authorize: PatientStage | null
    readonly forward: PatientStage | null
    readonly response: ((exchange: Exchange, kind: number, row: number) => Verdict) | null
    readonly log: Stage | null
  }
  readonly local: Stage
  readonly forward: {
    readonly send: Stage
    readonly body: (exchange: Exchange, chunk: ArrayBuffer, last: boolean) => Verdict
    readonly settle: (exchange: Exchange, kind: number, row: number) => Verdict
    readonly abandon: (exchange: Exchange) => void
  }
  readonly respond: {
    readonly answer: (exchange: Exchange) => void
    readonly relay: (exchange: Exchange, kind: number, row: number) => void
  }
  readonly record: (exchange: Exchange) => void
}

export interface Pipeline {
  /** The head of a request has come in. */
  request(exchange: Exchange): void
  /** A piece of its body. */
  body(exchange: Exchange, chunk: ArrayBuffer, last: boolean): void
  /** What the stage says that had the request until now. */
  settled(exchange: Exchange, verdict: Verdict): void
  /** Row `row` of the upstream client's batch is about it. */
  reply(exchange: Exchange, kind: number, row: number): void
  /** The client has gone. */
  aborted(exchange: Exchange): void
  /** It has ended, one way or the other. */
  ended(exchange: Exchange): void
}

export function pipeline({ accept, match, guard, extend, local, forward, respond, record }: Stages): Pipeline {
  const way: readonly PatientStage[] = [
    accept.head, // copies the head off the front end's stack; what is malformed ends here
    match, // host, path, method and headers -> route
    extend.request, // plugins that come before all checks
    guard, // who is this client, and may it: credentials, limits, body size, cross-origin rules
    extend.authorize, // plugins that want to know who it is
    local, // routes that Polygate answers by itself: static answers, redirects
    extend.forward, // plugins that have the last word on what goes upstream
    forward.send, // chooses a peer and hands the request to the upstream client
  ].flatMap(stage => (stage === null ? [] : [typeof stage === 'function' ? prompt(stage) : stage]))

  function walk(exchange: Exchange, from: number): void {
    for (let at = from; at < way.length; at++) {
      const verdict = way[at]!.check(exchange)
      if (verdict !== Verdict.next) return stop(exchange, at, verdict)
    }
  }

  function stop(exchange: Exchange, at: number, verdict: Verdict): void {
    exchange.stage = at
    if (verdict === Verdict.answer) respond.answer(exchange)
  }

  function goOn(exchange: Exchange, verdict: Verdict): void {
    if (verdict === Verdict.next) walk(exchange, exchange.stage + 1)
    else stop(exchange, exchange.stage, verdict)
  }

  function extendReply(exchange: Exchange, kind: number, row: number): Verdict {
    const verdict = extend.response === null ? Verdict.next : extend.response(exchange, kind, row)
    if (verdict === Verdict.answer) forward.abandon(exchange) // a plugin answers in the upstream's place
    return verdict
  }

  return {
    request: exchange => walk(exchange, 0),

    settled(exchange, verdict) {
      const { settle } = way[exchange.stage]!
      goOn(exchange, settle === null ? verdict : settle(exchange, verdict))
    },

    body(exchange, chunk, last) {
      const verdict = accept.body(exchange, chunk, last) || forward.body(exchange, chunk, last)
      if (verdict === Verdict.answer) {
        forward.abandon(exchange) // the upstream has heard enough of it
        respond.answer(exchange)
      } else if (verdict === Verdict.later && exchange.awaitedBytes > 0 && last) {
        exchange.awaitedBytes = 0
        goOn(exchange, way[exchange.stage]!.recheck(exchange))
      }
    },

    reply(exchange, kind, row) {
      // settle keeps the peer's health and decides about another attempt; what is left is the client's answer
      const verdict = forward.settle(exchange, kind, row) || extendReply(exchange, kind, row)
      if (verdict === Verdict.next) respond.relay(exchange, kind, row)
      else if (verdict === Verdict.answer) respond.answer(exchange)
    },

    aborted(exchange) {
      forward.abandon(exchange) // nobody waits for the upstream any more
    },

    ended(exchange) {
      record(exchange) // counts, logs, after the last byte
      if (exchange.lease !== 0) guard.leave(exchange) // its place under a concurrency limit is free
      if (extend.log !== null) extend.log(exchange)
    },
  }
}

/** A stage that is never asked again. */
const prompt = (check: Stage): PatientStage => ({ check, settle: null, recheck: check })
