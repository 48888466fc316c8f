// What `polygate plugin new` begins with in each language: the example of plugins/examples, and what is another thing for a
// folder that stands by itself. A runtime that comes with an example is one entry here.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../shared/native.ts'

export interface Scaffold {
  /** Folder of plugins/examples. */
  readonly example: string
  /** Files of the example, by their names here. */
  readonly sources: Readonly<Record<string, string>>
  /** In place of the example's entry, and the command that makes it; null: the entry needs no building. */
  readonly built: { readonly entry: string; readonly command: readonly string[] } | null
  /** Files beside those, by name. */
  readonly more: (name: string) => Readonly<Record<string, string>>
}

const plugins = join(packageRoot, 'plugins')

/** Where editors find the types of `@polygate/plugin`. */
const typed = (file: string) => (): Readonly<Record<string, string>> => ({
  [file]: `${JSON.stringify(
    {
      compilerOptions: {
        strict: true,
        target: 'ES2023',
        module: 'NodeNext',
        noEmit: true,
        types: [],
        paths: { '@polygate/plugin': [join(plugins, 'sdk', 'js', 'index.d.ts')] },
      },
    },
    null,
    2,
  )}\n`,
})

const scaffolds = {
  js: {
    example: 'greeting-js',
    sources: { 'plugin.js': 'plugin.js' },
    built: null,
    more: typed('jsconfig.json'),
  },
  ts: {
    example: 'greeting-ts',
    sources: { 'plugin.ts': 'plugin.ts' },
    built: null,
    more: typed('tsconfig.json'),
  },
  lua: {
    example: 'greeting-lua',
    sources: { 'plugin.lua': 'plugin.lua' },
    built: null,
    more: () => ({ 'polygate.d.luau': readFileSync(join(plugins, 'sdk', 'lua', 'polygate.d.luau'), 'utf8') }),
  },
  rust: {
    example: 'greeting-rust',
    sources: { 'src/lib.rs': 'src/lib.rs' },
    built: {
      entry: './target/release/libplugin.so',
      command: ['cargo', 'build', '--release', '--quiet', '--target-dir', 'target'],
    },
    more: name => ({
      'Cargo.toml': cargoManifest(name),
      // The versions that this gateway's own crate for authors was tested with.
      'Cargo.lock': readFileSync(join(packageRoot, 'Cargo.lock'), 'utf8'),
      '.gitignore': '/target\n',
    }),
  },
  c: {
    example: 'greeting-c',
    sources: { 'plugin.c': 'greeting.c' },
    built: {
      entry: './plugin.so',
      command: ['cc', '-std=c99', '-O2', '-Wall', '-fPIC', '-shared', 'plugin.c', '-o', 'plugin.so'],
    },
    more: () => ({
      'polygate_plugin.h': readFileSync(join(plugins, 'contract', 'polygate_plugin.h'), 'utf8'),
      '.gitignore': '/plugin.so\n',
    }),
  },
} satisfies Readonly<Record<string, Scaffold>>

export const runtimeNames: readonly string[] = Object.keys(scaffolds)

export const scaffoldOf = (runtime: string): Scaffold | undefined =>
  Object.hasOwn(scaffolds, runtime) ? scaffolds[runtime as keyof typeof scaffolds] : undefined

/** All files of a plugin of this name. */
export function filesOf({ example, sources, built, more }: Scaffold, name: string): ReadonlyMap<string, string> {
  const folder = join(plugins, 'examples')
  const files = new Map<string, string>()
  const manifest = readFileSync(join(folder, example, 'plugin.yaml'), 'utf8')
  files.set('plugin.yaml', ownManifest(manifest, name, built))
  for (const [own, theirs] of Object.entries(sources)) {
    files.set(own, readFileSync(join(folder, example, theirs), 'utf8').replace(buildLine, ''))
  }
  files.set('cases.yaml', readFileSync(join(folder, 'cases.yaml'), 'utf8').replace(/^#.*\n/gm, ''))
  for (const [file, content] of Object.entries(more(name))) files.set(file, content)
  return files
}

/** How the example in C is built where it stands: here plugin.yaml says it. */
const buildLine = /^ \*\n \* {3}cc .*\n/m

function ownManifest(example: string, name: string, built: Scaffold['built']): string {
  const about = `# polygate plugin test .    runs cases.yaml
# polygate plugin bench .   measures what it costs
# In polygate.yaml:  plugins: { ${name}: { path: ./${name}, config: { greeting: hello } } }
#                    and in a route:  plugins: [ ${name} ]
`
  const renamed = example.replace(/^(#.*\n)+/, about).replace(/^name: .*$/m, `name: ${name}`)
  if (built === null) return renamed
  return renamed.replace(/^entry: .*$/m, `entry: ${built.entry}\nbuild: [${built.command.join(', ')}]`)
}

const cargoManifest = (name: string): string => `[package]
name = "${name}"
version = "1.0.0"
edition = "2024"
publish = false

[lib]
name = "plugin"
crate-type = ["cdylib"]

[dependencies]
polygate-plugin = { path = ${JSON.stringify(join(plugins, 'sdk', 'rust'))} }
serde = { version = "1", features = ["derive"] }

# A folder that stands by itself, wherever it is.
[workspace]
`
