// The client of a trial: a request that is not on the wire, in the form in which the front end without its hooks gives one
// to the accept stage, and what it gets. Nothing of it is bound to a socket.
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import type { HeaderPair } from '../../config/plan.ts'
import { Exchange, Phase, type RunningPlan } from '../exchange.ts'
import type { ExchangeCallbacks } from '../exchanges.ts'

export interface TrialRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: readonly HeaderPair[]
  readonly body: Uint8Array
  readonly address: string
  readonly scheme: 'http' | 'https'
  /** Whom the route's guards have found; null: there are none that look. */
  readonly consumer: string | null
}

export interface TrialReply {
  readonly status: number
  readonly headers: readonly HeaderPair[]
  readonly body: Uint8Array
}

const usualHost = 'gateway.example'

/** With the two that every request has. */
function headersOf({ headers, body }: TrialRequest): HeaderPair[] {
  const has = (wanted: string): boolean => headers.some(([name]) => name.toLowerCase() === wanted)
  const framed = has('content-length') || has('transfer-encoding')
  return [
    ...(has('host') ? [] : [['host', usualHost] as const]),
    ...headers.map(([name, value]) => [name.toLowerCase(), value] as const),
    ...(body.length === 0 || framed ? [] : [['content-length', String(body.length)] as const]),
  ]
}

/** The head as it would be on the wire. */
export const headText = (request: TrialRequest): string =>
  [`${request.method} ${request.target} HTTP/1.1`, ...headersOf(request).map(([name, value]) => `${name}: ${value}`)]
    .map(line => `${line}\r\n`)
    .join('') + '\r\n'

/** What of a request the accept stage asks the front end for. */
function frontEndRequest(request: TrialRequest): HttpRequest {
  const [path = '', ...query] = request.target.split('?')
  const asked: Pick<HttpRequest, 'getUrl' | 'getQuery' | 'getCaseSensitiveMethod' | 'forEach'> = {
    getUrl: () => path,
    getQuery: () => (query.length === 0 ? (undefined as unknown as string) : query.join('?')),
    getCaseSensitiveMethod: () => request.method,
    forEach(each) {
      for (const [name, value] of headersOf(request)) each(name, value)
    },
  }
  return asked as HttpRequest
}

type BodyHandler = (chunk: ArrayBuffer, last: boolean) => void

/** What of a response the stages before the answer ask the front end for. `onBody`: gets who wants the body. */
function frontEndResponse(request: TrialRequest, onBody: (handler: BodyHandler) => void): HttpResponse {
  const asked = {
    getRemoteAddressAsText: () => new Uint8Array(Buffer.from(request.address)).buffer,
    onData: onBody,
    pause() {},
    resume() {},
  }
  return asked as unknown as HttpResponse
}

const callbacks: ExchangeCallbacks = {
  aborted() {},
  body: (exchange, chunk, last) => exchange.running.pipeline.body(exchange, chunk, last),
  writable: () => true,
  corked() {},
  requestId: () => '',
}

export const tagOf = (slot: number, generation: number): number => slot | (generation << 16)

/** An exchange as it is when its request's head has come in. `sendBody`: the body follows. */
export function openExchange(
  slot: number,
  generation: number,
  request: TrialRequest,
  running: RunningPlan,
): { readonly exchange: Exchange; readonly sendBody: () => void } {
  const { scheme } = request
  const bodyHandlers: BodyHandler[] = []
  const exchange = new Exchange(slot, callbacks)
  exchange.tag = tagOf(slot, generation)
  exchange.phase = Phase.open
  exchange.running = running
  exchange.listener = { id: 1, scheme, port: scheme === 'https' ? 443 : 80 }
  exchange.request = frontEndRequest(request)
  exchange.response = frontEndResponse(request, handler => bodyHandlers.push(handler))
  const sendBody = (): void => {
    for (const handler of bodyHandlers) handler(new Uint8Array(request.body).buffer, true)
  }
  return { exchange, sendBody }
}
