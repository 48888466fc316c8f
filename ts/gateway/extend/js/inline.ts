// Runtime `js`, isolation `inline`: the plugin runs in the worker's own isolate, in its loop. A call is a function call; a
// hook that never returns takes the worker with it, which control replaces.
import type { HookName } from '../../../shared/plugin-hooks.ts'
import type { CallHook, MakeReady } from '../runtime.ts'
import { authorOf } from './author.ts'
import { createHost, failedCall } from './host.ts'
import { LiveRequest } from './live.ts'
import { PluginRequest } from './request.ts'
import { PluginResponse } from './response.ts'
import { runScript, type ScriptPlan } from './script.ts'

export const makeInline: MakeReady = async (plan, parts) => {
  if (plan.script === null) throw new Error('there is no script')
  const { log, callUpstream } = parts
  const host = createHost({
    say: (level, message, fields) => log.said(level, message, fields),
    ask: call =>
      new Promise((resolve, reject) => {
        callUpstream(call, answer => (typeof answer === 'string' ? reject(failedCall(call, answer)) : resolve(answer)))
      }),
  })
  const running = await runScript(plan as ScriptPlan, host)
  const withBody = plan.requestBodyBytes > 0
  const hooks = plan.hooks.map((hook): [HookName, CallHook] => {
    const call = authorOf(running, hook)
    return [
      hook,
      (exchange, reply) =>
        call(
          new PluginRequest(new LiveRequest(exchange, parts, withBody)),
          reply === null ? null : new PluginResponse(reply),
        ),
    ]
  })
  return { hooks: Object.fromEntries(hooks), close: () => {} }
}
