// Pins the READMEs to what is true: each shell line of README.md is run as it is printed, each configuration is checked
// and run, in the order of the text and in one folder, as a reader would; the lines of bench/README.md are read as
// bench reads them; folders, commands and dependencies that are listed exist, and the reverse. A line or a block that
// this file does not know fails it. Ports are replaced: this machine may have those in use.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parseBench } from '../bench/options.ts'
import { freePort } from './helpers/ports.ts'
import { within } from './helpers/scope.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const readme = read('README.md')
const startMs = 20_000

interface Block {
  readonly language: string
  readonly text: string
}

const blocksOf = (text: string): Block[] =>
  [...text.matchAll(/^```(\S*)\n(.*?)^```$/gms)].map(([, language = '', inside = '']) => ({ language, text: inside }))

/** Lines without comments. */
const linesOf = (block: Block): string[] =>
  block.text
    .split('\n')
    .map(line => line.replace(/(^| +)# .*$/, '').trim())
    .filter(Boolean)

/** First cells of the table under a heading, without their backticks. */
function namesUnder(heading: string): string[] {
  const section = readme.split(/^## /m).find(one => one.startsWith(heading))
  assert.ok(section, `no section ${heading}`)
  const rows = section.slice(section.indexOf('|---'))
  const cells = [...rows.matchAll(/^\| (`.*?`) \|/gm)].map(found => found[1]!)
  return cells.flatMap(cell => [...cell.matchAll(/`([^`]+)`/g)].map(found => found[1]!))
}

const twoCommands = ['npm ci && npm start', 'npm ci && npm test']
const isTwoCommands = (line: string): boolean => twoCommands.includes(line)
const isRun = (line: string): boolean => /^node dist\/main\.js run\b/.test(line)
const isService = (line: string): boolean => line.includes('.listen(')
const benchArguments = (line: string): string[] | null =>
  /^(?:npm run bench --|node dist\/main\.js bench)(?: (.*))?$/.exec(line)?.slice(1, 2).join('').split(' ') ?? null

/** `name=...`: a line that keeps something for the lines after it. What it keeps counts as printed. */
const keptBy = (line: string): string | undefined => /^([a-z]+)=/.exec(line)?.[1]

const signedBy = (whom: string): RegExp[] => [/^HTTP\/1\.1 200 /, new RegExp(`\\r\\n\\r\\nsigned by the ${whom}$`)]
const unsigned = (scheme: string): RegExp[] => [
  /^HTTP\/1\.1 401 /,
  new RegExp(`^www-authenticate: Signature scheme="${scheme}"\\r$`, 'im'),
  /\r\n\r\n\{.*"code":"unauthorized".*"detail":"a valid signature is needed"/,
]

const flights = `curl -i http://127.0.0.1:8080/flights -H @signed-headers -d '{"seats":2}'`

/** What each other line prints. A curl line begins with its status. */
const printed: Readonly<Record<string, readonly RegExp[]>> = {
  'node dist/main.js init': [/^wrote polygate\.yaml and polygate\.schema\.json$/m],
  'node dist/main.js check': [/^ok polygate\.yaml: 1 listener, [34] routes, 1 upstream with \d peers?$/m],
  'curl -i http://127.0.0.1:8080/ping': [/^HTTP\/1\.1 200 /, /\r\n\r\npong\n$/],
  'curl -i http://127.0.0.1:8080/api/users/1': [/^HTTP\/1\.1 200 /, /\r\n\r\nGET \/users\/1\n$/],
  'node dist/main.js explain GET http://127.0.0.1:8080/people/1': [/^route +old-users /m, /308.*\/api\/users\/1/],
  "curl -ik https://localhost:8443/v1/products -H 'Origin: https://app.example.com'": [
    /^HTTP\/1\.1 200 /,
    /^access-control-allow-origin: https:\/\/app\.example\.com\r$/im,
    /\r\n\r\nGET \/products\n$/,
  ],
  'curl -ik https://localhost:8443/ping': [/^HTTP\/1\.1 200 /, /\r\n\r\npong$/],
  'curl -ik https://localhost:8443/old/2': [/^HTTP\/1\.1 308 /, /^location: \/v1\/products\/2\r$/im],
  "curl -ik https://localhost:8443/private -H 'apikey: a-key-for-trying'": [
    /^HTTP\/1\.1 200 /,
    /^ratelimit: "private:consumer";r=99;t=1\r$/im,
    /\r\n\r\nonly for those we know$/,
  ],
  'mkdir -p tls': [/^$/],
  [opensslLine()]: [/^/],
  'curl -s http://127.0.0.1:9901/livez': [/^ok\n$/],
  "curl -s 'http://127.0.0.1:9901/readyz?verbose'": [/^ok\n/, /^worker 1 ready /m, /^endpoint shop /m],
  'curl -s http://127.0.0.1:9901/metrics': [/^http_server_request_duration_seconds_count\{.*http_route="shop"/m],
  'curl -s -X POST http://127.0.0.1:9901/reload': [/^\{"version":"/],
  [`signature=$(printf '%s' hotel-key of-the-hotel "$(date +%s)" | sha256sum | cut -d ' ' -f 1)`]: [/^[0-9a-f]{64}$/],
  [`curl -i http://127.0.0.1:8080/rooms -H 'Api-Key: hotel-key' -H "X-Signature: $signature"`]: signedBy('hotel'),
  [`wrong=\${signature%?}$(printf '%s' "$signature" | tail -c 1 | tr 0-9a-f 1-9a-f0)`]: [/^[0-9a-f]{64}$/],
  [`curl -i http://127.0.0.1:8080/rooms -H 'Api-Key: hotel-key' -H "X-Signature: $wrong"`]: unsigned('mashery-sha256'),
  [`digest="sha-256=:$(printf '%s' '{"seats":2}' | openssl dgst -sha256 -binary | base64):"`]: [/^sha-256=:.{43}=:$/],
  [String.raw`input="(\"@method\" \"@target-uri\" \"@authority\" \"content-digest\");created=$(date +%s);keyid=\"airline-key\""`]:
    [/^\("@method" "@target-uri" "@authority" "content-digest"\);created=\d+;keyid="airline-key"$/],
  [String.raw`lines='"@method": POST\n"@target-uri": http://127.0.0.1:8080/flights\n"@authority": 127.0.0.1:8080\n'`]: [
    /^"@m/,
  ],
  [String.raw`signature=$(printf "$lines\"content-digest\": %s\n\"@signature-params\": %s" "$digest" "$input" | openssl dgst -sha256 -hmac of-the-airline -binary | base64)`]:
    [/^.{43}=$/],
  [String.raw`printf 'Content-Digest: %s\nSignature-Input: sig=%s\nSignature: sig=:%s:\n' "$digest" "$input" "$signature" > signed-headers`]:
    [/^$/],
  [`curl -i http://127.0.0.1:8080/flights -H @signed-headers -d '{"seats":3}'`]: unsigned('rfc9421'),
  [`curl -i 'http://127.0.0.1:8080/flights?seat=1' -H @signed-headers -d '{"seats":2}'`]: unsigned('rfc9421'),
  [flights]: signedBy('airline'),
  [`curl -i http://127.0.0.1:8080/agency -d '{"seats":2}'`]: signedBy('airline'),
}

/** What a line prints that stands there for the second time. */
const printedAgain: Readonly<Record<string, readonly RegExp[]>> = { [flights]: unsigned('rfc9421') }

/** The one line whose text is its own business: what it writes, `check` reads. */
function opensslLine(): string {
  return (
    blocksOf(readme)
      .flatMap(linesOf)
      .find(line => line.startsWith('openssl req ')) ?? 'openssl req'
  )
}

test('every line of the README is known here, and every known line is in the README', () => {
  const lines = blocksOf(readme).flatMap(block => (block.language === 'sh' ? linesOf(block) : []))
  const strange = lines.filter(
    line =>
      !isTwoCommands(line) &&
      !isRun(line) &&
      !isService(line) &&
      benchArguments(line) === null &&
      !Object.hasOwn(printed, line),
  )
  assert.deepEqual(strange, [])
  assert.deepEqual(
    Object.keys(printed).filter(line => !lines.includes(line)),
    [],
  )
  const languages = new Set(blocksOf(readme).map(block => block.language))
  assert.deepEqual([...languages].sort(), ['sh', 'yaml'])
})

test('the two commands: the first starts the demo, the second is what CI runs', async t => {
  const lines = blocksOf(readme).flatMap(linesOf)
  assert.deepEqual(lines.filter(isTwoCommands), twoCommands)
  // `npm ci` is what this test's own node_modules and dist come from.
  assert.ok(existsSync(join(root, 'node_modules')) && existsSync(join(root, 'dist', 'native', 'polygate.node')))
  assert.match(read('.ci/run'), /^npm ci && npm test$/m)
  const reader = new Reader(t, root)
  const demo = await reader.start('npm start', /^Ctrl-C stops /m)
  interrupt(demo)
  await within(startMs, 'stopping the demo', groupGone(demo))
})

test('every block of the README, in order, in one folder', { timeout: 120_000 }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-readme-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(join(root, 'dist'), join(folder, 'dist'))
  const reader = new Reader(t, folder)
  await reader.replacePorts([8080, 8443, 9901, 9000, 9001])
  let gateway: ChildProcess | null = null
  const typed = new Set<string>()
  for (const block of blocksOf(readme)) {
    if (block.language === 'yaml') {
      writeFileSync(join(folder, 'polygate.yaml'), reader.withPorts(block.text))
      continue
    }
    for (const line of linesOf(block)) {
      if (isTwoCommands(line) || benchArguments(line) !== null) continue
      if (isRun(line)) {
        if (gateway !== null) {
          interrupt(gateway)
          assert.equal(await within(startMs, 'stopping the gateway', exitOf(gateway)), 0)
        }
        gateway = await reader.start(line, /^ready /m)
      } else if (isService(line)) await reader.service(line)
      else await reader.expect(line, (typed.has(line) ? printedAgain[line] : null) ?? printed[line] ?? [])
      typed.add(line)
    }
  }
  assert.ok(gateway)
  assert.deepEqual(
    readdirSync(folder).sort(),
    ['.polygate', 'access.log', 'dist', 'polygate.schema.json', 'polygate.yaml', 'signed-headers', 'tls'],
    'what a reader finds afterwards',
  )
})

test('lines that start benchmarks, here and in bench/README.md, are such as bench takes', () => {
  const lines = [...blocksOf(readme), ...blocksOf(read('bench/README.md'))].flatMap(linesOf)
  const asked = lines.flatMap(line => {
    const argv = benchArguments(line)
    return argv === null ? [] : [parseBench(argv)]
  })
  assert.ok(asked.length >= 7)
  assert.deepEqual(new Set(blocksOf(read('bench/README.md')).map(block => block.language)), new Set(['sh']))
  const strange = blocksOf(read('bench/README.md'))
    .flatMap(linesOf)
    .filter(line => benchArguments(line) === null)
  assert.deepEqual(strange, [])
})

test('a benchmark line with a wrong option would be found', () => {
  for (const line of ['npm run bench -- proxy --round 1', 'npm run bench -- prox', 'node dist/main.js bench']) {
    assert.throws(() => parseBench(benchArguments(line) ?? []), /Unknown option|expected one of/, line)
  }
})

test('the folders that it lists exist, and none is left out', () => {
  const listed = namesUnder('Where things are')
  assert.deepEqual(
    listed.filter(folder => !existsSync(join(root, folder))),
    [],
  )
  const sub = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter(entry => entry.isDirectory() && entry.name !== 'target')
      .map(entry => `${folder}/${entry.name}`)
  const present = [...sub('ts'), ...sub('native'), ...sub('plugins'), 'bench', 'test']
  assert.deepEqual(present.sort(), listed.sort())
})

test('the commands that it lists are those that there are', async t => {
  const reader = new Reader(t, root)
  const help = await reader.output('node dist/main.js --help')
  const commands = [...help.matchAll(/^ {2}(\w+) {2,}/gm)].map(found => found[1]!)
  assert.deepEqual(namesUnder('Commands').sort(), commands.sort())
  for (const command of commands) {
    assert.match(
      await reader.output(`node dist/main.js ${command} --help`),
      new RegExp(`^usage: polygate ${command}\\b`),
    )
  }
})

test('every dependency has its reason, and there is none without', () => {
  type Listed = Readonly<Record<string, string>> | undefined
  const names = new Set<string>()
  for (const folder of ['', 'bench/', 'test/runtimes/', 'test/clients/']) {
    const content = JSON.parse(read(`${folder}package.json`)) as Readonly<Record<string, Listed>>
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      for (const name of Object.keys(content[kind] ?? {})) names.add(name)
    }
  }
  const members = /^members = \[(.*?)\]/ms.exec(read('Cargo.toml'))?.[1]?.matchAll(/"([^"]+)"/g) ?? []
  const crates = [...members].map(found => found[1]!)
  assert.ok(crates.includes('native/addon'))
  for (const crate of crates) {
    const text = read(`${crate}/Cargo.toml`)
    for (const [, inside = ''] of text.matchAll(/^\[(?:dev-|build-)?dependencies\]\n((?:(?!\[).*\n?)*)/gm)) {
      for (const [, name = ''] of inside.matchAll(/^([\w-]+) = /gm)) if (!name.startsWith('polygate-')) names.add(name)
    }
  }
  for (const [, name = ''] of read('test/clients/requirements.in').matchAll(/^([\w-]+)==/gm)) names.add(name)
  assert.deepEqual(namesUnder('Dependencies').sort(), [...names].sort())
})

/** Ctrl-C: a terminal sends it to the whole group, so npm and what it started get it. */
function interrupt(child: ChildProcess): void {
  process.kill(-(child.pid as number), 'SIGINT')
}

/** npm ends by the signal itself, perhaps before what it started has: there is no event for the last of them. */
async function groupGone(child: ChildProcess): Promise<void> {
  for (;;) {
    try {
      process.kill(-(child.pid as number), 0)
    } catch {
      return
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const exitOf = (child: ChildProcess): Promise<number | string> =>
  new Promise(resolve => {
    if (child.exitCode !== null) resolve(child.exitCode)
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })

/**
 * Types lines into a shell in a folder, and reads what comes out. Variables stay set, as in a terminal. What it started
 * ends with the test.
 */
class Reader {
  readonly #scope: TestContext
  readonly #folder: string
  readonly #ports = new Map<string, number>()
  readonly #variables: Record<string, string> = {}

  constructor(scope: TestContext, folder: string) {
    this.#scope = scope
    this.#folder = folder
  }

  async replacePorts(ports: readonly number[]): Promise<void> {
    for (const port of ports) this.#ports.set(String(port), await freePort())
  }

  withPorts(text: string): string {
    return text.replace(/\b\d{4}\b/g, digits => String(this.#ports.get(digits) ?? digits))
  }

  #spawn(line: string): ChildProcess {
    // exec: a signal reaches the command itself, not the shell before it.
    const command = /^(npm|node) /.test(line) ? `exec ${line}` : line
    const child = spawn('sh', ['-c', this.withPorts(command)], {
      cwd: this.#folder,
      env: { ...process.env, ...this.#variables },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.#scope.after(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      interrupt(child)
      await within(startMs, `stopping ${line}`, exitOf(child))
    })
    return child
  }

  async output(line: string): Promise<string> {
    const child = this.#spawn(line)
    let output = ''
    let errors = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => (output += part))
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (errors += part))
    const code = await new Promise(resolve => child.once('close', resolve))
    assert.equal(code, 0, `${line}: ${errors || output}`)
    return output
  }

  async expect(line: string, patterns: readonly RegExp[]): Promise<void> {
    const kept = keptBy(line)
    let output = await this.output(kept === undefined ? line : `${line}; printf '%s' "$${kept}"`)
    if (kept !== undefined) this.#variables[kept] = output
    // Workers report each second: what they have counted is there soon, not at once.
    const soon = async (): Promise<void> => {
      while (!patterns.every(pattern => pattern.test(output))) output = await this.output(line)
    }
    if (line.includes(':9901')) await within(startMs, `${line}: ${patterns.join(' ')}`, soon())
    for (const pattern of patterns) assert.match(output, pattern, line)
    if (line.endsWith(' init')) this.#usePortsIn('polygate.yaml')
  }

  /** `init` writes the ports that the README names. */
  #usePortsIn(name: string): void {
    const file = join(this.#folder, name)
    writeFileSync(file, this.withPorts(readFileSync(file, 'utf8')))
  }

  /** Resolves when the process has printed what matches. */
  async start(line: string, pattern: RegExp): Promise<ChildProcess> {
    const child = this.#spawn(line)
    let output = ''
    const ready = new Promise<void>((resolve, reject) => {
      const read = (part: string): void => {
        output += part
        if (pattern.test(output)) resolve()
      }
      child.stdout?.setEncoding('utf8').on('data', read)
      child.stderr?.setEncoding('utf8').on('data', read)
      child.once('exit', () => reject(new Error(`${line} ended: ${output}`)))
    })
    await within(startMs, `starting ${line}`, ready)
    return child
  }

  /** Resolves when the service answers. */
  async service(line: string): Promise<void> {
    const child = this.#spawn(line)
    const port = Number(/listen\((\d+)\)/.exec(this.withPorts(line))?.[1])
    const answers = (): Promise<boolean> =>
      new Promise(resolve => {
        request({ host: '127.0.0.1', port }, answer => resolve(answer.resume() === answer))
          .once('error', () => resolve(false))
          .end()
      })
    const until = async (): Promise<void> => {
      while (!(await answers())) if (child.exitCode !== null) throw new Error(`ended: ${line}`)
    }
    await within(startMs, `starting ${line}`, until())
  }
}
