// The upstream where nginx is not installed: answers each bodyless request `GET /SIZE` with SIZE bytes. It counts
// empty lines instead of parsing, so it must only ever see what a gateway forwards of a GET. Started by fast.ts.
import { createServer } from 'node:net'

const port = Number(process.argv[2])
const responses = new Map<string, Buffer>()

function responseFor(path: string): Buffer {
  let response = responses.get(path)
  if (!response) {
    const size = Number(path.slice(1)) || 0
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${size}\r\n\r\n`
    response = Buffer.concat([Buffer.from(head), Buffer.alloc(size, 'x')])
    responses.set(path, response)
  }
  return response
}

createServer({ noDelay: true }, socket => {
  let rest = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', chunk => {
    rest += chunk.toString('latin1')
    for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
      const start = rest.indexOf(' ') + 1
      socket.write(responseFor(rest.slice(start, rest.indexOf(' ', start))))
      rest = rest.slice(end + 4)
    }
  })
}).listen(port, '127.0.0.1', 4096)
