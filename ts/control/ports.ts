// Finds out before any worker starts whether the listeners can be had. Workers listen with SO_REUSEPORT, which would
// let a second gateway take half of the first one's connections without a word; control's own exclusive attempt does
// not. Also gives a listener of port 0 the port that all workers then share.
import { lstatSync, rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import type { ListenPlan, Plan } from '../config/plan.ts'

/** `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/polygate.sock`. */
export function listenerName(listener: ListenPlan): string {
  if (listener.unix !== null) return `unix:${listener.unix}`
  return `${listener.address.includes(':') ? `[${listener.address}]` : listener.address}:${listener.port}`
}

/** `http://127.0.0.1:8080`, for people. */
export function listenerUrl(listener: ListenPlan): string {
  if (listener.unix !== null) return listenerName(listener)
  return `${listener.tls ? 'https' : 'http'}://${listenerName(listener)}`
}

/** A listener cannot be had; the message names it and the reason. */
export class ListenFailure extends Error {
  override name = 'ListenFailure'
}

/**
 * The plan with real ports, if each listener that `running` does not hold already is free.
 * Rejects with a ListenFailure.
 */
export async function claimPorts(plan: Plan, running: Plan | null): Promise<Plan> {
  const held = new Set((running?.listen ?? []).map(listenerName))
  const fixed = plan.listen.filter(({ port, unix }) => port !== 0 || unix !== null).map(listenerName)
  const twice = fixed.find((name, index) => fixed.indexOf(name) !== index)
  if (twice !== undefined) throw new ListenFailure(`${twice} is listed twice`)
  const listen: ListenPlan[] = []
  for (const [index, listener] of plan.listen.entries()) {
    const previous = running?.listen[index]
    if (listener.port === 0 && listener.unix === null && previous?.address === listener.address) {
      listen.push({ ...listener, port: previous.port })
      continue
    }
    const name = listenerName(listener)
    if (listener.unix !== null) {
      if (!held.has(name)) await probeSocket(listener.unix)
      listen.push(listener)
    } else if (held.has(name)) listen.push(listener)
    else listen.push({ ...listener, port: await probePort(listener.address, listener.port) })
  }
  return listen.some((listener, index) => listener !== plan.listen[index]) ? { ...plan, listen } : plan
}

/** Resolves with the port, which was free a moment ago. */
export function probePort(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', error => reject(listenFailure(address, port, error)))
    server.listen({ host: address, port, exclusive: true }, () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : port))
    })
  })
}

export function listenFailure(address: string, port: number, error: NodeJS.ErrnoException): ListenFailure {
  const name = `${address.includes(':') ? `[${address}]` : address}:${port}`
  switch (error.code) {
    case 'EADDRINUSE':
      return new ListenFailure(`${name} is in use`)
    case 'EACCES':
      return new ListenFailure(`${name}: not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EINVAL':
      return new ListenFailure(`${name}: this machine has no such address`)
    case undefined:
    default:
      return new ListenFailure(`${name}: ${error.message}`)
  }
}

/** Paths of a plan's unix sockets that `other` has not. */
export function socketPaths(plan: Plan | null, other: Plan | null = null): string[] {
  const paths = (plan?.listen ?? []).flatMap(({ unix }) => unix ?? [])
  return paths.filter(path => !other?.listen.some(({ unix }) => unix === path))
}

/**
 * Removes the file of a unix socket on which nobody listens any more. A gateway that was started meanwhile may have put
 * its own in the place.
 */
export function removeSocket(path: string): Promise<void> {
  return new Promise(resolve => {
    if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return resolve()
    const client = createConnection(path)
    client.once('connect', () => {
      client.destroy()
      resolve()
    })
    client.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') rmSync(path, { force: true })
      resolve()
    })
  })
}

/** A socket file that nobody answers on is left over from a crash and will be replaced; anything else is in the way. */
function probeSocket(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat && !stat.isSocket())
      return reject(new ListenFailure(`unix:${path}: a file that is no socket is in the way`))
    if (stat) {
      const client = createConnection(path)
      client.once('connect', () => {
        client.destroy()
        reject(new ListenFailure(`unix:${path} is in use`))
      })
      client.once('error', () => resolve())
      return
    }
    const server = createServer()
    server.once('error', error => reject(new ListenFailure(`unix:${path}: ${error.message}`)))
    server.listen(path, () => server.close(() => resolve()))
  })
}
