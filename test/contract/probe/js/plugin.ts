// The probe in TypeScript: does what the header x-probe says, at the hook that x-probe-at names (`request` without one).
import type { Factory, Request, Response } from '@polygate/plugin'

/** Kept between requests, on purpose: what leaks would be seen. */
let kept: Request | null = null

const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

function act(request: Request, name: string): unknown {
  switch (request.headers.get('x-probe') ?? '') {
    case 'edit':
      request.headers.set('X-Set', 'one')
      request.headers.append('x-repeated', 'third')
      request.headers.delete('x-gone')
      request.headers.set('x-read', request.headers.getAll('x-repeated').join('|'))
      return undefined
    case 'target':
      request.method = 'PUT'
      request.path = '/other/path'
      request.query = 'a=b'
      return undefined
    case 'see':
      request.headers.set(
        'x-seen',
        [request.method, request.scheme, request.host, request.path, request.query, request.remoteAddress].join(' '),
      )
      request.headers.set('x-seen-route', `${request.route} ${request.consumer ?? 'nobody'} ${request.requestId}`)
      return undefined
    case 'bytes':
      request.headers.set('x-bytes', request.headers.get('x-latin') ?? '')
      return undefined
    case 'name':
      request.headers.set('x-name', name)
      return undefined
    case 'respond':
      return request.respond(418, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] }, 'a teapot')
    case 'fail':
      return request.fail('no wish to')
    case 'throw':
      throw new Error('thrown by the probe')
    case 'reject':
      return Promise.reject(new Error('rejected by the probe'))
    case 'later':
      return wait(5).then(() => request.headers.set('x-set', 'later'))
    case 'never':
      return new Promise(() => {})
    case 'late':
      return wait(400).then(() => request.headers.set('x-set', 'too late'))
    case 'loop':
      for (;;);
    case 'hog': {
      const all: unknown[] = []
      for (;;) all.push(new Array(1_000_000).fill(name))
    }
    case 'exit':
      return process.exit(3)
    case 'odd':
      return 7
    case 'bad name':
      request.headers.set('x bad', '1')
      return undefined
    case 'bad value':
      request.headers.set('x-fine', 'fine')
      request.headers.set('x-bad', 'a\r\nx-injected: 1')
      return undefined
    case 'framing':
      request.headers.set('content-length', '3')
      return undefined
    case 'bad path':
      request.path = '/a/../../b'
      return undefined
    case 'bad status':
      return request.respond(99)
    case 'body':
      request.body = `${Buffer.from(request.body ?? []).toString()}!`
      return undefined
    case 'upstream':
      request.forwardTo('other')
      return undefined
    case 'no upstream':
      request.forwardTo('nowhere')
      return undefined
    case 'keep':
      kept = request
      return undefined
    case 'kept':
      request.headers.set('x-kept', kept?.headers.get('x-secret') ?? 'nothing')
      return undefined
    case 'context':
      request.context.set('left', `${request.context.get('left') ?? ''}${name}`)
      request.headers.set('x-context', request.context.get('left') ?? '')
      return undefined
  }
  return undefined
}

function actOnResponse(response: Response, request: Request): unknown {
  switch (request.headers.get('x-probe') ?? '') {
    case 'reply':
      response.headers.set('x-reply', `${response.status} ${response.headers.get('content-type') ?? ''}`)
      response.headers.delete('x-upstream')
      return undefined
    case 'status':
      response.status = 202
      return undefined
    case 'reply body':
      response.body = Buffer.from(response.body ?? [])
        .toString()
        .toUpperCase()
      return undefined
    case 'replace':
      return response.respond(200, { 'content-type': 'text/plain' }, 'replaced')
    case 'reply later':
      return wait(5).then(() => response.headers.set('x-reply', 'later'))
    case 'reply throw':
      throw new Error('thrown at the response')
    case 'reply framing':
      response.headers.set('transfer-encoding', 'chunked')
      return undefined
  }
  return undefined
}

export default (({ name }, host) => {
  const at =
    (hook: string) =>
    (request: Request): undefined =>
      // What a plugin returns that is no result is one of the cases.
      (request.headers.get('x-probe-at') ?? 'request') === hook ? (act(request, name) as undefined) : undefined
  return {
    request: at('request'),
    authenticate(request) {
      const acted = at('authenticate')(request)
      if (acted !== undefined) return acted
      const consumer = request.headers.get('x-probe-consumer')
      return consumer === undefined ? undefined : { consumer }
    },
    authorize: at('authorize'),
    forward: at('forward'),
    response: (response, request) => actOnResponse(response, request) as undefined,
    log(request) {
      if (request.headers.get('x-probe-log') !== undefined) host.log.info('seen by the probe', { path: request.path })
    },
  }
}) satisfies Factory<{ name: string }>
