// A gateway whose clock a test sets: by a library before the C library's, for that gateway's processes alone. Linux, and a
// C compiler.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GatewayOptions } from './gateway.ts'
import type { Scope } from './scope.ts'

export interface Clock {
  /** To start the gateway with. */
  readonly options: GatewayOptions
  /** So many seconds beside the machine's. */
  set(seconds: number): void
}

const compiler = spawnSync('cc', ['--version']).status === 0
/** Why it cannot be had here, or false. */
export const skipClock = process.platform !== 'linux' ? 'Linux only' : compiler ? false : 'no C compiler'

export function settableClock(t: Scope): Clock {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-clock-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const library = join(folder, 'set-clock.so')
  const source = join(import.meta.dirname, 'set-clock.c')
  const built = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source], { encoding: 'utf8' })
  assert.equal(built.status, 0, built.stderr)
  const name = join(folder, 'offset')
  const file = openSync(name, 'w+')
  t.after(() => closeSync(file))
  const set = (seconds: number): void => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(seconds))
    writeSync(file, bytes, 0, 8, 0)
  }
  set(0)
  return { options: { env: { LD_PRELOAD: library, POLYGATE_TEST_CLOCK: name } }, set }
}
