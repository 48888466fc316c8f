// The plan: the configuration after validation, with defaults filled in, names turned into indexes and addresses
// resolved. Control makes it, workers run it. Plain, immutable, serialisable as JSON; nothing here has a method.
// A route's, upstream's or endpoint's id is its index in its list.
import type { HookName } from '../shared/plugin-hooks.ts'
import type { ConsumerPlan, GuardPlan } from './guard-plan.ts'
import type { RuntimeName } from './plugins/manifest.ts'
import type { SecretEncoding } from './secrets.ts'
import type { JsonValue } from './shapes.ts'

export type * from './guard-plan.ts'

export interface Plan {
  /** Hash of the content; names the plan in logs, `/readyz` and reload answers. */
  readonly version: string
  readonly listen: readonly ListenPlan[]
  readonly workers: number
  readonly admin: AdminPlan | null
  readonly limits: LimitsPlan
  readonly timeouts: ServerTimeoutsPlan
  readonly accessLog: AccessLogPlan | null
  readonly forwarded: ForwardedPlan
  readonly upstreams: readonly UpstreamPlan[]
  readonly consumers: readonly ConsumerPlan[]
  readonly counting: CountingPlan
  /** Absolute names of files whose content went into the plan (secrets), for `run --watch`. Workers read none. */
  readonly sourceFiles: readonly string[]
  /** What workers need and nobody else may see; named by place. */
  readonly secrets: readonly SecretPlan[]
  readonly plugins: readonly PluginPlan[]
  readonly routes: readonly RoutePlan[]
}

/** A secret that is used as it is. Its value is in no file that the gateway writes, and in no message. */
export interface SecretPlan {
  /** Base64; '' in a plan kept on disk, and in one that comes from there until control has it again. */
  readonly value: string
  /** Where it came from, so that it can be had again: an environment variable, or a file; null: neither. */
  readonly variable: string | null
  readonly file: string | null
  readonly encoding: SecretEncoding
}

export interface ListenPlan {
  /** IP address, or `unix` listeners: null. */
  readonly address: string
  readonly port: number
  /** Path of a unix socket; then `address` is '' and `port` 0. */
  readonly unix: string | null
  readonly tls: ListenTlsPlan | null
}

export interface ListenTlsPlan {
  /** Absolute file names, PEM. The first entry answers clients that name no (known) server. */
  readonly certificates: readonly {
    readonly hosts: readonly string[]
    readonly certificate: string
    readonly key: string
  }[]
  /** File of the authorities one of which must have signed the client's certificate, or null: none is asked for. */
  readonly clientCa: string | null
  /** Whether a client must have a certificate; without clientCa it means nothing. */
  readonly clientCertificate: 'required' | 'optional'
  /** File of the authorities' revocation lists, or null. */
  readonly clientCrl: string | null
  readonly minVersion: '1.2' | '1.3'
  /** Hash over the content of all files above: a changed certificate is a changed plan. */
  readonly fingerprint: string
  /**
   * What these files held when the plan was made, by name: a worker that starts later must not depend on what they hold
   * by then. Not kept on disk; a file that is missing here is read by the worker.
   */
  readonly contents: Readonly<Record<string, string>>
}

export interface AdminPlan {
  readonly address: string
  readonly port: number
  readonly token: string | null
}

/** 0 means no limit, everywhere. */
export interface LimitsPlan {
  readonly maxHeadBytes: number
  readonly maxHeaders: number
  readonly maxBodyBytes: number
  readonly maxRequestsPerConnection: number
  /** Requests in flight in one worker; past them 503 overloaded. */
  readonly maxConcurrentRequests: number
}

/** Where limits and replay windows are counted. */
export interface CountingPlan {
  /** Absolute. Control sets it where the configuration does not, and to null where nothing is counted. */
  readonly file: string | null
  readonly keys: number
  readonly replays: number
}

