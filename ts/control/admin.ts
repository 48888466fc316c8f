// The admin server: probes, metrics, reload. On a port of its own, for operators and their tools; control owns it.
// Its answers are small and whole, its requests have tight limits, and its errors are application/problem+json.
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type Socket } from 'node:net'
import type { AdminPlan } from '../config/plan.ts'
import { errorKinds, publicCode, type ErrorCode } from '../shared/errors.ts'
import { expositionType } from './exposition.ts'
import { listenFailure } from './ports.ts'

export type ReloadResult =
  | { readonly ok: true; readonly version: string; readonly at: string }
  | { readonly ok: false; readonly version: string; readonly at: string; readonly reasons: readonly string[] }

/** What the server shows and does; control implements it. */
export interface AdminSubject {
  /** Whether requests are served: some worker is ready and no drain has begun. */
  ready(): boolean
  /** Lines for `/readyz?verbose`. */
  report(): readonly string[]
  metrics(): string
  lastReload(): ReloadResult | null
  reload(): Promise<ReloadResult>
}

/** No admin request has a body that means anything. */
const maxBodyBytes = 4096
const maxHeadBytes = 8192

interface Endpoint {
  /** `open`: probes, asked by load balancers that know no token. */
  readonly access: 'open' | 'token' | 'token or loopback'
  readonly methods: Readonly<Record<string, (subject: AdminSubject, query: URLSearchParams) => Reply | Promise<Reply>>>
}

interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

