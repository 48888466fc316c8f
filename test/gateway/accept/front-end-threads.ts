// Run by front-end.test.ts in a process of its own: a front end on the main thread and on two others, each with its own
// hooks' state; requests sent ahead to each; then everything ends, the threads first.
import { connect } from 'node:net'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { loadFrontEnd } from '../../../ts/gateway/accept/front-end.ts'
import { native } from '../../../ts/shared/native.ts'

const { uws, hooked } = loadFrontEnd()
if (!hooked) throw new Error('not hooked')
const app = uws.App().any('/*', response => {
  let gone = false
  native().frontEndBegin(0)
  response.onAborted(() => (gone = true))
  setImmediate(() => {
    if (!gone) response.cork(() => response.end('x'))
    native().frontEndEnd(0)
  })
})
let port = 0
app.listen('127.0.0.1', 0, socket => {
  if (socket !== false) port = uws.us_socket_local_port(socket)
})

async function ask(at: number): Promise<void> {
  const socket = connect(at, '127.0.0.1')
  let text = ''
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3))
  for await (const part of socket.setEncoding('latin1')) {
    text += String(part)
    if (text.split('\r\n\r\nx').length === 4) break
  }
}

if (isMainThread) {
  const workers = [0, 1].map(
    () =>
      new Worker(
        `import('tsx/esm/api').then(tsx => { tsx.register(); return import(${JSON.stringify(import.meta.url)}) })`,
        { eval: true },
      ),
  )
  const ports = await Promise.all(
    workers.map(worker => new Promise<number>(resolve => worker.once('message', resolve))),
  )
  await Promise.all([port, ...ports].map(ask))
  await Promise.all(
    workers.map(worker => {
      worker.postMessage('close')
      return new Promise(resolve => worker.once('exit', resolve))
    }),
  )
  app.close()
  console.log(`served ${ports.length + 1} threads`)
} else {
  parentPort!.once('message', () => app.close())
  parentPort!.postMessage(port)
}
