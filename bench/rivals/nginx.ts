// Starts nginx as a rival, where it is installed.
import { join } from 'node:path'
import { accepting, findCommand, freePort } from '../processes.ts'
import type { Gateway, StartGateway } from './gateway.ts'
import { fillTemplate, nginxUser, scratchFolder } from './template.ts'

export const startNginx: StartGateway = async (processes, { cores, upstreamPort }): Promise<Gateway | null> => {
  const command = findCommand('nginx')
  if (!command) return null
  const folder = scratchFolder('nginx')
  const port = await freePort()
  const file = fillTemplate(join(import.meta.dirname, 'nginx.conf'), join(folder, 'nginx.conf'), {
    user: nginxUser(),
    folder,
    port: String(port),
    upstream: String(upstreamPort),
  })
  const running = processes.start({ name: 'nginx', command, args: ['-c', file], cores })
  await accepting(port, running)
  return { name: 'nginx', port, running }
}
