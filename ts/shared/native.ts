// The only importer of the Rust addon: finds the built file, checks its version, gives it types.
// Everything here runs on the loop that created it; nothing crosses threads.
import { createRequire } from 'node:module'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DirectEvents } from './native-direct.ts'
import type { NativeEdits, NativeEditsModule } from './native-edits.ts'
import type { NativePlugins, NativePluginsModule } from './native-plugins.ts'
import type { NativeHeads } from './native-heads.ts'
import type { NativeTokens } from './native-jwt.ts'
import type { NativeLimitsModule } from './native-limits.ts'
import type { NativePasswordsModule } from './native-passwords.ts'
import type { NativeCredentials } from './native-credentials.ts'
import type { NativeSignatures, NativeSigners, UpstreamSignerOptions } from './native-signing.ts'

declare global {
  interface Buffer {
    /** Node's own fast path of `toString('latin1', start, end)`: 60 ns against 180 for a short text. */
    latin1Slice(start?: number, end?: number): string
  }
}

export interface Native
  extends NativeHeads, NativeLimitsModule, NativePasswordsModule, NativeEditsModule, NativePluginsModule {
  /** Equals package.json's version; a mismatch is refused at load. */
  version(): string
  /** Names of refusals, as `signatureRefusals`. */
  signatureRefusals(): string[]
  /** What Mashery's window can be hashed with on this processor, the fastest last. For benchmarks. */
  signatureKernels(): string[]
  /**
   * Has the kernel end this process when `parent` has ended and `outliveParent` is not called within the grace: a loop
   * or a stop must not keep it. False: not on this platform.
   */
  dieWithParent(parent: number, graceSeconds: number): boolean
  /** The parent's end was noticed; this process ends by itself, and is ended after so many seconds. */
  outliveParent(seconds: number): void
  UpstreamClient: new (options: UpstreamClientOptions, onBatch: (rows: number) => void) => UpstreamClient
  /** `heads`: the id of the worker's RequestHeads. */
  Exchanges: new (heads: number) => NativeExchanges
  /**
   * Hooks the front end's binary, before it is loaded. False: it stays as it is (another platform, or not laid out as
   * expected). Limits: bytes and lines of a request head, 0 = 1 MiB and none; past them 431.
   */
  frontEndWatch(file: string, maxHeadBytes: number, maxHeaders: number): boolean
  frontEndLimits(maxHeadBytes: number, maxHeaders: number): void
  /**
   * Reads certificates, keys and what client certificates are judged by (null: clients are asked for none), for a listener
   * of a hooked front end: TLS is done below it. The first certificate answers clients that name no known server. Returns
   * an id, to be given back with `frontEndTlsDrop`. Throws an Error that names the file.
   */
  frontEndTls(certificates: readonly FrontEndCertificate[], clients: FrontEndClients | null, onlyTls13: boolean): number
  /**
   * Until when all revocation lists of a PEM text are in force: Unix time; null: for ever. Throws an Error that says what
   * is wrong with the text.
   */
  revocationListsUntil(pem: string): number | null
  /** What is wrong with a signer, so that it can sign no request; '' if nothing is. */
  upstreamSignerProblem(options: UpstreamSignerOptions): string
  /**
   * The listener that is opened next on this thread has that TLS (null: none), and accepts nobody until `frontEndAccept`
   * if it is `held`: clients wait in the kernel. To be called before each listener, or the last call's wish counts.
   */
  frontEndNextListener(tls: number | null, held: boolean): void
  frontEndAccept(): void
  /** Connections that are open and have had no request yet. */
  frontEndNewcomers(): number
  /** What listeners with `old` accept from now on has `id`. Open connections are not touched. */
  frontEndTlsExchange(old: number, id: number): void
  frontEndTlsDrop(id: number): void
  /**
   * To be called about twice a second: connections whose client lets them wait for longer than `idleMs` end before the
   * loop waits next. 0: none does.
   */
  frontEndTick(idleMs: number): void
  /**
   * In a request handler: binds the request to a slot and holds back what follows it on its connection until
   * `frontEndEnd(slot)`. Returns the number of requests on the connection, this one included; 0 if it is not watched.
   */
  frontEndBegin(slot: number): number
  /** The slot's response is complete or aborted. Safe to call twice, and without a begin. */
  frontEndEnd(slot: number): void
  /**
   * Inside the cork that a response's status and headers are written in, without any of its body: the head leaves at
   * once, completed with a Content-Length of `length` or, below 0, as chunked. False: it leaves with the first bytes of
   * the body (a head past 16 KiB, a front end without the hooks).
   */
  frontEndHeadAlone(slot: number, length: number): boolean
  /** The front end keeps bytes of the slot's response that the kernel has not taken. False where it is not known. */
  frontEndWaits(slot: number): boolean
  /** The connection of the slot's request, for `frontEndStopReading`; 0 where it is not known. */
  frontEndConnection(slot: number): number
  /** Stops, or goes on, reading from a connection. False: there is no such connection. */
  frontEndStopReading(connection: number, stopped: boolean): boolean
  /** In a request handler: a copy of the head as received; null where it was not seen. */
  frontEndHead(): Buffer | null
  /** In a request handler: the client's address; '' for unix sockets, null where the connection is not watched. */
  frontEndAddress(): string | null
  /** Connections whose answers have not wholly left for the kernel, though their exchanges may have ended. */
  frontEndWriting(): number
  /** How often a listener had to rest because no descriptor was free for a connection. */
  frontEndStalls(): number
  /** Answers given below JavaScript: status and count. */
  frontEndAnswers(): [status: number, count: number][]
}

