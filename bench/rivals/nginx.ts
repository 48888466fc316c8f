// Starts nginx as a rival, where it is installed.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { accepting, findCommand, freePort } from '../processes.ts'
import type { Gateway, StartGateway } from './gateway.ts'
import { fillTemplate, nginxUser, scratchFolder } from './template.ts'

export const startNginx: StartGateway = async (processes, { cores, upstreamPort, keys }): Promise<Gateway | null> => {
  const command = findCommand('nginx')
  if (!command) return null
  const folder = scratchFolder('nginx')
  const port = await freePort()
  const file = fillTemplate(join(import.meta.dirname, 'nginx.conf'), join(folder, 'nginx.conf'), {
    user: nginxUser(),
    folder,
    port: String(port),
    upstream: String(upstreamPort),
    ...(keys ? guarded(folder, keys) : { guard: '', check: '' }),
  })
  const name = keys ? 'nginx, key and limit' : 'nginx'
  const running = processes.start({ name, command, args: ['-c', file], cores })
  await accepting(port, running)
  return { name, port, running }
}

/** A map from keys to consumers, and a limit that is never reached. */
function guarded(folder: string, keys: readonly string[]): Record<string, string> {
  const file = join(folder, 'keys.map')
  writeFileSync(file, keys.map((key, at) => `${key} consumer-${at};\n`).join(''))
  const map = `map_hash_bucket_size 128; map_hash_max_size 8192; map $http_api_key $consumer { default ""; include ${file}; }`
  const zone = 'limit_req_zone $consumer zone=consumers:16m rate=1000000r/s;'
  const check = 'if ($consumer = "") { return 401; } limit_req zone=consumers burst=1000000 nodelay;'
  const headers = 'proxy_set_header Api-Key ""; proxy_set_header X-Consumer-Name $consumer;'
  return { guard: `${map} ${zone}`, check: `${check} ${headers}` }
}
