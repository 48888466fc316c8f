// Bundled configuration files with {names} in them, filled in for one run into a scratch folder that goes with this
// process.
import { mkdtempSync, readFileSync, rmSync, existsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/**
 * A new folder, in memory where the machine has /dev/shm; removed when this process ends. `forCode`: code is loaded from
 * it, which /dev/shm may forbid.
 */
export function scratchFolder(name: string, { forCode = false } = {}): string {
  const inMemory = !forCode && existsSync('/dev/shm')
  const folder = mkdtempSync(join(inMemory ? '/dev/shm' : tmpdir(), `polygate-bench-${name}-`))
  folders.push(folder)
  return folder
}

/** Writes `template` with its {names} replaced to `target`, and returns `target`. Throws for a name without a value. */
export function fillTemplate(template: string, target: string, values: Readonly<Record<string, string>>): string {
  const text = readFileSync(template, 'utf8').replace(/\{([a-z0-9]+)\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${template}: no value for {${name}}`)
    return value
  })
  writeFileSync(target, text)
  return target
}

/** nginx started by root would drop to another user, who may not read the scratch folder. */
export const nginxUser = (): string => (process.getuid?.() === 0 ? 'user root;' : '')
