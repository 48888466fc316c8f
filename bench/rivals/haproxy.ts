// Starts haproxy as a rival, where it is installed: with its own buffer size, or with one that a 64 KB body fits.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { accepting, findCommand, freePort } from '../processes.ts'
import type { StartGateway } from './gateway.ts'
import { fillTemplate, scratchFolder } from './template.ts'

const haproxyWith =
  (plainName: string, bufferBytes: number): StartGateway =>
  async (processes, { cores, upstreamPort, keys }) => {
    const name = keys ? `${plainName}, key and limit` : plainName
    const folder = scratchFolder(plainName)
    const command = findCommand('haproxy')
    if (!command) return null
    const port = await freePort()
    const file = fillTemplate(join(import.meta.dirname, 'haproxy.cfg'), join(folder, 'haproxy.cfg'), {
      port: String(port),
      upstream: String(upstreamPort),
      bufsize: String(bufferBytes),
      guard: keys ? guarded(folder, keys) : '',
    })
    const running = processes.start({ name, command, args: ['-db', '-f', file], cores })
    await accepting(port, running)
    return { name, port, running }
  }

/** A map from keys to consumers, and a limit that is never reached, in a stick table. */
function guarded(folder: string, keys: readonly string[]): string {
  const file = join(folder, 'keys.map')
  writeFileSync(file, keys.map((key, at) => `${key} consumer-${at}\n`).join(''))
  return [
    'stick-table type string len 64 size 100k expire 60s store http_req_rate(1s)',
    `http-request set-var(txn.consumer) req.hdr(api-key),map_str(${file})`,
    'http-request deny deny_status 401 unless { var(txn.consumer) -m found }',
    'http-request track-sc0 var(txn.consumer)',
    'http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }',
    'http-request del-header api-key',
    'http-request set-header X-Consumer-Name %[var(txn.consumer)]',
  ].join('\n  ')
}

export const startHaproxy = haproxyWith('haproxy', 16_384)
export const startHaproxy64k = haproxyWith('haproxy-64k', 65_536)
