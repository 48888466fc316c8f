// For tests of back-pressure: when is a sender held up by a receiver that does not read?
import type { Socket } from 'node:net'

const calmLooks = 20
const lookMs = 5

/** Bytes that the kernel has taken from a sender. */
export const taken = (socket: Socket): number => socket.bytesWritten - socket.writableLength

/** Resolves when there is something left to send and the kernel has taken none of it through 20 looks. */
export async function untilHeldUp(socket: Socket): Promise<void> {
  let before = -1
  for (let calm = 0; calm < calmLooks;) {
    await new Promise(resolve => setTimeout(resolve, lookMs))
    const now = taken(socket)
    calm = now === before && socket.writableLength > 0 ? calm + 1 : 0
    before = now
  }
}
