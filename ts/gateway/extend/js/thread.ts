// Runs in a thread of its own: one plugin, for as long as the thread lives. Piscina calls the default export once, as a task
// that never ends; calls come by the port that the task was given, and answers go back by it. A plugin that cannot be used
// ends the task with the reason.
import type { MessagePort } from 'node:worker_threads'
import { hookNames } from '../../../shared/plugin-hooks.ts'
import { Pending } from '../outcome.ts'
import { authorOf, type CallAuthor } from './author.ts'
import { createHost, failedCall } from './host.ts'
import type { UpstreamAnswer, UpstreamCall } from '../../../shared/upstream-calls.ts'
import { PluginRequest } from './request.ts'
import { PluginResponse } from './response.ts'
import { runScript, type ScriptPlan } from './script.ts'
import type { Answered, FromThread, ThreadTask, ToThread } from './thread-messages.ts'
import { outcomeMessage, replyOf, SnapshotRequest, type CallMessage, type OutcomeMessage } from './wire.ts'

export default async function serve({ plan, port, running }: ThreadTask): Promise<void> {
  const send = (message: FromThread): void => port.postMessage(message)
  const questions = new Questions(send)
  // A plugin may ask before it is ready; calls come after.
  let calls: readonly CallAuthor[] = []
  const answer = answering(hook => calls[hook]!, port, running)
  port.on('message', (message: ToThread) => {
    if (typeof message === 'object' && 'asked' in message) questions.settle(message)
    else answer(message)
  })
  calls = await callsOf(plan, questions, send)
  send({ kind: 'ready' })
  await new Promise<void>(resolve => port.once('close', resolve))
}

/** Requests to upstreams that this thread has asked its worker for. */
class Questions {
  readonly #send: (message: FromThread) => void
  readonly #waiting = new Map<number, (answer: UpstreamAnswer | string) => void>()
  #last = 0

  constructor(send: (message: FromThread) => void) {
    this.#send = send
  }

  ask(call: UpstreamCall): Promise<UpstreamAnswer> {
    const asked = ++this.#last
    this.#send({ kind: 'asks', asked, call })
    return new Promise((resolve, reject) => {
      this.#waiting.set(asked, answer =>
        typeof answer === 'string' ? reject(failedCall(call, answer)) : resolve(answer),
      )
    })
  }

  settle({ asked, answer }: Answered): void {
    this.#waiting.get(asked)?.(answer)
    this.#waiting.delete(asked)
  }
}

async function callsOf(
  plan: ScriptPlan,
  questions: Questions,
  send: (message: FromThread) => void,
): Promise<readonly CallAuthor[]> {
  const host = createHost({
    say: (level, message, fields) => send({ kind: 'said', level, message, fields }),
    ask: call => questions.ask(call),
  })
  const script = await runScript(plan, host)
  return hookNames.map(hook => (plan.hooks.includes(hook) ? authorOf(script, hook) : noHook))
}

const noHook: CallAuthor = () => {
  throw new Error('the plugin does not have this hook')
}

/** `running`: odd while a hook runs, one more with each; so the worker can tell a thread that is stuck from a slow one. */
function answering(
  callOf: (hook: number) => CallAuthor,
  port: MessagePort,
  running: Int32Array,
): (message: Exclude<ToThread, Answered>) => void {
  let ready: OutcomeMessage[] = []

  function answer(outcome: OutcomeMessage): void {
    if (ready.length === 0) setImmediate(flush)
    ready.push(outcome)
  }

  function flush(): void {
    const outcomes = ready
    ready = []
    port.postMessage({ kind: 'outcomes', outcomes } satisfies FromThread)
  }

  function call(message: CallMessage): void {
    const [id, hook] = message
    const request = new PluginRequest(new SnapshotRequest(message))
    const response = hookNames[hook] === 'response' ? new PluginResponse(replyOf(message)) : null
    Atomics.add(running, 0, 1)
    const outcome = callOf(hook)(request, response)
    Atomics.add(running, 0, 1)
    if (outcome instanceof Pending) outcome.listener = settled => answer(outcomeMessage(id, settled))
    else answer(outcomeMessage(id, outcome))
  }

  return messages => {
    if (messages === 'ping') {
      port.postMessage({ kind: 'pong' } satisfies FromThread)
      return
    }
    for (const message of messages) call(message)
    if (ready.length > 0) flush()
  }
}
