// `run --watch`: notices that the configuration, or a file that it names, has changed. Folders are watched, not files:
// editors replace a file by renaming another over it, and Kubernetes swaps a link (`..data`) beside it. What counts is
// the content, so a touched file is no change, and a burst of events is one.
import { createHash } from 'node:crypto'
import { readFileSync, watch, type FSWatcher } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { checksOf } from '../config/checks.ts'
import type { Plan } from '../config/plan.ts'

/** After the last event; an editor's write is over by then. */
const quietMs = 100
/** How soon a folder that has vanished is looked for again. */
const retryMs = 1000

export class FileWatch {
  readonly #onChange: () => void
  readonly #onTrouble: (folder: string, reason: string) => void
  readonly #folders = new Map<string, FSWatcher | null>()
  readonly #retries = new Set<NodeJS.Timeout>()
  #files: readonly string[] = []
  #names = new Set<string>()
  #seen = ''
  #timer: NodeJS.Timeout | null = null

  constructor(onChange: () => void, onTrouble: (folder: string, reason: string) => void) {
    this.#onChange = onChange
    this.#onTrouble = onTrouble
  }

  /** Watches these files from now on, in place of those of the call before. What they hold now is no change. */
  follow(files: readonly string[]): void {
    this.#files = [...new Set(files.map(file => resolve(file)))]
    this.#names = new Set(this.#files.map(file => basename(file)))
    const wanted = new Set(this.#files.map(file => dirname(file)))
    for (const [folder, watcher] of this.#folders) {
      if (wanted.has(folder)) continue
      watcher?.close()
      this.#folders.delete(folder)
    }
    for (const folder of wanted) if (!this.#folders.has(folder)) this.#open(folder)
    this.#seen = this.#content()
  }

  close(): void {
    for (const watcher of this.#folders.values()) watcher?.close()
    this.#folders.clear()
    for (const timer of this.#retries) clearTimeout(timer)
    if (this.#timer) clearTimeout(this.#timer)
  }

  #open(folder: string): void {
    this.#folders.set(folder, null)
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => this.#onEvent(name))
      watcher.on('error', error => this.#lost(folder, error))
      this.#folders.set(folder, watcher)
    } catch (error) {
      this.#lost(folder, error as Error)
    }
  }

  #lost(folder: string, error: Error): void {
    if (!this.#folders.has(folder)) return
    this.#folders.get(folder)?.close()
    this.#folders.set(folder, null)
    this.#onTrouble(folder, error.message)
    const timer = setTimeout(() => {
      this.#retries.delete(timer)
      if (!this.#folders.has(folder)) return
      this.#open(folder)
      this.#onEvent(null)
    }, retryMs)
    timer.unref()
    this.#retries.add(timer)
  }

  /** Other files of the folder, say a log, are none of our business; a name that begins with `..` is Kubernetes' link. */
  #onEvent(name: string | null): void {
    if (name !== null && !this.#names.has(name) && !name.startsWith('..')) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = null
      const content = this.#content()
      if (content === this.#seen) return
      this.#seen = content
      this.#onChange()
    }, quietMs)
    this.#timer.unref()
  }

  #content(): string {
    const hash = createHash('sha256')
    for (const file of this.#files) {
      try {
        hash.update(readFileSync(file))
      } catch {
        hash.update('absent')
      }
      hash.update('\0')
    }
    return hash.digest('hex')
  }
}

/** Files that a plan names and whose content matters to it. */
export function filesNamedBy(plan: Plan): string[] {
  const files: (string | null)[] = [...plan.sourceFiles]
  for (const { tls } of plan.listen) {
    if (!tls) continue
    files.push(tls.clientCa, tls.clientCrl)
    for (const { certificate, key } of tls.certificates) files.push(certificate, key)
  }
  for (const { endpoints } of plan.upstreams) {
    for (const { tls } of endpoints) if (tls) files.push(tls.ca, tls.certificate, tls.key)
  }
  for (const { file } of plan.secrets) files.push(file)
  for (const { signing } of plan.consumers) for (const { file } of signing) files.push(file)
  for (const check of plan.routes.flatMap(({ guards }) => checksOf(guards))) {
    if (check.kind === 'jwt') files.push(...check.files)
  }
  for (const plugin of plan.plugins) files.push(...plugin.files)
  return [...new Set(files.filter(file => file !== null))]
}
