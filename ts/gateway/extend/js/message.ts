// What requests and responses have in common as authors of JavaScript plugins see them: each is one call's own and says its
// outcome itself, so that a call that wants nothing done costs one object.
import type { HeaderPair } from '../../../config/plan.ts'
import { failed, type Edits, type Failure, type Outcome, type PluginAnswer } from '../outcome.ts'
import type { EditList } from './headers.ts'

export type HeadersGiven = Readonly<Record<string, string | readonly string[]>> | readonly HeaderPair[]

const noBody = new Uint8Array(0)

export abstract class PluginMessage implements Outcome, EditList {
  edits: Edits | null = null
  answer: PluginAnswer | null = null
  failure: Failure | null = null
  /** Of `authenticate`, as the hook returned it. */
  named: string | null = null
  newBody: Uint8Array | null = null
  status = 0

  /** Answers the client; the hook returns what this gives. */
  respond(status: number, headers?: HeadersGiven, body?: string | Uint8Array | null): this {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`a status is a whole number from 200 to 599, not ${String(status)}`)
    }
    this.answer = {
      status,
      headers: pairsOf(headers),
      body: body === undefined || body === null ? noBody : bytesOf(body),
    }
    return this
  }

  /** The call has failed: the request gets what the operator has chosen for that. */
  fail(reason: string): this {
    this.failure = { cause: 'error', reason: String(reason) }
    return this
  }
}

export function pairsOf(headers: HeadersGiven | undefined): HeaderPair[] {
  if (headers === undefined) return []
  const given: readonly (readonly [string, string | readonly string[]])[] = Array.isArray(headers)
    ? (headers as readonly HeaderPair[])
    : Object.entries(headers as Readonly<Record<string, string | readonly string[]>>)
  return given.flatMap(([name, values]) => [values].flat().map((value): HeaderPair => [String(name), String(value)]))
}

/** A text as UTF-8, or bytes. */
export function bytesOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  throw new TypeError(`a body is a text or bytes (Uint8Array), not ${typeof body}`)
}

/** What a hook returns that says nothing new: nothing, or the message that it has answered with. */
export function outcomeOf(message: PluginMessage, returned: unknown, hook: string): Outcome {
  if (returned === undefined || returned === null || returned === message) return message
  if (hook === 'authenticate' && typeof returned === 'object' && 'consumer' in returned) {
    const { consumer } = returned
    if (typeof consumer === 'string' && consumer !== '') {
      message.named = consumer
      return message
    }
  }
  return failed('invalid', `returned ${typeof returned}: expected nothing, or what respond() or fail() gives`)
}
