// The upstream of `polygate demo`: a small shop over node:http, with an echo, a slow answer and a stream. Knows nothing
// of the gateway.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

const products = [
  { id: 1, name: 'Garden gate', price: 249 },
  { id: 2, name: 'Field gate', price: 399 },
  { id: 3, name: 'Lych gate', price: 1850 },
]

const slowMs = 1000
const eventEveryMs = 1000

/** Not listening yet. The event `demo-end` ends its streams. */
export function createDemoUpstream(): Server {
  const server = createServer((req, res) => {
    const path = (req.url ?? '/').split('?', 1)[0] ?? '/'
    if (path === '/products') return sendJson(res, 200, products)
    if (path.startsWith('/products/')) return sendProduct(res, Number(path.slice('/products/'.length)))
    if (path === '/events') return streamEvents(server, req, res)
    if (path === '/slow') return void setTimeout(() => sendJson(res, 200, { waitedMs: slowMs }), slowMs)
    if (path === '/echo') return echo(req, res)
    sendJson(res, 404, { error: `the demo upstream has no ${path}` })
  })
  return server
}

function sendJson(res: ServerResponse, status: number, content: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(content, null, 2)}\n`)
}

function sendProduct(res: ServerResponse, id: number): void {
  const product = products.find(one => one.id === id)
  if (product) sendJson(res, 200, product)
  else sendJson(res, 404, { error: 'no such product' })
}

function streamEvents(server: Server, req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let id = 0
  const send = (): void => void res.write(`id: ${++id}\ndata: ${new Date().toISOString()}\n\n`)
  send()
  const timer = setInterval(send, eventEveryMs)
  const end = (): void => {
    clearInterval(timer)
    server.off('demo-end', end)
    res.end()
  }
  server.once('demo-end', end)
  req.once('close', end)
}

function echo(req: IncomingMessage, res: ServerResponse): void {
  const parts: Buffer[] = []
  req.on('data', (part: Buffer) => parts.push(part))
  req.once('end', () => {
    const { method, url, headers } = req
    sendJson(res, 200, { method, url, headers, body: Buffer.concat(parts).toString('utf8') })
  })
}