export interface FrontEndCertificate {
  /** Lower case, `*.` allowed. */
  readonly hosts: readonly string[]
  readonly certificate: PemFile
  readonly key: PemFile
}

export interface FrontEndClients {
  /** One of them must have issued a client's certificate. */
  readonly authorities: PemFile
  /** A client may have none. */
  readonly optional: boolean
  /** Lists of revoked certificates: one of each issuer in a client's chain, in force. */
  readonly revoked: PemFile | null
}

export interface PemFile {
  /** For messages. */
  readonly name: string
  readonly text: string
}

export interface UpstreamClientOptions {
  /** Bytes of the slab that a batch's headers and bodies lie in. */
  readonly slabBytes: number
  /** Rows of one batch at most; what is left comes in the next. */
  readonly maxRows: number
  /** Put before the header lines of each response: `"\r\nvia: 1.1 polygate"`, or ''. */
  readonly headerPrefix: string
}

export interface EndpointOptions {
  /** IPv4 or IPv6 literal, or null with `unix`. */
  readonly ip: string | null
  readonly port: number
  readonly unix: string | null
  readonly tls: {
    readonly serverName: string
    readonly ca: string | null
    readonly certificate: string | null
    readonly key: string | null
    readonly verify: boolean
  } | null
  readonly connectTimeoutMs: number
  readonly responseTimeoutMs: number
  /** No byte in either direction for this long while a request is in flight. */
  readonly idleTimeoutMs: number
  readonly maxConnections: number
  readonly maxWaiting: number
  /** How long an unused connection is kept. */
  readonly poolIdleMs: number
}

/**
 * HTTP/1.1 client on its own epoll descriptor inside this thread's libuv loop.
 * `onBatch(rows)` is called once per wake; `rows` rows of `rowInts` Int32 each then lie in `rows`, their bytes in
 * `slab`. Both are valid only until the callback returns. A submit, write, pause, resume or cancel from inside the
 * callback never changes rows of that batch.
 */
