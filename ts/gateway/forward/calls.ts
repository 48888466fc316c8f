// Requests that the gateway makes itself, for plugins: to a peer that the upstream's balance chooses, with its connections,
// health, breaker, retries and signature, past the pipeline. The worker hands over the client's rows whose tag is below 0.
import { headerValue, requestHeaderName, requestTarget, token } from '../../config/formats.ts'
import type { HeaderPair } from '../../config/plan.ts'
import { AttemptFlag, Row, RowKind, rowInts, SubmitFlag } from '../../shared/native.ts'
import type { NativeExchanges, UpstreamClient } from '../../shared/native.ts'
import type { CallUpstream, UpstreamAnswer, UpstreamCall } from '../../shared/upstream-calls.ts'
import { noPeer, triedBit } from './candidates.ts'
import { peerAuthority } from './endpoints.ts'
import { failureText } from './failure.ts'
import { isIdempotent } from './retry.ts'
import type { Signer } from './signers.ts'
import { breakerOpen, type Upstream } from './upstream.ts'

/** The upstreams of the plan that runs. */
export interface CalledUpstreams {
  readonly list: readonly Upstream[]
  /** By upstream; null where requests go as they are. */
  readonly signers: readonly (Signer | null)[]
}

const nothing = new Uint8Array(0)
/** In flight at once; more would only cost memory. */
const mostCalls = 10_000
/** Tags are below 0, for exchanges' and checks' are not. */
const leastTag = -0x8000_0000

interface Running {
  readonly call: UpstreamCall
  readonly upstream: Upstream
  readonly signer: Signer | null
  readonly come: (answer: UpstreamAnswer | string) => void
  readonly timer: NodeJS.Timeout
  readonly tag: number
  tried: number
  attempts: number
  endpoint: number
  ticket: number
  startedMs: number
  status: number
  headers: HeaderPair[]
  chunks: Buffer[]
  bytes: number
}

export class Calls {
  readonly #client: UpstreamClient
  readonly #exchanges: NativeExchanges
  readonly #running = new Map<number, Running>()
  #upstreams: CalledUpstreams | null = null
  #lastTag = 0

  constructor(client: UpstreamClient, exchanges: NativeExchanges) {
    this.#client = client
    this.#exchanges = exchanges
  }

  /** A plan has begun to run. Calls in flight end as they would. */
  use(upstreams: CalledUpstreams): void {
    this.#upstreams = upstreams
  }

