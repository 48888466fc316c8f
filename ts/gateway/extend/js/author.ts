// Calls a hook as its author wrote it: sync or async, returning or throwing. The same inline and in a thread.
import { failed, Pending, type Outcome } from '../outcome.ts'
import { outcomeOf, type PluginMessage } from './message.ts'
import type { PluginRequest } from './request.ts'
import type { PluginResponse } from './response.ts'
import type { RunningScript } from './script.ts'

type AuthorHook = (first: PluginMessage, second?: PluginMessage) => unknown

/** `response`: for the hook of that name. */
export type CallAuthor = (request: PluginRequest, response: PluginResponse | null) => Outcome | Pending

export function authorOf({ hooks, stackOf }: RunningScript, hook: string): CallAuthor {
  const author = (hooks[hook] as AuthorHook).bind(hooks)

  function wait(message: PluginMessage, returned: PromiseLike<unknown>): Pending {
    const pending = new Pending()
    returned.then(
      value => pending.come(outcomeOf(message, value, hook)),
      (error: unknown) => pending.come(failed('error', stackOf(error))),
    )
    return pending
  }

  return (request, response) => {
    const message = response ?? request
    try {
      const returned = response === null ? author(request) : author(response, request)
      return isThenable(returned) ? wait(message, returned) : outcomeOf(message, returned, hook)
    } catch (error) {
      return failed('error', stackOf(error))
    }
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
