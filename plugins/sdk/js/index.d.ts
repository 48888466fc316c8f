// What a Polygate plugin in TypeScript or JavaScript sees. There is no code behind these types: the gateway gives the
// objects. A plugin is a factory, called once for each configuration, that returns its hooks.

/** A text or bytes; a text goes out as UTF-8. */
export type Body = string | Uint8Array

/** Header fields. Names are compared without case; a value is a text of latin-1 characters. */
export interface Headers {
  /** The first value of a name. */
  get(name: string): string | undefined
  getAll(name: string): readonly string[]
  /** One value in place of all. */
  set(name: string, value: string): void
  /** One more value. */
  append(name: string, value: string): void
  delete(name: string): void
  /** Names in lower case, a pair a value, in their order. */
  entries(): (readonly [name: string, value: string])[]
  [Symbol.iterator](): Iterator<readonly [name: string, value: string]>
}

type HeadersGiven =
  Readonly<Record<string, string | readonly string[]>> | readonly (readonly [name: string, value: string])[]

/** What `respond` and `fail` give, for the hook to return. */
export interface Verdict {
  readonly __verdict?: never
}

/** Of use until the call is over; keep values of it, not it. */
export interface Request {
  method: string
  readonly scheme: 'http' | 'https'
  /** With its port where it has one. */
  host: string
  /** Percent-encoded, without query. */
  path: string
  /** Without `?`. */
  query: string
  readonly headers: Headers
  /** The whole body where plugin.yaml asks for it, else null. Not to be written into: assign another one. */
  get body(): Uint8Array | null
  set body(body: Body)
  /** The client's IP address; '' for unix sockets. */
  readonly remoteAddress: string
  readonly requestId: string
  readonly route: string
  /** Who the client is, once a guard or a plugin has found out. */
  readonly consumer: string | null
  /** Texts that travel with the request from hook to hook, and from plugin to plugin. */
  readonly context: { get(name: string): string | undefined; set(name: string, value: string): void }
  /** Forwards to another upstream of the configuration. */
  forwardTo(upstream: string): void
  /** Answers the client in the upstream's place; no later plugin is called. */
  respond(status: number, headers?: HeadersGiven, body?: Body | null): Verdict
  /** The plugin cannot do its work: the request gets what the operator has chosen for that. `reason` is for the log. */
  fail(reason: string): Verdict
}

export interface Response {
  status: number
  readonly headers: Headers
  /** The whole body where plugin.yaml asks for it, else null. Not to be written into: assign another one. */
  get body(): Uint8Array | null
  set body(body: Body)
  /** Another answer in the place of this one. */
  respond(status: number, headers?: HeadersGiven, body?: Body | null): Verdict
  fail(reason: string): Verdict
}

type Result = Verdict | void | undefined | null
type Now<T> = T | Promise<T>

/** Any of these; plugin.yaml names those that there are. Returning nothing means: go on. */
export interface Hooks {
  /** After match, before the guards. */
  request?(request: Request): Now<Result>
  /** Who is the client? Returning nothing: not my credentials. */
  authenticate?(request: Request): Now<Result | { readonly consumer: string }>
  /** The consumer is known. */
  authorize?(request: Request): Now<Result>
  /** The last word before the upstream. */
  forward?(request: Request): Now<Result>
  /** The upstream's head is there, and its body where plugin.yaml asks for it. */
  response?(response: Response, request: Request): Now<Result>
  /** After the last byte. The request is of use until the first await. */
  log?(request: Request): Now<void>
}

type Fields = Readonly<Record<string, unknown>>

/** What a request of the plugin's own brings. */
export interface FetchedAnswer {
  readonly status: number
  /** Names in lower case; several values of one are joined by commas. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
  text(): string
  json(): unknown
}

export interface Host {
  /** Lines of the gateway's log, with the plugin's name. */
  readonly log: {
    debug(message: string, fields?: Fields): void
    info(message: string, fields?: Fields): void
    warn(message: string, fields?: Fields): void
    error(message: string, fields?: Fields): void
  }
  /** Values of this plugin in this worker; at most 10,000, the oldest go first. */
  readonly store: {
    get(key: string): unknown
    set(key: string, value: unknown, ttlMs: number): void
    delete(key: string): void
  }
  /**
   * Asks an upstream of the configuration, with its balance, connections, health and signature. Rejects where there is no
   * answer: no peer, no answer in time (1,000 ms unless `timeoutMs` says otherwise, at most 60,000), one longer than
   * `maxBytes` (1 MiB). Not before the gateway runs: a factory cannot wait for it at the first start.
   */
  fetch(
    upstream: string,
    request?: {
      readonly method?: string
      /** With the query. */
      readonly path?: string
      readonly headers?: HeadersGiven
      readonly body?: Body | null
      readonly timeoutMs?: number
      readonly maxBytes?: number
    },
  ): Promise<FetchedAnswer>
}

export type Factory<Config = unknown> = (config: Config, host: Host) => Hooks | Promise<Hooks>