export interface ServerTimeoutsPlan {
  readonly drainMs: number
  /** How long a client may keep its connection waiting; 0 means for ever. */
  readonly idleMs: number
}

export interface AccessLogPlan {
  /** 'stdout', 'stderr' or an absolute file name. */
  readonly target: string
  /** 0..1, share of requests that are logged; errors (5xx) always are. */
  readonly sample: number
}

export interface ForwardedPlan {
  /** CIDR blocks whose X-Forwarded-* and Forwarded headers are believed. */
  readonly trustedProxies: readonly string[]
  /** Also send RFC 7239 `Forwarded`. */
  readonly rfc7239: boolean
  /** Send `Via: 1.1 polygate` both ways. */
  readonly via: boolean
}

export interface UpstreamPlan {
  readonly name: string
  readonly endpoints: readonly EndpointPlan[]
  readonly balance: BalancePlan
  readonly timeouts: { readonly connectMs: number; readonly responseMs: number; readonly idleMs: number }
  /** How often a failed request may be sent again (to another endpoint where there is one). */
  readonly retries: number
  /** Retries allowed as a share of requests over 10 s, plus a floor per second. */
  readonly retryBudget: { readonly ratio: number; readonly minPerSecond: number }
  readonly pool: { readonly maxConnections: number; readonly maxWaiting: number; readonly idleMs: number }
  readonly health: { readonly passive: PassiveHealthPlan | null; readonly active: ActiveHealthPlan | null }
  readonly breaker: BreakerPlan | null
  /** 'preserve' sends the client's Host, 'peer' the peer's authority, anything else is sent as it is. */
  readonly hostHeader: string
  /** Null: requests go as they are. */
  readonly sign: UpstreamSignPlan | null
}

/** How requests to an upstream are signed. '' and [] where the scheme has no such thing. */
export interface UpstreamSignPlan {
  readonly scheme: 'cavage' | 'rfc9421' | 'sigv4'
  readonly keyId: string
  readonly algorithm: string
  /** Place in `secrets`: a secret, or a private key in PEM. */
  readonly secret: number
  readonly dialect: string
  /** Headers and components, in lower case. */
  readonly cover: readonly string[]
  readonly tag: string
  /** 0: signatures do not say. */
  readonly expiresAfterSeconds: number
  readonly region: string
  readonly service: string
  readonly asSent: boolean
  /** Bodies are signed: held until they are whole, at most `maxBodyBytes` of them. */
  readonly signsBody: boolean
  readonly maxBodyBytes: number
}

export type BalancePlan =
  | { readonly kind: 'round-robin' }
  | { readonly kind: 'least-connections' }
  | { readonly kind: 'consistent-hash'; readonly on: 'header' | 'cookie' | 'address'; readonly name: string }

/** One address of one peer: a peer whose name resolves to several addresses becomes several endpoints. */
export interface EndpointPlan {
  /** The peer's URL as configured, without path: `http://host:port`, `https://…`, `unix:///path`. */
  readonly url: string
  /** Host as configured (name or IP, without brackets); '' for unix sockets. What `hostHeader: peer` and SNI use. */
  readonly host: string
  readonly port: number
  /** IP address to connect to; null for unix sockets, and for names that did not resolve (endpoint is down). */
  readonly ip: string | null
  readonly unix: string | null
  readonly weight: number
  readonly tls: EndpointTlsPlan | null
}

export interface EndpointTlsPlan {
  readonly serverName: string
  /** CA file (PEM, absolute), or null for the system's roots. */
  readonly ca: string | null
  readonly certificate: string | null
  readonly key: string | null
  readonly verify: boolean
}

/** `failures` in a row eject an endpoint for `ejectMs`, doubled each time up to `maxEjectMs`. */
export interface PassiveHealthPlan {
  readonly failures: number
  readonly ejectMs: number
  readonly maxEjectMs: number
}

export interface ActiveHealthPlan {
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly healthyAfter: number
  readonly unhealthyAfter: number
  readonly statuses: readonly number[]
}

