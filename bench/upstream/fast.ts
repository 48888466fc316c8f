// Starts the upstream that the measurements go to: nginx from memory, or scripted.ts where nginx is missing.
// It must cost little, because it shares its core with the load generator.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { accepting, findCommand, freePort, type Processes, type Running } from '../processes.ts'
import { fillTemplate, nginxUser, scratchFolder } from '../rivals/template.ts'

export interface FastUpstream {
  readonly port: number
  readonly kind: 'nginx' | 'scripted'
  readonly running: Running
}

/** `bodies`: the sizes that it must serve, each at `/SIZE`. */
export async function startFastUpstream(
  processes: Processes,
  cores: string,
  bodies: readonly number[],
): Promise<FastUpstream> {
  const port = await freePort()
  const nginx = findCommand('nginx')
  const running = nginx
    ? processes.start({ name: 'upstream', command: nginx, args: ['-c', nginxFile(port, bodies)], cores })
    : processes.start({
        name: 'upstream',
        command: process.execPath,
        args: ['--import', 'tsx', join(import.meta.dirname, 'scripted.ts'), String(port)],
        cores,
      })
  await accepting(port, running)
  return { port, kind: nginx ? 'nginx' : 'scripted', running }
}

function nginxFile(port: number, bodies: readonly number[]): string {
  const folder = scratchFolder('upstream')
  mkdirSync(join(folder, 'bodies'))
  for (const size of bodies) writeFileSync(join(folder, 'bodies', String(size)), 'x'.repeat(size))
  return fillTemplate(join(import.meta.dirname, 'nginx.conf'), join(folder, 'nginx.conf'), {
    user: nginxUser(),
    folder,
    port: String(port),
    body128: 'x'.repeat(128),
  })
}
