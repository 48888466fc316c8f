// Types and constants of the addon's request heads: strict reading, storage per slot, and the upstream's head composed
// from it. The worker makes one `RequestHeads`; accept takes, match and guards ask, forward composes, record releases.
// The Rust side is native/head; test/shared/request-heads.test.ts compares the tables here with it.
import type { ErrorCode } from './errors.ts'

export interface NativeHeads {
  /** One a worker: its slab and the memory behind it live as long as the process's environment. */
  RequestHeads: new (options: RequestHeadsOptions) => RequestHeads
  /** For the tests of the tables below. */
  requestHeadRefusals(): string[]
  requestHeadFlags(): Record<string, number>
}

export interface RequestHeadsOptions {
  /** Slots 0 to slots - 1 may be used; memory is taken when they are. */
  readonly slots: number
  /** Of the whole head; 0, and anything above 1 MiB, is 1 MiB. */
  readonly maxHeadBytes: number
  /** Field lines; 0 is no limit. */
  readonly maxHeaders: number
}

export interface RequestHeads {
  /** What the addon's own functions know this object by. */
  readonly id: number
  /** Numbers of the head that was taken last; see HeadInfo. Neither this nor `slab` may be transferred to a thread. */
  readonly info: Int32Array
  /** Texts of the head that was taken last, from offset 0 on: match path, query, host, request id, method. ASCII. */
  readonly slab: Buffer
  /**
   * Reads a complete head, from the method to the empty line, into a slot, in place of what was there; fills `info` and
   * `slab`. In a string a character is a byte (latin-1). Returns 0, or a code of `headRefusals`; then the slot is free.
   * Throws TypeError for a slot out of range.
   */
  takeText(slot: number, head: string | Uint8Array): number
  /**
   * All values of a name (any case), joined by `, `, cookies by `; `; latin-1. undefined: no such field, or no head.
   * With what plugins have edited, as in `headers`.
   */
  header(slot: number, name: string): string | undefined
  /** As `header`, of what the client sent: for the log, and for whom to trust. */
  sentHeader(slot: number, name: string): string | undefined
  /** Name (lower case), value, name, value, ... in the order they came; latin-1. */
  headers(slot: number): string[]
  /** Forgets a head; a free slot is a no-op. Policies and other slots are untouched. */
  release(slot: number): void
  /** For heads that are taken from now on; not above the bytes that the object was made with. */
  setLimits(maxHeadBytes: number, maxHeaders: number): void
  /** Compiles a route's policy; the number stays valid until `dropPolicy`. Throws TypeError that names what is wrong. */
  policy(options: HeadPolicyOptions): number
  dropPolicy(id: number): void
  /**
   * The upstream's head, with the empty line. Not for the hot path: the addon composes straight into the upstream
   * client. Throws TypeError for a free slot, an unknown policy, or a text that could end a line.
   */
  compose(slot: number, policy: number, forwarding: HeadForwarding): Buffer
}

/** Names of edits: compared without case, `_` as `-`. Those that frame the message or speak of the connection throw. */
export interface HeadPolicyOptions {
  /** `host[:port]` to send; null: the client's. A request's own `host` goes before both. */
  readonly host: string | null
  /** Add `via: 1.1 polygate`. */
  readonly via: boolean
  /** Add to `Forwarded` (RFC 7239). */
  readonly rfc7239: boolean
  /** Replace the client's fields and the gateway's own. Order: remove, set, append. */
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly append: readonly (readonly [name: string, value: string])[]
  readonly remove: readonly string[]
  /** Headers that do not go upstream, as `remove`: credentials. Nor does what a plugin set for the guards to read. */
  readonly hiddenHeaders: readonly string[]
  /** Parameters of the query, percent-decoded, and cookies that do not go upstream: credentials. Compared with case. */
  readonly hiddenParameters: readonly string[]
  readonly hiddenCookies: readonly string[]
  /** Those of `certificateHeaders` that are sent where ForwardHow says so. The client's own must be in `remove`. */
  readonly certificate: readonly string[]
}

/** In which headers the upstream is told of a client's certificate. */
export const certificateHeaders = {
  subject: 'x-client-cert-subject',
  san: 'x-client-cert-san',
  sha256: 'x-client-cert-sha256',
  serial: 'x-client-cert-serial',
  notAfter: 'x-client-cert-not-after',
} as const

export type HeadEdit =
  readonly [kind: 'set' | 'append', name: string, value: string] | readonly [kind: 'remove', name: string]

