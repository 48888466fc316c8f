// Pins the house's layout: who may import whom, what lies at the root, that every source file says what it is for, and
// that none grows too long to be read at once.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
/** Lines. Tests are lists of cases, and are read one case at a time. */
const longest = { code: 400, tests: 800 }

/** Files that are, or would be, in the repository. */
const files: readonly string[] = (() => {
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (listed.status !== 0) throw new Error(`git ls-files: ${listed.stderr || String(listed.error)}`)
  return listed.stdout.split('\n').filter(name => name !== '' && existsSync(join(root, name)))
})()

const read = (file: string): string => readFileSync(join(root, file), 'utf8')

interface Import {
  readonly from: string
  /** Path from the root for a file of ours, else the package's name. */
  readonly to: string
  readonly typeOnly: boolean
}

function importsOf(file: string): Import[] {
  const text = read(file).replace(/^\s*(\/\/|\*).*$/gm, '')
  const statements = text.matchAll(
    /^(?:import|export)\s(?:(type)\s)?[^'"]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm,
  )
  return [...statements].map(found => {
    const name = found[2] ?? found[3] ?? found[4] ?? ''
    const to = name.startsWith('.') ? relative(root, join(root, dirname(file), name)) : name
    return { from: file, to, typeOnly: found[1] === 'type' }
  })
}

const sources = files.filter(file => file.startsWith('ts/') && file.endsWith('.ts'))
const imports = sources.flatMap(importsOf)

const stages = ['accept', 'match', 'guard', 'extend', 'forward', 'respond', 'record']
const stageOf = (file: string): string | undefined => stages.find(stage => file.startsWith(`ts/gateway/${stage}/`))

/** The room of a file: its folder right under ts/, or `main`. */
const roomOf = (file: string): string => /^ts\/(?:([^/]+)\/)?/.exec(file)?.[1] ?? 'main'

/** main -> command -> control | gateway -> config, store, shared. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  main: ['command', 'config', 'shared'],
  command: ['command', 'control', 'gateway', 'config', 'store', 'shared'],
  control: ['control', 'config', 'store', 'dashboard', 'shared'],
  gateway: ['gateway', 'config', 'store', 'shared'],
  dashboard: ['dashboard', 'shared'],
  store: ['store', 'config', 'shared'],
  config: ['config', 'shared'],
  shared: ['shared'],
  build: ['build', 'shared'],
}

/** What one room may take from another against the direction, and why. */
const exceptions: readonly { readonly from: RegExp; readonly to: RegExp; readonly why: string }[] = [
  {
    from: /^ts\/control\//,
    to: /^ts\/gateway\/record\//,
    why: 'the metrics that workers report, which control merges',
  },
  { from: /^ts\/gateway\//, to: /^ts\/control\/messages\.ts$/, why: 'the words of the channel between the two' },
  { from: /^ts\/build\//, to: /^ts\/config\/json-schema\.ts$/, why: 'the schema file is generated from it' },
  { from: /^ts\/shared\//, to: /^ts\/config\/plan\.ts$/, why: 'the plan is plain words, known everywhere' },
]

const excepted = (one: Import): boolean => exceptions.some(({ from, to }) => from.test(one.from) && to.test(one.to))

test('rooms import in one direction', () => {
  const wrong = imports.filter(one => {
    if (!one.to.startsWith('ts/')) return false
    const allowed = mayImport[roomOf(one.from)]
    assert.ok(allowed, `${one.from} is in a room that the design does not know`)
    return !allowed.includes(roomOf(one.to)) && !excepted(one)
  })
  assert.deepEqual(
    wrong.map(one => `${one.from} imports ${one.to}`),
    [],
  )
})

test('a stage imports no other stage', () => {
  const wrong = imports.filter(one => {
    const [from, to] = [stageOf(one.from), stageOf(one.to)]
    return from !== undefined && to !== undefined && from !== to
  })
  assert.deepEqual(
    wrong.map(one => `${one.from} imports ${one.to}`),
    [],
  )
})

test('a stage imports nothing of the worker but what it is handed', () => {
  const handed = /^ts\/(gateway\/exchange\.ts|config\/|store\/|shared\/)/
  const wrong = imports.filter(one => {
    const stage = stageOf(one.from)
    // The shape of a stage is pipeline.ts's to say.
    if (one.typeOnly && one.to === 'ts/gateway/pipeline.ts') return false
    return stage !== undefined && one.to.startsWith('ts/') && stageOf(one.to) !== stage && !handed.test(one.to)
  })
  assert.deepEqual(
    wrong.map(one => `${one.from} imports ${one.to}`),
    [],
  )
})

test('only shared/native*.ts loads the addon', () => {
  const loaders = sources.filter(file => /polygate\.node'|process\.dlopen/.test(read(file)))
  assert.deepEqual(
    loaders.filter(file => !/^ts\/shared\/native[a-z-]*\.ts$/.test(file) && !file.startsWith('ts/build/')),
    [],
  )
})

test('every imported file exists', () => {
  const missing = imports.filter(one => one.to.startsWith('ts/') && !existsSync(join(root, one.to)))
  assert.deepEqual(
    missing.map(one => `${one.from} imports ${one.to}`),
    [],
  )
})

test('the crates import no other crate but leaves; the addon all, and a plugin the crate for authors', () => {
  const crates = files.filter(file => /^(native|plugins|test)\/.+\/Cargo\.toml$/.test(file)).map(dirname)
  assert.ok(crates.length > 0)
  const othersOf = (crate: string): string[] =>
    [...read(`${crate}/Cargo.toml`).matchAll(/path\s*=\s*"(\.\.\/[^"]+)"/g)].map(found => join(crate, found[1]!))
  const leaves = new Set(crates.filter(crate => othersOf(crate).length === 0))
  const isPlugin = (crate: string): boolean =>
    /^plugins\/examples\/|\/tests\/plugins\/|^test\/contract\/probe\//.test(crate)
  for (const crate of crates) {
    if (crate === 'native/addon') continue
    const allowed = isPlugin(crate) ? new Set(['plugins/sdk/rust']) : leaves
    assert.deepEqual(
      othersOf(crate).filter(other => !allowed.has(other)),
      [],
      `${crate} imports`,
    )
  }
})

test('the root has what the design lists, and nothing else', () => {
  const allowed =
    /^(native|ts|plugins|bench|test|Cargo\.toml|Cargo\.lock|package\.json|package-lock\.json|tsconfig\.json|README\.md|LICENSE|\..+)$/
  const entries = [...new Set(files.map(file => file.split('/')[0] ?? ''))]
  assert.deepEqual(
    entries.filter(entry => !allowed.test(entry)),
    [],
  )
})

const isCode = (file: string): boolean =>
  /\.(ts|js|mjs|rs|c|h|sh|py|go|lua)$/.test(file) && !/(^|\/)generated(\/|\.)/.test(file)
const code = files.filter(isCode)

test('every source file begins by saying what it is for', () => {
  const comment = /^(#!.*\n)?(\/\/|\/\*|#|--)/
  assert.deepEqual(
    code.filter(file => !comment.test(read(file))),
    [],
  )
})

test('no source file is too long', () => {
  const isTest = (file: string): boolean => /^test\/|\/tests\/|_tests\.rs$/.test(file)
  const lines = (file: string): number => read(file).split('\n').length - 1
  const long = code.filter(file => lines(file) > (isTest(file) ? longest.tests : longest.code))
  assert.deepEqual(
    long.map(file => `${file}: ${lines(file)}`),
    [],
  )
})

test('files are named in the way of their language', () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|bench|config|d))*\.(ts|js|mjs|sh)$/
  const snake = /^[a-z0-9]+(_[a-z0-9]+)*\.rs$/
  const wrong = code.filter(file => {
    const name = file.split('/').at(-1) ?? ''
    if (/\.(ts|js|mjs|sh)$/.test(name)) return !kebab.test(name)
    return name.endsWith('.rs') && !snake.test(name)
  })
  assert.deepEqual(wrong, [])
})

test('nothing is left undone', () => {
  const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'unimpl' + 'emented!', 'to' + 'do!\\('].join('|'))
  assert.deepEqual(
    code.filter(file => marks.test(read(file))),
    [],
  )
})