const plain = (status: number, body: string): Reply => ({ status, type: 'text/plain; charset=utf-8', body })
const json = (status: number, body: object): Reply => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(body)}\n`,
})

const endpoints: Readonly<Record<string, Endpoint>> = {
  '/livez': { access: 'open', methods: { GET: () => plain(200, 'ok\n') } },
  '/readyz': {
    access: 'open',
    methods: { GET: subject => (subject.ready() ? plain(200, 'ok\n') : plain(503, 'not ready\n')) },
  },
  '/readyz?verbose': {
    access: 'token',
    methods: { GET: subject => plain(subject.ready() ? 200 : 503, `${subject.report().join('\n')}\n`) },
  },
  '/metrics': {
    access: 'token',
    methods: { GET: subject => ({ status: 200, type: expositionType, body: subject.metrics() }) },
  },
  '/reload': {
    access: 'token or loopback',
    methods: {
      GET: subject => json(200, { lastReload: subject.lastReload() }),
      POST: async subject => {
        const result = await subject.reload()
        if (result.ok) return json(200, { version: result.version })
        return refusal('reload_refused', {}, { version: result.version, reasons: result.reasons })
      },
    },
  },
}

/** `more`: further members of the problem. */
function refusal(code: ErrorCode, headers: Record<string, string> = {}, more: object = {}): Reply {
  const { status, title } = errorKinds[code]
  const body = { type: 'about:blank', title, status, code: publicCode(code), requestId: randomUUID(), ...more }
  return { status, type: 'application/problem+json', body: `${JSON.stringify(body)}\n`, headers }
}

export class AdminServer {
  readonly #subject: AdminSubject
  readonly #server: Server
  #token: string | null

  private constructor(subject: AdminSubject, token: string | null) {
    this.#subject = subject
    this.#token = token
    this.#server = createServer({
      maxHeaderSize: maxHeadBytes,
      requireHostHeader: false,
      requestTimeout: 10_000,
      headersTimeout: 5_000,
    })
    this.#server.maxConnections = 256
    this.#server.keepAliveTimeout = 5_000
    this.#server.on('request', (request, response) => void this.#serve(request, response))
    // A 100 Continue would invite a body that nobody wants.
    this.#server.on('checkContinue', (_request, response: ServerResponse) =>
      give(response, refusal('expectation_failed'), true),
    )
    this.#server.on('checkExpectation', (_request, response: ServerResponse) =>
      give(response, refusal('expectation_failed'), true),
    )
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseUnparsed(error, socket as Socket))
  }

  /** Rejects with a ListenFailure that names the address. */
  static open(subject: AdminSubject, plan: AdminPlan): Promise<AdminServer> {
    const admin = new AdminServer(subject, plan.token)
    return new Promise((resolve, reject) => {
      admin.#server.once('error', error => reject(listenFailure(plan.address, plan.port, error)))
      admin.#server.listen({ host: plan.address, port: plan.port, exclusive: true }, () => resolve(admin))
    })
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  useToken(token: string | null): void {
    this.#token = token
  }

  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
      // An answer that is under way (a reload's) gets a moment, a peer that reads nothing does not hold the exit up.
      setTimeout(() => this.#server.closeAllConnections(), 500).unref()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // The answer does not depend on the body; what little may come is read so that the connection can go on.
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBodyBytes && !response.headersSent) give(response, refusal('body_too_large'), true)
      if (bytes > maxBodyBytes * 2) request.destroy()
    })
    request.on('error', () => {})
    let reply: Reply
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes)
      return give(response, refusal('body_too_large'), true)
    try {
      reply = await this.#answer(request)
    } catch {
      reply = refusal('internal')
    }
    if (!response.headersSent) give(response, reply, reply.status === 400)
  }

  #answer(request: IncomingMessage): Reply | Promise<Reply> {
    const url = request.url ?? ''
    // Node would answer a missing Host itself, without a body.
    const named = request.headers.host !== undefined || request.httpVersion === '1.0'
    if (!named || !url.startsWith('/') || url.startsWith('//')) return refusal('bad_request')
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    const name = path === '/readyz' && query.has('verbose') ? '/readyz?verbose' : path
    const endpoint = Object.hasOwn(endpoints, name) ? endpoints[name]! : null
    // Who may not ask for it does not learn whether it exists.
    const denied = this.#denied(request, endpoint?.access ?? 'token')
    if (denied) return denied
    if (!endpoint) return refusal('no_route')
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
    const handler = Object.hasOwn(endpoint.methods, method) ? endpoint.methods[method]! : null
    if (!handler) return refusal('method_not_allowed', { allow: Object.keys(endpoint.methods).join(', ') })
    return handler(this.#subject, query)
  }

  #denied(request: IncomingMessage, access: Endpoint['access']): Reply | null {
    if (access === 'open') return null
    if (this.#token !== null) {
      const [scheme, given, ...rest] = (request.headers.authorization ?? '').split(' ')
      const right = scheme?.toLowerCase() === 'bearer' && rest.length === 0 && equal(given ?? '', this.#token)
      return right ? null : refusal('unauthorized', { 'www-authenticate': 'Bearer realm="polygate admin"' })
    }
    if (access === 'token') return null
    // Without a token the peer's address is the only proof; a browser on this machine that a foreign page steers,
    // perhaps by a name that it made point here, comes with an Origin or with a Host that is no address.
    const local = isLoopback(request.socket.remoteAddress ?? '') && isLoopback(hostOf(request.headers.host ?? ''))
    const fromBrowser = request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined
    return local && !fromBrowser ? null : refusal('forbidden')
  }
}

/** In constant time, whatever the lengths. */
function equal(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

const hostOf = (host: string): string => host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')

function isLoopback(address: string): boolean {
  const ip = address.startsWith('::ffff:') ? address.slice(7) : address
  return ip === 'localhost' || ip === '::1' || (isIP(ip) === 4 && ip.startsWith('127.'))
}

function give(response: ServerResponse, reply: Reply, close: boolean): void {
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(close ? { connection: 'close' } : {}),
    ...reply.headers,
  })
  response.end(reply.body)
}

/** What the parser refused never becomes a request. */
function refuseUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const { status, body } = refusal(error.code === 'HPE_HEADER_OVERFLOW' ? 'head_too_large' : 'bad_request')
  const reason = status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