/** Opens when at least `minRequests` in `windowMs` failed at `errorRatio` or more; half-open after `openMs`. */
export interface BreakerPlan {
  readonly errorRatio: number
  readonly minRequests: number
  readonly windowMs: number
  readonly openMs: number
}

export interface RoutePlan {
  readonly name: string
  /** `file:line:col` of the route in the configuration, for `explain` and logs. */
  readonly source: string
  readonly match: MatchPlan
  readonly action: ActionPlan
  /** Checks in their order. */
  readonly guards: readonly GuardPlan[]
  /** Indexes of plugins, in their order. */
  readonly plugins: readonly number[]
  readonly cors: CorsPlan | null
  /** Edits of the request that goes upstream, and of the response that comes back. */
  readonly requestHeaders: HeaderEditsPlan | null
  readonly responseHeaders: HeaderEditsPlan | null
  readonly maxBodyBytes: number
  readonly webSocket: boolean
}

export interface MatchPlan {
  /** Lower case; `*.example.com` allowed; [] = any. */
  readonly hosts: readonly string[]
  /** `/exact`, `/a/{name}/b`, `/prefix/*`, `~regular expression`. */
  readonly path: string
  /** Upper case; [] = any. */
  readonly methods: readonly string[]
  /** All must hold. `value` null: present. A value that begins with `~` is a regular expression. */
  readonly headers: readonly { readonly name: string; readonly value: string | null }[]
  /** Higher first; breaks the documented order only where set. Default 0. */
  readonly priority: number
}

export type ActionPlan =
  | {
      readonly kind: 'forward'
      readonly upstream: number
      readonly stripPrefix: string | null
      /** Target path with `{name}` of captured parameters, `{*}` for the rest of `/*`; query is kept. */
      readonly rewrite: string | null
    }
  | {
      readonly kind: 'respond'
      readonly status: number
      readonly headers: readonly HeaderPair[]
      readonly body: string
    }
  | { readonly kind: 'redirect'; readonly to: string; readonly status: number }

/** Its id is its index. */
export interface PluginPlan {
  /** What the operator calls it; two of one plugin have two. */
  readonly name: string
  /** What its manifest calls it. */
  readonly plugin: string
  readonly version: string
  readonly runtime: RuntimeName
  readonly isolation: 'inline' | 'worker'
  /** Absolute. */
  readonly entry: string
  readonly hooks: readonly HookName[]
  /** Bytes of a body that it gets as a whole; 0: it gets none. */
  readonly requestBodyBytes: number
  readonly responseBodyBytes: number
  readonly config: JsonValue
  readonly settings: Readonly<Record<HookName, PluginSettings>>
  readonly shadow: boolean
  /** Its JavaScript in one file, with all that it imports, or its Luau; null: a library. */
  readonly script: PluginScript | null
  /** What it was read from, absolute, for `run --watch`. Workers read none, but a library. */
  readonly files: readonly string[]
  /** Absolute: where copies of a library in native code are kept. Control sets it; null for other runtimes. */
  readonly copies: string | null
  /** Hash over what is loaded: changed code is a changed plan. */
  readonly fingerprint: string
}

export interface PluginSettings {
  readonly timeoutMs: number
  readonly onFailure: 'closed' | 'open'
}

export interface PluginScript {
  readonly code: string
  /** A source map (version 3), as JSON, to what its author wrote; '' where the code is that. */
  readonly map: string
}

export type HeaderPair = readonly [name: string, value: string]

export interface HeaderEditsPlan {
  readonly set: readonly HeaderPair[]
  readonly append: readonly HeaderPair[]
  readonly remove: readonly string[]
}

export interface CorsPlan {
  /** Exact origins, `*`, or `https://*.example.com`. */
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  /** Request headers allowed; ['*'] reflects what was asked for. */
  readonly headers: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly credentials: boolean
  readonly maxAgeSeconds: number
}
