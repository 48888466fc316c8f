// Build step: compiles native/addon with @napi-rs/cli and puts it where ts/shared/native.ts looks for it; the file's
// name is `napi.binaryName` of package.json.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { packageRoot } from '../shared/native.ts'

const cli = createRequire(import.meta.url).resolve('@napi-rs/cli/package.json')
const folder = join(packageRoot, 'dist', 'native')
mkdirSync(folder, { recursive: true })
const built = spawnSync(
  process.execPath,
  [
    join(cli, '..', 'dist', 'cli.js'),
    'build',
    '--release',
    '--manifest-path',
    join(packageRoot, 'native', 'addon', 'Cargo.toml'),
    '--package-json-path',
    join(packageRoot, 'package.json'),
    '--output-dir',
    folder,
    '--no-js',
    ...(process.argv.includes('--verbose') ? ['--verbose'] : []),
  ],
  { stdio: 'inherit', cwd: packageRoot },
)
if (built.status !== 0) {
  console.error('the Rust addon did not build: Rust 1.88 or newer with a C and C++ compiler is needed (rustup.rs)')
  process.exit(1)
}
