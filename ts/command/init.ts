// `polygate init`: writes a first configuration, commented, and the schema that editors complete it by. Overwrites nothing
// unless it is told to.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultFiles, readFailure } from '../config/files.ts'
import { schemaText } from './schema.ts'

export const usage = `usage: polygate init [--force] [FILE]

Writes a first configuration (default: polygate.yaml) and polygate.schema.json beside it.

  -f, --force  overwrite what is there`

const schemaFile = 'polygate.schema.json'

const firstConfig = `# yaml-language-server: $schema=./${schemaFile}
#
# Configuration of the Polygate API gateway.
#   polygate check     finds everything that is wrong with it
#   polygate explain   says which route a request takes, and why
#   polygate run       runs it; after a change: kill -HUP, or run with --watch
#
# \${NAME} and \${NAME:-default} in a text are environment variables. Sizes: 65536 or 64KiB. Times: milliseconds (...Ms).

# Where to listen. For HTTPS:  tls: { certificate: ./tls/site.pem, key: ./tls/site.key }
listen:
  - { address: 127.0.0.1, port: 8080 }

# Worker processes; auto is one a core.
workers: auto

# The admin server: /livez, /readyz, /metrics. An address that others can reach needs a token.
admin: { address: 127.0.0.1, port: 9901 }

# One JSON line a request; for all of them on stdout:  accessLog: true
accessLog: false

# Groups of servers with the same content.
upstreams:
  app:
    peers:
      - { url: "http://127.0.0.1:9000" }
      # - { url: "http://127.0.0.1:9001", weight: 2 }
    balance: round-robin # or least-connections, or { kind: consistent-hash, on: { cookie: session } }
    # timeouts: { connectMs: 1000, responseMs: 30000, idleMs: 60000 }
    # retries: 1
    # health: { active: { path: /healthz } }

# Which requests go where. The closest match wins, not the first: exact paths before parameters before prefixes.
routes:
  # A fixed answer: curl http://127.0.0.1:8080/ping
  - name: ping
    match: { path: /ping }
    respond: { status: 200, headers: { content-type: text/plain }, body: "pong\\n" }

  # /api/users/1 goes upstream as /users/1
  - name: api
    match: { path: "/api/*" }
    upstream: app
    stripPrefix: /api

  # Parameters of the path can be used in the target.
  - name: old-users
    match: { path: "/people/{id}", methods: [GET] }
    redirect: { to: "/api/users/{id}", status: 308 }

  # - name: by-host
  #   match: { hosts: [api.example.com, "*.example.org"], path: "/*" }
  #   upstream: app
  #   cors: { origins: ["https://app.example.com"], credentials: true }
  #   requestHeaders: { set: { x-team: payments }, remove: [x-internal] }
  #   maxBodyBytes: 10MiB
`

export function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { force: { type: 'boolean', short: 'f', default: false } },
    allowPositionals: true,
    strict: true,
  })
  const [file = defaultFiles[0], ...more] = positionals
  if (more.length > 0) {
    process.stderr.write(`polygate init: found ${positionals.length} files, expected one\n`)
    return Promise.resolve(2)
  }
  return Promise.resolve(init(file, values.force))
}

function init(file: string, force: boolean): number {
  const schema = join(dirname(file), schemaFile)
  const outputs = [
    [file, firstConfig],
    [schema, schemaText()],
  ] as const
  try {
    const taken = force ? [] : outputs.filter(([name, content]) => existsSync(name) && !holds(name, content))
    // The schema is ours: only another version of it, or a user's own file, is in the way. A configuration always is.
    if (!force && existsSync(file) && !taken.some(([name]) => name === file)) taken.unshift(outputs[0])
    if (taken.length > 0) {
      for (const [name] of taken) process.stderr.write(`polygate init: ${name} exists; --force overwrites it\n`)
      return 1
    }
    mkdirSync(dirname(file), { recursive: true })
    for (const [name, content] of outputs) writeFileSync(name, content)
  } catch (error) {
    process.stderr.write(`polygate init: ${file}: ${readFailure(error).replace('readable', 'writable')}\n`)
    return 1
  }
  process.stdout.write(`wrote ${file} and ${schema}\nnext: polygate check --config ${file}\n`)
  return 0
}

const holds = (file: string, content: string): boolean => readFileSync(file, 'utf8') === content
