// Starts haproxy as a rival, where it is installed: with its own buffer size, or with one that a 64 KB body fits.
import { join } from 'node:path'
import { accepting, findCommand, freePort } from '../processes.ts'
import type { StartGateway } from './gateway.ts'
import { fillTemplate, scratchFolder } from './template.ts'

const haproxyWith =
  (name: string, bufferBytes: number): StartGateway =>
  async (processes, { cores, upstreamPort }) => {
    const command = findCommand('haproxy')
    if (!command) return null
    const port = await freePort()
    const file = fillTemplate(join(import.meta.dirname, 'haproxy.cfg'), join(scratchFolder(name), 'haproxy.cfg'), {
      port: String(port),
      upstream: String(upstreamPort),
      bufsize: String(bufferBytes),
    })
    const running = processes.start({ name, command, args: ['-db', '-f', file], cores })
    await accepting(port, running)
    return { name, port, running }
  }

export const startHaproxy = haproxyWith('haproxy', 16_384)
export const startHaproxy64k = haproxyWith('haproxy-64k', 65_536)
