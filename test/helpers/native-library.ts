// Builds plugins in native code as their authors would, for tests that load them into a gateway.
import { spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** The file of a package of this workspace that is a cdylib. Cargo builds it once, and knows when it must again. */
export function cargoLibrary(name: string): string {
  const argv = ['build', '--locked', '--offline', '--quiet', '--message-format', 'json', '--package', name]
  const { status, stdout, stderr } = spawnSync('cargo', argv, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`cargo build of ${name}: ${stderr}`)
  const artifacts = stdout.split('\n').filter(line => line.includes('"compiler-artifact"'))
  const files = artifacts.flatMap(line => (JSON.parse(line) as { filenames: string[] }).filenames)
  const library = files.filter(file => file.endsWith('.so')).at(-1)
  if (library === undefined) throw new Error(`${name} is no cdylib`)
  return library
}

/** Compiles a file of C to a plugin. */
export function compileC(source: string, library: string): void {
  const contract = join(root, 'plugins', 'contract')
  const argv = ['-std=c99', '-O1', '-fPIC', '-shared', '-I', contract, source, '-o', library]
  const { status, stderr } = spawnSync('cc', argv, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cc ${source}: ${stderr}`)
}

/** Puts the library into the copy of a native plugin's folder: of a cargo package of that name, or of one file of C. */
export function buildIn(folder: string, name: string): void {
  if (!/^runtime: rust$/m.test(readFileSync(join(folder, 'plugin.yaml'), 'utf8'))) return
  const files = readdirSync(folder)
  if (files.includes('Cargo.toml')) {
    const library = cargoLibrary(name)
    copyFileSync(library, join(folder, basename(library)))
  }
  const source = files.find(file => file.endsWith('.c'))
  if (source !== undefined) compileC(join(folder, source), join(folder, source.replace(/c$/, 'so')))
}
