// What a runtime is to the rest of the extend stage: it makes a plugin ready, and calls its hooks. Nothing outside this
// folder knows that runtimes differ.
import type { PluginPlan } from '../../config/plan.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { HookName } from '../../shared/plugin-hooks.ts'
import type { Exchange } from '../exchange.ts'
import type { Outcome, Pending } from './outcome.ts'
import type { PluginLog } from './plugin-log.ts'
import type { CallUpstream } from '../../shared/upstream-calls.ts'
import type { UpstreamReply } from './reply.ts'

/**
 * One hook of one plugin. Throws nothing. `reply`: the upstream's, for `response` alone. `timeoutMs`: nobody waits longer
 * for what is pending. `tentative`: what the call wants done may have to be left undone, so it changes nothing itself.
 */
export type CallHook = (
  exchange: Exchange,
  reply: UpstreamReply | null,
  timeoutMs: number,
  tentative: boolean,
) => Outcome | Pending

export interface ReadyPlugin {
  /** By hook; those that the manifest names are all there. */
  readonly hooks: Readonly<Partial<Record<HookName, CallHook>>>
  /** No call comes any more. */
  close(): void
}

export interface RuntimeParts {
  readonly exchanges: NativeExchanges
  readonly heads: RequestHeads
  readonly log: PluginLog
  readonly callUpstream: CallUpstream
}

/** Rejects with an Error that says why the plugin cannot be used. */
export type MakeReady = (plan: PluginPlan, parts: RuntimeParts) => Promise<ReadyPlugin>