  readonly call: CallUpstream = (call, come) => {
    const problem = problemOf(call)
    const at = this.#upstreams?.list.findIndex(({ plan }) => plan.name === call.upstream) ?? -1
    const wrong =
      this.#upstreams === null
        ? 'the gateway does not run yet'
        : at < 0
          ? `there is no upstream ${JSON.stringify(call.upstream.slice(0, 60))}`
          : this.#running.size >= mostCalls
            ? `${mostCalls} calls are in flight already`
            : problem
    if (wrong !== null) {
      let forgotten = false
      queueMicrotask(() => forgotten || come(wrong))
      return () => void (forgotten = true)
    }
    const running: Running = {
      call,
      upstream: this.#upstreams!.list[at]!,
      signer: this.#upstreams!.signers[at]!,
      come,
      timer: setTimeout(() => this.#abandon(running, `no answer within ${call.timeoutMs} ms`), call.timeoutMs),
      tag: this.#freeTag(),
      tried: 0,
      attempts: 0,
      endpoint: -1,
      ticket: 0,
      startedMs: 0,
      status: 0,
      headers: [],
      chunks: [],
      bytes: 0,
    }
    this.#running.set(running.tag, running)
    queueMicrotask(() => this.#running.get(running.tag) === running && this.#attempt(running, performance.now()))
    return () => this.#abandon(running, null)
  }

  /** A row of the upstream client whose tag is below 0. */
  onRow(tag: number, kind: number, row: number): void {
    const running = this.#running.get(tag)
    if (running === undefined) return
    const { rows, slab } = this.#client
    const at = row * rowInts
    const nowMs = performance.now()
    if ((kind & RowKind.error) !== 0) {
      running.ticket = 0
      this.#failed(running, rows[at + Row.reason]!, rows[at + Row.attempt]!, nowMs)
      return
    }
    if ((kind & RowKind.head) !== 0) {
      const from = rows[at + Row.headOffset]!
      running.status = rows[at + Row.status]!
      running.headers = pairsIn(slab.latin1Slice(from, from + rows[at + Row.headLength]!))
      running.upstream.responded(running.endpoint, running.startedMs, running.status, nowMs)
    }
    const length = rows[at + Row.bodyLength]!
    if (length > 0) {
      const from = rows[at + Row.bodyOffset]!
      running.bytes += length
      if (running.bytes > running.call.maxAnswerBytes) {
        this.#abandon(running, `the answer is longer than ${running.call.maxAnswerBytes} bytes`)
        return
      }
      running.chunks.push(Buffer.from(slab.subarray(from, from + length)))
    }
    if ((kind & RowKind.end) === 0) return
    running.ticket = 0
    running.upstream.finished(running.endpoint, running.status)
    this.#end(running, { status: running.status, headers: running.headers, body: Buffer.concat(running.chunks) })
  }

  #attempt(running: Running, nowMs: number): void {
    const { call, upstream } = running
    const index = upstream.pick('', running.tried, nowMs)
    if (index === noPeer) return this.#end(running, 'no peer of the upstream is available')
    if (index === breakerOpen) return this.#end(running, 'the circuit breaker is open')
    running.attempts++
    running.tried |= triedBit(index)
    running.endpoint = index
    running.startedMs = nowMs
    upstream.started(index, running.attempts, nowMs)
    const head = this.#headOf(running)
    if (head === '') {
      upstream.abandoned(index, nowMs, nowMs)
      return this.#end(running, 'the request cannot be signed for its upstream')
    }
    const flags =
      (call.method === 'HEAD' ? SubmitFlag.head : 0) | (isIdempotent(call.method) ? SubmitFlag.replayable : 0)
    const framing = call.body === null ? 0 : 1
    const ticket = this.#client.submit(running.tag, upstream.endpoint(index).id, flags, framing, head)
    if (ticket <= 0) {
      return this.#failed(running, -ticket, AttemptFlag.nothingSent | AttemptFlag.nothingReceived, nowMs)
    }
    running.ticket = ticket
    if (call.body !== null) this.#client.write(ticket, call.body, true)
  }

  #failed(running: Running, reason: number, flags: number, nowMs: number): void {
    const { upstream, call, attempts, endpoint, startedMs } = running
    const failure = {
      reason,
      flags,
      attempts,
      idempotent: isIdempotent(call.method),
      bodyStreamed: false,
      requestComplete: true,
    }
    upstream.failed(endpoint, startedMs, failure, nowMs)
    if (running.status === 0 && upstream.mayRetry(failure, nowMs)) this.#attempt(running, nowMs)
    else this.#end(running, failureText(reason))
  }

  /** '' where it cannot be signed. */
  #headOf({ call, upstream, signer, endpoint }: Running): string {
    const peer = upstream.plan.endpoints[endpoint]!
    const { hostHeader } = upstream.plan
    const host = hostHeader === 'preserve' || hostHeader === 'peer' ? peerAuthority(peer) : hostHeader
    const lines = call.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const length = call.body === null ? '' : `content-length: ${call.body.byteLength}\r\n`
    const head = `${call.method} ${call.target} HTTP/1.1\r\nhost: ${host}\r\n${length}${lines}\r\n`
    return signer === null ? head : this.#exchanges.signHead(signer.numberFor(peer), head, call.body ?? nothing)
  }

  /** `reason`: null where nobody wants to know. */
  #abandon(running: Running, reason: string | null): void {
    if (this.#running.get(running.tag) !== running) return
    if (running.ticket !== 0) {
      this.#client.cancel(running.ticket)
      running.upstream.abandoned(running.endpoint, running.startedMs, performance.now())
    }
    this.#end(running, reason)
  }

  #end(running: Running, answer: UpstreamAnswer | string | null): void {
    clearTimeout(running.timer)
    this.#running.delete(running.tag)
    if (answer !== null) running.come(answer)
  }

  #freeTag(): number {
    do {
      this.#lastTag = this.#lastTag <= leastTag ? -1 : this.#lastTag - 1
    } while (this.#running.has(this.#lastTag))
    return this.#lastTag
  }
}

/** Null, or why HTTP cannot carry it. */
function problemOf({ method, target, headers }: UpstreamCall): string | null {
  if (!token.test(method)) return 'expected a method as GET'
  const wrongTarget = requestTarget(target)
  if (wrongTarget !== null) return `path ${JSON.stringify(target.slice(0, 60))}: expected ${wrongTarget}`
  for (const [name, value] of headers) {
    const expected = requestHeaderName(name) ?? headerValue(value)
    if (expected !== null) return `header ${JSON.stringify(name.slice(0, 60))}: expected ${expected}`
  }
  return null
}

/** `block`: lines, each as `\r\nname: value`. */
const pairsIn = (block: string): HeaderPair[] =>
  block
    .split('\r\n')
    .filter(line => line !== '')
    .map((line): HeaderPair => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
