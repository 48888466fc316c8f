// Starts Polygate from this checkout, through the same command line that its users have.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, type Processes } from '../processes.ts'
import type { Gateway } from './gateway.ts'
import { scratchFolder } from './template.ts'

export const polygateMain = join(import.meta.dirname, '..', '..', 'dist', 'main.js')

export interface PolygateOptions {
  readonly name?: string
  readonly cores: string
  readonly upstreamPort: number
  readonly workers?: number
  /** Routes as YAML list items, two blanks in; the default forwards everything. */
  readonly routes?: string
  /** Further top-level YAML. */
  readonly more?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface Polygate extends Gateway {
  readonly adminPort: number
  readonly configFile: string
}

const everything = `  - { name: bench, match: { path: "/*" }, upstream: bench }\n`

export async function startPolygate(processes: Processes, options: PolygateOptions): Promise<Polygate> {
  if (!existsSync(polygateMain))
    throw new Error('dist/main.js is missing: run `npm ci` or `npm run build` at the root first')
  const [port, adminPort] = [await freePort(), await freePort()]
  const configFile = join(scratchFolder('polygate'), 'polygate.yaml')
  writeFileSync(
    configFile,
    `listen:
  - { address: 127.0.0.1, port: ${port} }
workers: ${options.workers ?? 1}
admin: { address: 127.0.0.1, port: ${adminPort} }
${options.more ?? ''}
upstreams:
  bench:
    peers: [ { url: "http://127.0.0.1:${options.upstreamPort}" } ]
routes:
${options.routes ?? everything}`,
  )
  const name = options.name ?? 'polygate'
  const args = [polygateMain, 'run', '--config', configFile]
  const { cores, env = {} } = options
  const running = processes.start({ name, command: process.execPath, args, cores, env })
  await running.line(/^ready /)
  return { name, port, adminPort, configFile, running }
}

/** `count` routes, of which the last forwards what the measurement asks for, each with three header rules. */
export function manyRoutes(count: number): string {
  const rules = `requestHeaders: { set: { X-Bench: "1", X-Team: edge } }, responseHeaders: { set: { X-Served-By: polygate } }`
  const route = (name: string, path: string): string =>
    `  - { name: ${name}, match: { path: "${path}" }, upstream: bench, ${rules} }\n`
  const others = Array.from({ length: count - 1 }, (_, i) => route(`other-${i}`, `/service-${i}/{id}/items/*`))
  return [...others, route('bench', '/*')].join('')
}