export interface UpstreamClient {
  readonly slab: Buffer
  readonly rows: Int32Array
  /** Returns the endpoint's id. Throws TypeError/Error with a message for bad TLS files or addresses. */
  addEndpoint(options: EndpointOptions): number
  /** Requests in flight end as they would; idle connections are closed; then the id is free. */
  removeEndpoint(endpoint: number): void
  /**
   * Sends a request. `head` is everything up to and including the empty line, latin-1. `tag` comes back in every row.
   * `framing`: 0 = no body, 1 = body of the length that the head names (bytes follow with `write`), 2 = chunked: the
   * client frames what `write` gives. `flags`: see SubmitFlag. Nothing is sent before the loop's current turn ends.
   * Returns a ticket (> 0), or a negative ErrorReason.
   */
  submit(tag: number, endpoint: number, flags: number, framing: number, head: string | Uint8Array): number
  /** Gives body bytes (copied). Returns bytes not yet taken by the kernel; above 64 KiB wait for a Drain row. */
  write(ticket: number, chunk: ArrayBuffer | Uint8Array, last: boolean): number
  /** Stops / continues reading the response: back-pressure. */
  pause(ticket: number): void
  resume(ticket: number): void
  /** Forgets the request and closes its connection if the exchange is unfinished. No row follows. Unknown: no-op. */
  cancel(ticket: number): void
  /** In flight, waiting, idle connections, connections in all, connects made; for metrics. */
  stats(endpoint: number): { inFlight: number; waiting: number; idle: number; connections: number; connects: number }
  /** Closes everything; every request in flight fails. The handle no longer keeps the loop alive. */
  close(): void
}

/** What one request needs of the native parts, in as few crossings as there can be. Slots are those of RequestHeads. */
export interface NativeExchanges
  extends NativeCredentials, NativeEdits, NativePlugins, NativeSignatures, NativeSigners, NativeTokens {
  /**
   * In a request handler: reads the head as received into the slot, remembers the client's address, and holds back what
   * follows on the connection until `end`. 0, a code of `headRefusals`, or `headNotSeen`.
   */
  begin(slot: number): number
  /**
   * Composes the slot's head by a policy of RequestHeads straight into the client's send buffer. `path` and `host` in
   * place of the head's own, or null. `how`: bits of ForwardHow; `port`: the listener's; `signer`: who signs it, 0 for
   * nobody. A ticket, a negative ErrorReason, or 0: it cannot be signed. Throws TypeError where path or host could end
   * a line.
   */
  submit(
    client: UpstreamClient,
    tag: number,
    endpoint: number,
    flags: number,
    slot: number,
    policy: number,
    path: string | null,
    host: string | null,
    how: number,
    port: number,
    signer: number,
  ): number
  /** The head that `submit` would send; '' where it cannot be signed. */
  compose(
    slot: number,
    policy: number,
    path: string | null,
    host: string | null,
    how: number,
    port: number,
    signer: number,
  ): string
  /** '' where it is not known. */
  remoteAddress(slot: number): string
  /** For connections that the hooks do not see. */
  setRemoteAddress(slot: number, address: ArrayBuffer): void
  /** Requests on the slot's connection, this one included; 0 where it is not known. */
  connectionRequests(slot: number): number
  /** The slot's response is complete or aborted. A slot that the addon chose is free again. */
  end(slot: number): void
  /** The request id of the slot's head; '' without one. */
  requestId(slot: number): string
  /**
   * From now on requests with a whole head and no body go past the front end, on listeners that `listening` names: the
   * addon chooses their slots (from `firstDirectSlot` on) and says in one call of `onEvents(count)` what has come and
   * happened. The rows and their texts are valid until it returns. `statusLines`: by status, each as `200 OK`, joined
   * by line feeds. Only where the front end is watched.
   */
  direct(client: UpstreamClient, onEvents: (count: number) => void, statusLines: string): DirectEvents
  /** Inside `onBatch`: the command `relay` (see DirectCommands) with lines to add, each as `\r\nname: value`. */
  relay(slot: number, row: number, flags: number, edits: number, extra: string): void
  /** Inside `onBatch`: as `relay`, with another head: its status, and all lines each as `\r\nname: value`. */
  relayEdited(slot: number, row: number, flags: number, status: number, block: string): void
  /** A whole response of our own. `body`: bytes, or the length of one that is not sent. */
  answer(slot: number, status: number, flags: number, block: string, body: Uint8Array | number): void
  /**
   * Compiles edits of response heads: fields of `removed` names (each followed by a line feed, any case) go, then the
   * lines of `added` come. A number above 0, valid until `dropResponseEdits`.
   */
  responseEdits(removed: string, added: string): number
  dropResponseEdits(edits: number): void
  /** Takes and gives lines of `\r\nname: value`. */
  editResponse(edits: number, block: string): string
  /** Does what DirectCommands have written down; by itself that happens when `onEvents` or `onBatch` returns. */
  run(): void
  /** The front end has just begun to listen for this listener, numbered from 1. False: it is not watched. */
  listening(listener: number, port: number): boolean
}

