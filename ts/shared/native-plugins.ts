// Types and constants of the addon's plugins: those that run in the worker's own thread. A call of a hook is one crossing,
// and what a plugin edits lies in the slot when it returns. The Rust side is native/addon/src/plugins.rs, over
// native/extend; test/shared/native-plugins.test.ts compares with it.

export interface NativePluginOptions {
  /** For messages. */
  readonly name: string
  /** The shared library. */
  readonly file: string
  /** The gateway's own: copies lie there under names of their content. */
  readonly folder: string
  /** JSON. */
  readonly config: string
  /** Places in `hookNames`: the library must have them. */
  readonly hooks: readonly number[]
}

export interface LuaPluginOptions {
  /** What errors and stacks call it. */
  readonly file: string
  /** Luau. */
  readonly text: string
  /** JSON. */
  readonly config: string
  /** Places in `hookNames`: the plugin must have them. */
  readonly hooks: readonly number[]
  /** Of its state; a plugin that wants more has failed, and gets a new one. */
  readonly memoryBytes: number
}

export interface NativePluginsModule {
  /** Null, or why a text is no Luau, as `plugin.lua:3: ...`. Nothing of it runs. */
  luauProblem(file: string, text: string): string | null
}

export interface NativePlugins {
  /** A number, valid until `dropPlugin`. Throws an Error that says what is wrong with the library or its configuration. */
  loadNativePlugin(options: NativePluginOptions): number
  /** As `loadNativePlugin`. The file and its factory may run for a second. */
  loadLuaPlugin(options: LuaPluginOptions): number
  /** Its last lines, as `pluginLines`. */
  dropPlugin(plugin: number): string[]
  /**
   * Calls a hook. `flags`: the hook's place in `hookNames`, bits of PluginCall, and `pluginConsumer`. `body`, `context`
   * (name, value, name, value, ...) and the upstream's `status`, `block` of header lines and `replyBody` are read where
   * the flags say that they are there; null for a `replyBody` that was not asked for. Returns bits of PluginVerdict, or
   * `noHead`. Luau is stopped after `timeoutMs`; nothing stops native code.
   */
  callPlugin(
    plugin: number,
    flags: number,
    slot: number,
    timeoutMs: number,
    route: string,
    body?: Uint8Array | null,
    context?: readonly string[] | null,
    status?: number,
    block?: string,
    replyBody?: Uint8Array | null,
  ): number
  /** What the last call has said, once. */
  pluginSaid(): PluginSaid
  /** Level, message, level, message, ... that it has logged since the last time. */
  pluginLines(plugin: number): string[]
}

export const PluginCall = {
  /** Edits are only written down, for `pluginSaid`: the slot stays as it is. */
  tentative: 8,
  /** The client came over TLS. */
  tls: 16,
  body: 32,
  context: 64,
  /** `status`, `block` and `replyBody` are there. */
  reply: 128,
} as const

/** To be added to `flags`: the addon's number of who the client is. */
export const pluginConsumer = (consumer: number): number => consumer << 8

export const PluginVerdict = {
  /** `pluginSaid` has the cause and the reason. */
  failed: 1,
  /** `pluginSaid` has an answer, or what the plugin has written down. */
  said: 2,
  /** `pluginLines` has lines. */
  logged: 4,
} as const

export interface PluginSaid {
  /** Of a failure: `error`, `deadline`, `memory` or `unavailable`; '' else. */
  readonly cause: string
  readonly reason: string
  /** 0: it has not answered. */
  readonly answerStatus: number
  /** Name, value, name, value, ... */
  readonly answerHeaders: readonly string[]
  readonly answerBody: Uint8Array | null
  /** Who the client is. */
  readonly named: string | null
  readonly newBody: Uint8Array | null
  /** In place of the upstream's; 0: that. */
  readonly newStatus: number
  /** An EditKind each. */
  readonly kinds: readonly number[]
  /** Name and value for each kind. */
  readonly texts: readonly string[]
}
