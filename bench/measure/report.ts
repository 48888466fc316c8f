// The JSON file of a suite, and the verdict line of a suite with a limit. Called by the suites.
import { writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** A share of a core that other processes may use before a run counts as noisy. */
export const noisy = 0.05

/** Writes `result` with date and machine to `file`; null: nothing. */
export function writeJson(file: string | null, result: object): void {
  if (file === null) return
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release(), node: process.version }
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), machine, ...result }, null, 2)}\n`)
  console.log(`written: ${file}`)
}

/** Prints what was measured against its limit; above it the exit code becomes 1. */
export function verdict(what: string, measured: number, limit: number, unit: string, digits = 1): void {
  // NaN is over.
  const holds = measured <= limit
  if (!holds) process.exitCode = 1
  console.log(`${holds ? 'ok  ' : 'OVER'}  ${what}: ${measured.toFixed(digits)} ${unit} (limit ${limit} ${unit})`)
}