/** What `begin` says of connections whose bytes were not seen: a front end without the hooks. */
export const headNotSeen = -2

export const ForwardHow = {
  /** The client's X-Forwarded-* and Forwarded are believed. */
  trusted: 1,
  /** The client came over TLS. */
  tls: 2,
  /** Ask for a WebSocket. */
  upgrade: 4,
  /** The upstream is told of the client's certificate, as the policy says. */
  certificate: 8,
} as const

/** To be added to `how`: the upstream reads that consumer's name in X-Consumer-Name. 0: nobody's. */
export const consumerHow = (consumer: number): number => consumer << 4

/** Ints of one row, by index. */
export const Row = {
  tag: 0,
  /** Bits of RowKind. */
  kind: 1,
  /** Final status, with RowKind.head. */
  status: 2,
  /** Header lines in the slab, each as `\r\nname: value`, hop-by-hop, Connection-named, Date, Content-Length and
   *  Transfer-Encoding taken out, `headerPrefix` put before. */
  headOffset: 3,
  headLength: 4,
  bodyOffset: 5,
  bodyLength: 6,
  /** Content-Length with RowKind.length: low and high 32 bits. */
  lengthLow: 7,
  lengthHigh: 8,
  /** ErrorReason with RowKind.error. */
  reason: 9,
  /** Microseconds from submit to this row. */
  elapsedUs: 10,
  /** Bits of AttemptFlag, with RowKind.error. */
  attempt: 11,
} as const
export const rowInts = 12

export const RowKind = {
  head: 1,
  data: 2,
  /** The response is complete; the ticket is dead. */
  end: 4,
  /** The request failed; the ticket is dead. */
  error: 8,
  /** Body bytes given with `write` have gone out. May come alone or with others. */
  drain: 16,
  /** All header bytes are ASCII. */
  asciiHead: 32,
  /** All body bytes of this row are ASCII. */
  asciiBody: 64,
  /** lengthLow/lengthHigh are set (also for HEAD and 304). */
  length: 128,
  /** No body will come whatever the headers say: HEAD, 204, 304. */
  bodiless: 256,
  /** 101 to a request with SubmitFlag.upgrade: from now on raw bytes both ways. */
  upgraded: 512,
} as const

export const SubmitFlag = {
  /** The method is HEAD. */
  head: 1,
  /** May be sent again by the client itself when a reused connection was closed before any byte came back. */
  replayable: 2,
  /** Connection: upgrade is wanted; 101 is passed on instead of refused. */
  upgrade: 4,
} as const

export const AttemptFlag = {
  /** Not one byte of the request had been given to the kernel. */
  nothingSent: 1,
  /** Not one byte of a response had come. */
  nothingReceived: 2,
  /** The connection had served a request before. */
  reused: 4,
} as const

export const ErrorReason = {
  refused: 1,
  unreachable: 2,
  connectTimeout: 3,
  tls: 4,
  reset: 5,
  closed: 6,
  responseTimeout: 7,
  idleTimeout: 8,
  badResponse: 9,
  headTooLarge: 10,
  poolFull: 11,
  noEndpoint: 12,
  clientPanic: 13,
  clientClosed: 14,
  descriptorLimit: 15,
  /** `write` gave more or fewer bytes than the head announced. */
  bodyMismatch: 16,
} as const

/** The package's root: where package.json lies, whether this runs from ts/ or from dist/. */
export const packageRoot = ((): string => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
})()

export const packageVersion = (
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
).version

let loaded: Native | undefined

/** Loads the addon on first use. Throws an Error that says what to run when it is missing or of another version. */
export function native(): Native {
  if (loaded) return loaded
  const file = join(packageRoot, 'dist', 'native', 'polygate.node')
  if (!existsSync(file)) throw new Error(`the native addon is not built (${file} is missing): run \`npm run build\``)
  const addon = createRequire(import.meta.url)(file) as Native
  if (addon.version() !== packageVersion) {
    throw new Error(
      `the native addon is of version ${addon.version()}, the package of ${packageVersion}: run \`npm run build\``,
    )
  }
  return (loaded = addon)
}
