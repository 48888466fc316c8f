// Runs in a thread of its own: one plugin, for as long as the thread lives. Piscina calls the default export once, as a task
// that never ends; calls come by the port that the task was given, and answers go back by it. A plugin that cannot be used
// ends the task with the reason.
import type { MessagePort } from 'node:worker_threads'
import { hookNames } from '../../../shared/plugin-hooks.ts'
import { Pending } from '../outcome.ts'
import { authorOf, type CallAuthor } from './author.ts'
import { createHost } from './host.ts'
import { PluginRequest } from './request.ts'
import { PluginResponse } from './response.ts'
import { runScript, type ScriptPlan } from './script.ts'
import type { FromThread, ThreadTask, ToThread } from './thread-messages.ts'
import { outcomeMessage, replyOf, SnapshotRequest, type CallMessage, type OutcomeMessage } from './wire.ts'

export default async function serve({ plan, port, running }: ThreadTask): Promise<void> {
  const send = (message: FromThread): void => port.postMessage(message)
  const calls = await callsOf(plan, send)
  port.on('message', answering(calls, port, running))
  send({ kind: 'ready' })
  await new Promise<void>(resolve => port.once('close', resolve))
}

async function callsOf(plan: ScriptPlan, send: (message: FromThread) => void): Promise<readonly CallAuthor[]> {
  const host = createHost((level, message, fields) => send({ kind: 'said', level, message, fields }))
  const script = await runScript(plan, host)
  return hookNames.map(hook => (plan.hooks.includes(hook) ? authorOf(script, hook) : noHook))
}

const noHook: CallAuthor = () => {
  throw new Error('the plugin does not have this hook')
}

/** `running`: odd while a hook runs, one more with each; so the worker can tell a thread that is stuck from a slow one. */
function answering(calls: readonly CallAuthor[], port: MessagePort, running: Int32Array): (message: ToThread) => void {
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
    const outcome = calls[hook]!(request, response)
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
