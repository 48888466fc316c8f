// THE TABLE OF CONTENTS: one request's way through a worker, stage by stage. Compiled once per plan by the worker's
// wiring (running-plan.ts). A stage either says `next`, leaves an answer to be sent, or says that it will go on later.
import { Verdict, type Exchange } from './exchange.ts'

export type Stage = (exchange: Exchange) => Verdict

export interface Stages {
  readonly accept: {
    readonly head: Stage
    readonly body: (exchange: Exchange, chunk: ArrayBuffer, last: boolean) => Verdict
  }
  readonly match: Stage
  readonly guard: {
    readonly check: Stage
    /** A guard that said `later` has its verdict now. */
    readonly settle: (exchange: Exchange, verdict: Verdict) => Verdict
    /** The body that a guard waited for is there. */
    readonly recheck: Stage
    /** Gives back the places that the exchange has taken. */
    readonly leave: (exchange: Exchange) => void
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
  /** What the guard says that had the request until now. */
  guarded(exchange: Exchange, verdict: Verdict): void
  /** Row `row` of the upstream client's batch is about it. */
  reply(exchange: Exchange, kind: number, row: number): void
  /** The client has gone. */
  aborted(exchange: Exchange): void
  /** It has ended, one way or the other. */
  ended(exchange: Exchange): void
}

export function pipeline({ accept, match, guard, local, forward, respond, record }: Stages): Pipeline {
  const serve: Stage = exchange =>
    local(exchange) || // routes that Polygate answers by itself: static answers, redirects
    forward.send(exchange) // chooses a peer and hands the request to the upstream client

  return {
    request(exchange) {
      const verdict =
        accept.head(exchange) || // copies the head off the front end's stack; what is malformed ends here
        match(exchange) || // host, path, method and headers -> route
        guard.check(exchange) || // who is this client, and may it: credentials, limits, body size, cross-origin rules
        serve(exchange)
      if (verdict === Verdict.answer) respond.answer(exchange)
    },

    guarded(exchange, verdict) {
      if ((guard.settle(exchange, verdict) || serve(exchange)) === Verdict.answer) respond.answer(exchange)
    },

    body(exchange, chunk, last) {
      let verdict = accept.body(exchange, chunk, last) || forward.body(exchange, chunk, last)
      if (verdict === Verdict.later && last) verdict = guard.recheck(exchange) || serve(exchange)
      if (verdict !== Verdict.answer) return
      forward.abandon(exchange) // the upstream has heard enough of it
      respond.answer(exchange)
    },

    reply(exchange, kind, row) {
      // settle keeps the peer's health and decides about another attempt; what is left is the client's answer
      const verdict = forward.settle(exchange, kind, row)
      if (verdict === Verdict.next) respond.relay(exchange, kind, row)
      else if (verdict === Verdict.answer) respond.answer(exchange)
    },

    aborted(exchange) {
      forward.abandon(exchange) // nobody waits for the upstream any more
    },

    ended(exchange) {
      record(exchange) // counts, logs, after the last byte
      if (exchange.lease !== 0) guard.leave(exchange) // its place under a concurrency limit is free
    },
  }
}
