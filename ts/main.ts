#!/usr/bin/env node
// Argv -> command. Each command is loaded only when it is called: what `run` does not need must not cost its start.
// Exit status: 0 ok, 1 invalid configuration or failed start, 2 usage, 3 failure while running.

interface Command {
  readonly usage: string
  /** Gives the exit status. */
  main(args: string[]): Promise<number>
}

const commands: Readonly<Record<string, { readonly about: string; readonly load: () => Promise<Command> }>> = {
  run: { about: 'run the gateway', load: () => import('./command/run.ts') },
  check: { about: 'find everything that is wrong with a configuration', load: () => import('./command/check.ts') },
  init: { about: 'write a first configuration', load: () => import('./command/init.ts') },
  explain: { about: 'say which route a request takes, and why', load: () => import('./command/explain.ts') },
  schema: { about: 'print the JSON Schema of the configuration', load: () => import('./command/schema.ts') },
  key: { about: 'make API keys, and hashes of keys and passwords', load: () => import('./command/key.ts') },
  plugin: { about: 'make, test and measure a plugin', load: () => import('./command/plugin.ts') },
  bench: { about: 'measure what the gateway costs', load: () => import('./command/bench.ts') },
  demo: { about: 'run the gateway with a demo upstream', load: () => import('./command/demo.ts') },
}

const usage = (): string => `usage: polygate COMMAND [OPTIONS]

${Object.entries(commands)
  .map(([name, { about }]) => `  ${name.padEnd(8)} ${about}`)
  .join('\n')}

\`polygate COMMAND --help\` says more, \`polygate --version\` the version.
`

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) {
    process.stderr.write(usage())
    return 2
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage())
    return 0
  }
  if (name === '--version' || name === '-V') {
    const { packageVersion } = await import('./shared/native.ts')
    process.stdout.write(`${packageVersion}\n`)
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    const { didYouMean } = await import('./config/nearest.ts')
    const known = Object.keys(commands)
    process.stderr.write(
      `polygate: found ${JSON.stringify(name)}, expected one of ${known.join(', ')}${didYouMean(name, known)}\n`,
    )
    return 2
  }
  return runCommand(name, await command.load(), args)
}

async function runCommand(name: string, command: Command, args: string[]): Promise<number> {
  if (wantsHelp(args)) {
    process.stdout.write(`${command.usage}\n`)
    return 0
  }
  try {
    return await command.main(args)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code?.startsWith('ERR_PARSE_ARGS_')) {
      process.stderr.write(`polygate ${name}: ${message}\n\n${command.usage}\n`)
      return 2
    }
    // ConfigErrors by name: its class is not loaded for commands that read no configuration.
    if ((error as Error).name === 'ConfigErrors') {
      process.stderr.write(`${message}\n`)
      return 1
    }
    throw error
  }
}

function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).some(argument => argument === '--help' || argument === '-h')
}

// `polygate schema | head` ends when the reader has seen enough. A gateway outlives whoever read its first lines.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`polygate: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exitCode = 3
}
