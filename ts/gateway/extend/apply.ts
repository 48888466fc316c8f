// Does what a plugin wants done. Edits of the request go to the addon, which keeps them beside the head and checks each;
// what a plugin may not do at a hook, or anywhere, is its failure, and the request is not changed by half: a call that has
// failed is either refused, or its edits are taken back.
import type { Plan } from '../../config/plan.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import { editRefusals } from '../../shared/native-edits.ts'
import type { HookName } from '../../shared/plugin-hooks.ts'
import type { Exchange } from '../exchange.ts'
import { pairsProblem } from './header-text.ts'
import { EditKind, editParts, type Edits, type Outcome } from './outcome.ts'
import { editReply, type UpstreamReply } from './reply.ts'

/** A text says why it cannot be done. */
export type Apply = (exchange: Exchange, outcome: Outcome, reply: UpstreamReply | null) => string | null

/** `undo`: a call that fails leaves the request as it was, for it goes on. */
export type Applier = (hook: HookName, undo: boolean) => Apply

/** Texts that one request may carry from hook to hook. */
const mostContext = 64
const longestContext = 4096

export function createApplier({ upstreams }: Plan, exchanges: NativeExchanges): Applier {
  const upstreamOf = new Map(upstreams.map(({ name }, index) => [name, index]))

  function editRequest(exchange: Exchange, edits: Edits): string | null {
    for (let at = 0; at < edits.length; at += editParts) {
      const problem = edit(exchange, edits[at] as number, edits[at + 1] as string, edits[at + 2] as string)
      if (problem !== null) return problem
    }
    return null
  }

  function edit(exchange: Exchange, kind: number, name: string, value: string): string | null {
    const { slot } = exchange
    switch (kind) {
      case EditKind.set:
        return told(exchanges.setHeader(slot, name, value), name)
      case EditKind.append:
        return told(exchanges.appendHeader(slot, name, value), name)
      case EditKind.remove:
        return told(exchanges.removeHeader(slot, name), name)
      case EditKind.path:
        return told(exchanges.setPath(slot, value), name)
      case EditKind.query:
        return told(exchanges.setQuery(slot, value), name)
      case EditKind.method:
        return told(exchanges.setMethod(slot, value), name)
      case EditKind.host:
        return told(exchanges.setHost(slot, value), name)
      case EditKind.upstream:
        return chooseUpstream(exchange, value)
      case EditKind.context:
        return keep(exchange, name, value)
    }
    return 'an edit of no known kind'
  }

  function chooseUpstream(exchange: Exchange, name: string): string | null {
    const upstream = upstreamOf.get(name)
    if (upstream === undefined) return `there is no upstream ${JSON.stringify(name.slice(0, 60))}`
    exchange.chosenUpstream = upstream
    return null
  }

  return (hook, undo) => (exchange, outcome, reply) => {
    const { edits, answer, newBody, status } = outcome
    if (answer !== null) return answerProblem(hook, answer.status, pairsProblem(answer.headers))
    if (reply !== null) return applyToReply(reply, edits, status, newBody)
    if (edits !== null) {
      if (hook === 'log') return 'the request is over: nothing of it can be edited'
      if (undo) exchanges.saveEdits(exchange.slot)
      const problem = editRequest(exchange, edits)
      if (problem !== null) {
        if (undo) exchanges.restoreEdits(exchange.slot)
        return problem
      }
    }
    if (newBody !== null) exchange.replaceBody(newBody)
    return null
  }
}

const told = (code: number, what: string): string | null =>
  code === 0 ? null : `${what}: ${editRefusals[code] ?? `refused (${code})`}`

function keep(exchange: Exchange, name: string, value: string): string | null {
  const context = (exchange.context ??= new Map())
  if (name.length > longestContext || value.length > longestContext) return 'a text of the context is too long'
  if (context.size >= mostContext && !context.has(name)) return 'too many texts in the context'
  context.set(name, value)
  return null
}

function answerProblem(hook: HookName, status: number, problem: string | null): string | null {
  if (hook === 'log') return 'the request is over: it cannot be answered any more'
  if (!Number.isInteger(status) || status < 200 || status > 599) return 'a status is a whole number from 200 to 599'
  return problem
}

function applyToReply(
  reply: UpstreamReply,
  edits: Edits | null,
  status: number,
  body: Uint8Array | null,
): string | null {
  if (edits !== null) {
    const problem = editReply(reply, edits)
    if (problem !== null) return problem
  }
  if (status !== 0 && status !== reply.status) {
    if (!Number.isInteger(status) || status < 200 || status > 599) return 'a status is a whole number from 200 to 599'
    reply.status = status
    reply.edited = true
  }
  if (body !== null) reply.body = body
  return null
}