export interface HeadForwarding {
  /** In place of the normalised path; no query in it. It is normalised too. */
  readonly path: string | null
  /** In place of the client's query, without `?`; '' takes it away. */
  readonly query: string | null
  readonly host: string | null
  readonly requestId: string | null
  /** A HeadFraming: what the gateway will send, whatever the client said. */
  readonly framing: number
  /** Bytes, with HeadFraming.length. */
  readonly length: number
  /** Ask for a WebSocket; the head must have HeadFlag.webSocket. */
  readonly upgrade: boolean
  /** IP address of the peer, IPv6 without brackets; '' for unix sockets. */
  readonly clientAddress: string
  /** The peer's X-Forwarded-*, Forwarded and X-Real-IP are believed. */
  readonly trusted: boolean
  readonly tls: boolean
  /** The listener's; 0: no X-Forwarded-Port. */
  readonly port: number
  readonly edits: readonly HeadEdit[]
}

/** Ints of `info`, by index. Offsets and lengths are in bytes of `slab`. */
export const HeadInfo = {
  /** Index into `methodNames`; 0: see methodOffset. */
  methodId: 0,
  /** The path in its normal form with runs of slashes merged; `*` for OPTIONS of the server. */
  pathOffset: 1,
  pathLength: 2,
  /** Without `?`; whether there was one is HeadFlag.query. */
  queryOffset: 3,
  queryLength: 4,
  /** Lower case, without port and closing dot; IPv6 in brackets. */
  hostOffset: 5,
  hostLength: 6,
  /** A HeadFraming. */
  framing: 7,
  /** Content-Length: low and high 32 bits. */
  lengthLow: 8,
  lengthHigh: 9,
  /** Bits of HeadFlag. */
  flags: 10,
  /** The client's, where it sent a sane one, else one made for this request. */
  requestIdOffset: 11,
  requestIdLength: 12,
  methodOffset: 13,
  methodLength: 14,
} as const

export const HeadFraming = { none: 0, length: 1, chunked: 2 } as const

export const HeadFlag = {
  /** Expect: 100-continue. */
  expectContinue: 1,
  /** Expect with anything else: 417. */
  expectOther: 2,
  /** GET that asks for a WebSocket; key and version have not been looked at. */
  webSocket: 4,
  /** Connection has `close`. */
  close: 8,
  query: 16,
  /** The forwarded path differs from what the client sent. */
  normalised: 32,
  /** The request id is the client's. */
  clientRequestId: 64,
  absoluteForm: 128,
  /** Connection names fields that will not be forwarded. */
  connectionNames: 256,
  /** Upgrade to something else, or not asked for rightly: ignored. */
  otherUpgrade: 512,
} as const

/** By methodId. */
export const methodNames = ['', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const

export interface HeadRefusal {
  readonly code: Extract<ErrorCode, 'bad_request' | 'head_too_large'>
  /** May be shown to the client. */
  readonly detail: string
}

const bad = (detail: string): HeadRefusal => ({ code: 'bad_request', detail })
const tooLarge = (detail: string): HeadRefusal => ({ code: 'head_too_large', detail })

/** By what `takeText` returns; 0 is no refusal. */
export const headRefusals: readonly (HeadRefusal | null)[] = [
  null,
  tooLarge('the request head has too many bytes'),
  tooLarge('the request has too many header fields'),
  bad('the request head does not end with an empty line'),
  bad('bytes follow the request head'),
  bad('the method is not a token of 1 to 32 characters'),
  bad('the CONNECT method is not served'),
  bad('a character that may not stand in a request target'),
  bad('the request target is no path, no http URL and no * of OPTIONS'),
  bad('the request line does not end with HTTP/1.1'),
  bad('a line does not end with CR LF'),
  bad('a header field without a name'),
  bad("a character that may not stand in a header field's name"),
  bad("white space in or after a header field's name"),
  bad('a header line that begins with white space'),
  bad("a control character in a header field's value"),
  bad('no Host field'),
  bad('two Host fields'),
  bad('the host is not a valid host name or address with an optional port'),
  bad('the Content-Length is not one number'),
  bad('two Content-Length fields'),
  bad('a Transfer-Encoding other than chunked'),
  bad('two Transfer-Encoding fields'),
  bad('both Content-Length and Transfer-Encoding'),
  bad('a broken percent-encoding in the path'),
  bad('an encoded NUL in the path'),
  bad('the path climbs above its root'),
  bad('a dot segment hidden behind an encoded slash or a path parameter'),
  bad('a character beyond latin-1 in the request head'),
]
