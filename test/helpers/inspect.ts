// Runs code inside a process of a running gateway, by the debugger that every Node process opens on SIGUSR1: faults that
// no request can cause (an endless loop, an error of our own) need no test-only code in the gateway that way.
import { WebSocket } from 'ws'
import type { RunningGateway } from './gateway.ts'
import { within } from './scope.ts'

const waitMs = 10_000

/** For the gateway's `env`: debuggers of parallel tests must not want the same port. */
export const inspectable = { NODE_OPTIONS: '--inspect-port=0' }

/**
 * Resolves when the process has begun to evaluate the expression, not when it has ended: it may never. Once per process.
 */
export async function evaluateIn(gateway: RunningGateway, pid: number, expression: string): Promise<void> {
  const from = gateway.logs().length
  process.kill(pid, 'SIGUSR1')
  const line = await within(waitMs, 'the debugger', gateway.line(/Debugger listening on ws:/, from))
  const socket = new WebSocket(/ws:\S+/.exec(line)![0])
  await within(waitMs, 'the debugger', new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject)))
  const begun = new Promise<void>(resolve => {
    socket.on('message', message => {
      const { method } = JSON.parse((message as Buffer).toString()) as { method?: string }
      if (method === 'Runtime.consoleAPICalled') resolve()
    })
  })
  const send = (id: number, method: string, params: object = {}): void =>
    socket.send(JSON.stringify({ id, method, params }))
  send(1, 'Runtime.enable')
  send(2, 'Runtime.evaluate', { expression: `console.debug('debugger evaluates'); ${expression}` })
  await within(waitMs, 'the evaluation', begun)
  socket.terminate()
}
