// Ports for configurations that must name one before anything listens. Below the kernel's range for outgoing
// connections, so that no other test's socket takes the port between here and its use.
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

const lowest = 10_240
const highest = 32_000

const isFree = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const probe = createServer().once('error', () => resolve(false))
    // A listener with SO_REUSEPORT (another test's gateway) makes this fail too, because node does not set it.
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** A TCP port of 127.0.0.1 on which nothing listens now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest)
    if (await isFree(port)) return port
  }
}
