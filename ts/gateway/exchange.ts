// One request and its response while they are in flight. Every stage reads and writes it; it knows no stage.
// Exchanges are made once and reused by slot: closures that uWebSockets.js wants per request are made once per slot,
// and a generation tells a late row or callback of an earlier request from one of this.
import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js'
import type { ConsumerPlan, HeaderPair, Plan, RoutePlan } from '../config/plan.ts'
import { errorKinds, type ErrorCode } from '../shared/errors.ts'
import type { GuardOutcome } from '../shared/guard-outcomes.ts'
import { firstDirectSlot } from '../shared/native-direct.ts'
import type { CountedCell } from '../shared/native-limits.ts'
import type { ExchangeCallbacks } from './exchanges.ts'
import type { Pipeline } from './pipeline.ts'

/** What a stage says: go on with the next one, send `exchange.answer`, or somebody will continue later. */
export const Verdict = { next: 0, answer: 1, later: 2 } as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

/** A plan in use: what an exchange holds on to until it ends, even when a newer plan has taken over. */
export interface RunningPlan {
  readonly plan: Plan
  readonly pipeline: Pipeline
  /** Edits of the response's header block, by route id; 0 for none. */
  readonly responseEdits: readonly number[]
  /** `\r\nvia: 1.1 polygate`, or ''. */
  readonly via: string
  /** Counts a request that begins with it. */
  begun(): void
  /** Exchanges that began with it and have not ended. */
  exchanges: number
  /** Gives back what the plan has acquired; called once it is neither current nor in use. */
  release(): void
}

/** What the front end knows of the listener that a request came in by. */
export interface Listener {
  /** Numbered from 1 in this worker. */
  readonly id: number
  readonly scheme: 'http' | 'https'
  readonly port: number
}

/** What a client's upgrade request brought that the front end needs again when it upgrades. */
export interface Handshake {
  readonly key: string
  readonly protocols: string
  readonly context: us_socket_context_t
}

/** Who a client can be found to be. */
export interface Consumer {
  readonly plan: ConsumerPlan
  /** The addon's number of it. */
  readonly number: number
}

/** What keeps the claims of tokens for the upstream. */
export interface Claims {
  /** Those of this slot do not go there. */
  dropClaims(slot: number): void
}

/** An upstream's reply that plugins have, or get as a whole. */
export interface CollectedReply {
  status: number
  /** Header lines, each as `\r\nname: value`; latin-1. */
  block: string
  /** Null where no plugin of the route wants it, or not all is there. */
  body: Uint8Array | null
  /** Something of its head is not the upstream's any more. */
  edited: boolean
  /** 0: plugins want the head alone. */
  maxBytes: number
  readonly chunks: Uint8Array[]
  bytes: number
  complete: boolean
  /** The plugin of the route that has it; -1: none. */
  pluginAt: number
}

/** A guard's refusal that has been set aside, since another guard may still let the request in. */
export interface Refusal {
  readonly answer: Answer
  readonly code: ErrorCode | null
  readonly detail: string
  readonly outcome: GuardOutcome | null
}

/** An answer that Polygate gives by itself. */
export interface Answer {
  readonly status: number
  readonly headers: readonly HeaderPair[]
  readonly body: string | Uint8Array
  /** Close the client's connection afterwards. */
  readonly close: boolean
}

/**
 * ```
 *            begin            submit            first row           last byte
 *   free ──────────> open ──────────> waiting ──────────> sending ──────────> free
 *                     │ answer, abort   │ answer, abort      │ abort, upstream died: connection closed
 *                     └────────────────-┴───────────────────-┴──────────────> free
 * ```
 */
export const Phase = { free: 0, open: 1, waiting: 2, sending: 3 } as const
export type Phase = (typeof Phase)[keyof typeof Phase]

export class Exchange {
  readonly slot: number
  /** The request went past the front end: neither `response` nor `request` may be used. */
  readonly direct: boolean
  /** Where its row begins in the batch that told of it; valid while that lasts. */
  eventAt = 0
  /** Comes back in each row of the upstream client: slot and generation, bit 30 clear. */
  tag = 0
  phase: Phase = Phase.free
  /** Set while the front end's response may be used. */
  response!: HttpResponse
  /** The front end's request: on its stack, gone when the handler returns. */
  request!: HttpRequest
  listener!: Listener
  /** The plan it began with; it ends on the same. */
  running!: RunningPlan
  /** Index in the plan's routes, -1 before match. */
  routeId = -1
  route: RoutePlan | null = null
  /** Values of path parameters, in the order of the route's names. */
  captures: readonly string[] | null = null

