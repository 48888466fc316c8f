// `polygate demo` (`npm start`): a real upstream, a configuration that is printed, and the gateway run on it in a
// process of its own, exactly as `polygate run` would. For people who see Polygate for the first time.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { probePort } from '../control/ports.ts'
import { createDemoUpstream } from './demo-upstream.ts'

export const usage = `usage: polygate demo

Starts a demo upstream and the gateway in front of it, and prints what to try. Ctrl-C stops both.
Ports: 8080 for the gateway, 9901 for its metrics, 9000 for the upstream; others where these are in use.`

const address = '127.0.0.1'

/** Resolves with 0 after Ctrl-C, else with the exit code of a gateway that ended by itself. */
export async function main(args: string[]): Promise<number> {
  parseArgs({ args, options: {} })
  const upstream = createDemoUpstream()
  const upstreamPort = await listen(upstream, await freePort(9000))
  const ports = { gateway: await freePort(8080), admin: await freePort(9901), upstream: upstreamPort }
  const folder = mkdtempSync(join(tmpdir(), 'polygate-demo-'))
  const file = join(folder, 'polygate.yaml')
  const config = demoConfig(ports)
  writeFileSync(file, config)
  try {
    process.stdout.write(`\n${indent(config)}\n\n`)
    return await runGateway(file, () => process.stdout.write(whatToTry(ports)), upstream)
  } finally {
    upstream.closeAllConnections()
    upstream.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface DemoPorts {
  readonly gateway: number
  readonly admin: number
  readonly upstream: number
}

const demoConfig = (ports: DemoPorts): string => `listen:
  - { address: ${address}, port: ${ports.gateway} }
admin: { address: ${address}, port: ${ports.admin} }

upstreams:
  shop:
    peers: [ { url: "http://${address}:${ports.upstream}" } ]

routes:
  # /shop/products goes upstream as /products
  - name: shop
    match: { path: "/shop/*" }
    upstream: shop
    stripPrefix: /shop
    requestHeaders: { set: { x-team: demo } }

  # Server-sent events flow at once
  - { name: events, match: { path: /events, methods: [GET] }, upstream: shop }

  - { name: ping, match: { path: /ping }, respond: { headers: { content-type: text/plain }, body: "pong\\n" } }
  - { name: old, match: { path: "/old/{id}" }, redirect: { to: "/shop/products/{id}", status: 308 } }
`

/** Each line is run by test/flow/demo.test.ts as it is printed. */
const whatToTry = (ports: DemoPorts): string => {
  const gateway = `http://${address}:${ports.gateway}`
  // Comments on lines of their own, and quotes: what is pasted into zsh must work too.
  const lines = [
    [`answered by the gateway`, `curl -i ${gateway}/ping`],
    [`proxied: a list from the upstream`, `curl -i ${gateway}/shop/products`],
    [`what the upstream saw of a request`, `curl -i '${gateway}/shop/echo?a=1' -d 'some text'`],
    [`redirected, then proxied`, `curl -iL ${gateway}/old/2`],
    [`server-sent events, one each second`, `curl -i --max-time 3 ${gateway}/events`],
    [`answered after a second`, `curl -i ${gateway}/shop/slow`],
    [`no route: 404 as application/problem+json`, `curl -i ${gateway}/nowhere`],
    [`405, with the methods that are allowed`, `curl -i -X DELETE ${gateway}/events`],
    [`metrics for Prometheus`, `curl -s http://${address}:${ports.admin}/metrics`],
  ]
  const text = lines.map(([about, line]) => `  # ${about}\n  ${line}\n`).join('')
  return `\nTry, in another terminal:\n\n${text}\nCtrl-C stops the gateway and the upstream.\n`
}

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ').trimEnd()

async function runGateway(file: string, onReady: () => void, upstream: Server): Promise<number> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url))
  // Its own process group: Ctrl-C in a terminal goes to the whole group, and the gateway takes a second signal to
  // mean "at once".
  const child = spawn(process.execPath, [main, 'run', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let stopped = false
  const stop = (): void => {
    // Streams without an end would hold up the drain.
    if (!stopped) upstream.emit('demo-end')
    stopped = true
    child.kill('SIGTERM')
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  process.once('exit', () => child.kill('SIGKILL'))
  announce(child, onReady)
  const code = await new Promise<number>(resolve => {
    child.once('error', () => resolve(1))
    child.once('exit', exitCode => resolve(exitCode ?? 1))
  })
  return stopped ? 0 : code
}

/** Passes the gateway's output on, and calls back after its ready line. */
function announce(child: ChildProcess, onReady: () => void): void {
  let output: string | null = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text)
    if (output === null) return
    output += text
    if (!/^ready .*\n/m.test(output)) return
    output = null
    onReady()
  })
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => resolve((server.address() as AddressInfo).port))
  })
}

/** The wanted port, or another one where it is in use. */
const freePort = (wanted: number): Promise<number> => probePort(address, wanted).catch(() => probePort(address, 0))