  /** Who a guard has found the client to be. */
  consumer: Consumer | null = null
  /** Names that consumer's credential, or ''. */
  credential = ''
  /** Holds its places under concurrency limits until it ends; 0: none. */
  lease = 0
  /** Cells that are given back if a later limit refuses; null: none are remembered. */
  counted: CountedCell[] | null = null
  /** Whom the client's certificate was found to be of; the upstream is told of it while it is the consumer. */
  certified: Consumer | null = null
  /** What a guard has refused it for, for the log: may say more than the client is told. */
  refusedFor: GuardOutcome | null = null
  /** The stage that has it, or has had it last: its place in the pipeline. */
  stage = 0
  /** The step of the route's guards that has it, while one answers later. */
  guardStep = 0
  /** Of guards one of which would do. */
  refusals: Refusal[] | null = null
  /** Whoever it was before those. */
  consumerBefore: Consumer | null = null
  credentialBefore = ''
  /** A guard has claims of the request's token sent upstream. */
  claims: Claims | null = null
  claimsBefore: Claims | null = null

  method = ''
  methodId = 0
  host = ''
  /** Normalised path, as routes are matched against. */
  path = ''
  /** Query without `?`. */
  query = ''
  #requestId = ''
  /** A CORS preflight for the route. */
  preflight = false
  /** 0 none, 1 by length, 2 chunked; as the client framed it. */
  framing = 0
  /** Content-Length, with framing 1. */
  contentLength = 0
  /** What an upgrade to WebSocket needs; null for any other request. */
  handshake: Handshake | null = null
  /** Set while the upstream's WebSocket is being opened: gives that up. */
  endSocket: (() => void) | null = null
  maxBodyBytes = 0
  /** The connection closes after this response. */
  lastOnConnection = false
  /** Answered early or refused: the rest of the client's body is not wanted. */
  bodyUnread = false

  startedAtMs = 0
  requestBytes = 0
  responseBytes = 0
  /** Final status sent to the client; 499 when it went away before. */
  status = 0
  code: ErrorCode | null = null
  detail = ''
  answer: Answer | null = null
  /** Response header lines to add, each as `\r\nname: value` (CORS, route edits). */
  extraHeaders = ''

  upstream = -1
  endpoint = -1
  ticket = 0
  attempts = 0
  tried = 0
  submittedAtMs = 0
  upstreamMs = 0
  upstreamStatus = 0
  /** Body bytes kept for a second attempt; null once they are too many or have gone out. */
  replay: Uint8Array[] | null = null
  replayBytes = 0
  /** The last of the request's body has come. */
  bodyDone = true
  clientPaused = false
  /** What has come of the body while a guard has the request; null: none is kept. */
  held: Uint8Array[] | null = null
  heldBytes = 0
  /** A signature guard has accepted the head, and waits for the body. */
  signedBodyDue = false
  /** A guard or a plugin waits for the whole body, and for no more than this; 0: none does. */
  awaitedBytes = 0
  /** What is held is not what the client sent: a plugin has put it in its place. */
  bodyReplaced = false

  /** The plugin, of those of the route that have the hook, that has had it last. */
  pluginAt = 0
  /** Texts that plugins leave for those after them; null: none has. */
  context: Map<string, string> | null = null
  /** The upstream that a plugin has chosen; -1: the route's. */
  chosenUpstream = -1
  /** Not streamed on: plugins have it. */
  collected: CollectedReply | null = null
  /** Streamed on with the head that plugins have made. */
  editedReply: CollectedReply | null = null

  /** Length of a response of known length, else -1. */
  total = -1
  headSent = false
  upstreamPaused = false
  /** The upstream has said its last word. */
  upstreamDone = false
  /** What `tryEnd` did not take, and its offset in the body. */
  unsent: Uint8Array | null = null
  unsentOffset = 0

  readonly #callbacks: ExchangeCallbacks
  readonly onAborted: () => void
  readonly onWritable: (offset: number) => boolean
  readonly onCorked: () => void

  constructor(slot: number, callbacks: ExchangeCallbacks) {
    this.slot = slot
    this.direct = slot >= firstDirectSlot
    this.tag = slot
    this.onAborted = () => callbacks.aborted(this)
    this.#callbacks = callbacks
    this.onWritable = offset => callbacks.writable(this, offset)
    this.onCorked = () => callbacks.corked(this)
  }

  /** Its consumer is the one whose certificate the client has shown, and a guard has looked. */
  get isCertified(): boolean {
    return this.certified !== null && this.certified === this.consumer
  }

  /** Made into a string when somebody asks. */
  get requestId(): string {
    if (this.#requestId === '' && this.direct) this.#requestId = this.#callbacks.requestId(this)
    return this.#requestId
  }

  set requestId(id: string) {
    this.#requestId = id
  }

  /**
   * The handler for this request's body. Not one per slot: the front end goes on calling it after an early answer, when
   * the slot may already be another request's.
   */
  bodyHandler(): (chunk: ArrayBuffer, last: boolean) => void {
    const { tag } = this
    return (chunk, last) => {
      if (this.tag === tag && this.phase !== Phase.free) this.#callbacks.body(this, chunk, last)
    }
  }

  /** Forgets the request. One that is refused before its head is read must not look like the one before. */
  clear(): void {
    this.routeId = -1
    this.route = null
    this.captures = null
    this.consumer = null
    this.credential = ''
    this.lease = 0
    this.counted = null
    this.certified = null
    this.refusedFor = null
    this.refusals = null
    this.consumerBefore = null
    this.credentialBefore = ''
    this.claims = null
    this.claimsBefore = null
    this.method = ''
    this.methodId = 0
    this.host = ''
    this.path = ''
    this.framing = 0
    this.contentLength = 0
    this.lastOnConnection = false
    this.#requestId = ''
    this.handshake = null
    this.endSocket = null
    this.preflight = false
    this.query = ''
    this.bodyUnread = false
    this.requestBytes = 0
    this.responseBytes = 0
    this.status = 0
    this.code = null
    this.detail = ''
    this.answer = null
    this.extraHeaders = ''
    this.upstream = -1
    this.endpoint = -1
    this.ticket = 0
    this.attempts = 0
    this.tried = 0
    this.upstreamMs = 0
    this.upstreamStatus = 0
    this.replay = null
    this.replayBytes = 0
    this.bodyDone = true
    this.clientPaused = false
    this.held = null
    this.signedBodyDue = false
    this.heldBytes = 0
    this.awaitedBytes = 0
    this.bodyReplaced = false
    this.context = null
    this.chosenUpstream = -1
    this.collected = null
    this.editedReply = null
    this.total = -1
    this.headSent = false
    this.upstreamPaused = false
    this.upstreamDone = false
    this.unsent = null
    this.unsentOffset = 0
  }

  /** Somebody has the request for a while: what comes of its body is kept until it goes on. */
  hold(): Verdict {
    if (this.framing !== 0) this.held ??= []
    return Verdict.later
  }

  /**
   * For a guard that needs the whole body, at most so many bytes of it, before it can say more. `next`: it is there, in
   * `held`. `later`: the guard is asked again once it is. Past the bound the client gets 413.
   */
  awaitBody(maxBytes: number): Verdict {
    if (this.heldBytes > maxBytes || this.contentLength > maxBytes) {
      this.bodyUnread = !this.bodyDone
      return this.refuse('body_too_large', `the limit is ${maxBytes} bytes`, [], !this.bodyDone)
    }
    if (this.bodyDone) return Verdict.next
    this.awaitedBytes = maxBytes
    this.resumeClient()
    return Verdict.later
  }

  /** What is held of the body, as one piece: the same bytes at each call, and nobody may write to them. */
  wholeBody(): Uint8Array {
    if (this.held !== null && this.held.length > 1) this.held = [Buffer.concat(this.held)]
    return this.held?.[0] ?? new Uint8Array(0)
  }

  /** Goes upstream in place of the client's body, all of which is there. */
  replaceBody(body: Uint8Array): void {
    this.held = [body]
    this.heldBytes = body.byteLength
    this.bodyReplaced = true
  }

  /** Reads nothing more from the client until `resumeClient`. */
  pauseClient(): void {
    if (this.clientPaused) return
    this.clientPaused = true
    this.response.pause()
  }

  resumeClient(): void {
    if (!this.clientPaused) return
    this.clientPaused = false
    this.response.resume()
  }

  /** Refuses or fails the request with a code of the error table; `detail` goes to the client, so no addresses. */
  refuse(code: ErrorCode, detail = '', headers: readonly HeaderPair[] = [], close = false): Verdict {
    const { status, title } = errorKinds[code]
    this.code = code
    this.detail = detail
    this.answer = { status, headers, body: title, close }
    return Verdict.answer
  }
}
