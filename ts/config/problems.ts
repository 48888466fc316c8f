// What is wrong with a configuration: every error with file, line, column, path and the way out. Stages of load add to
// one list and go on, so that one pass shows all. Must never print a value that came from the environment.

export interface ConfigError {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units as editors count. */
  readonly column: number
  /** `routes[0].match.path`; '' for the whole file. */
  readonly path: string
  readonly message: string
}

export const formatError = ({ file, line, column, path, message }: ConfigError): string =>
  `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}: ${message}`

/** Thrown when a configuration cannot be used; `message` has one line an error. */
export class ConfigErrors extends Error {
  readonly errors: readonly ConfigError[]

  constructor(errors: readonly ConfigError[]) {
    super(errors.map(formatError).join('\n'))
    this.name = 'ConfigErrors'
    this.errors = errors
  }
}

/** Where a value stands in the configuration: keys and list indexes from the root, innermost first. */
export interface Trail {
  readonly above: Trail | null
  readonly key: string | number
}

export const under = (above: Trail | null, key: string | number): Trail => ({ above, key })

export const trailOf = (...keys: readonly (string | number)[]): Trail | null => keys.reduce<Trail | null>(under, null)

/** `upstreams.echo.peers[0].url`; keys that are no plain words in `["…"]`. */
export function formatTrail(trail: Trail | null): string {
  if (trail === null) return ''
  const above = formatTrail(trail.above)
  if (typeof trail.key === 'number') return `${above}[${trail.key}]`
  if (!/^[\w-]+$/.test(trail.key)) return `${above}[${JSON.stringify(shorten(trail.key))}]`
  return above === '' ? trail.key : `${above}.${trail.key}`
}

/** Long texts are cut: an error is one line. */
export const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text)

/** Past this many the rest is only counted: nobody reads them, and a hostile file must not fill the memory. */
const maxErrors = 1000

/** Collects errors; the offset into the text becomes line and column here. */
export class Problems {
  readonly #file: string
  readonly #position: (offset: number) => { line: number; col: number }
  readonly #found = new Map<string, ConfigError>()
  readonly #warnings = new Map<string, ConfigError>()
  #more = 0

  constructor(file: string, position: (offset: number) => { line: number; col: number }) {
    this.#file = file
    this.#position = position
  }

  get any(): boolean {
    return this.#found.size > 0
  }

  add(offset: number, trail: Trail | null, message: string): void {
    if (this.#found.size >= maxErrors) {
      this.#more++
      return
    }
    const error = this.#placed(offset, trail, message)
    // A value that YAML aliases bring in twice is written, and wrong, once.
    const key = `${offset} ${message}`
    if (!this.#found.has(key)) this.#found.set(key, error)
  }

  /** What the operator should know although it stops nothing. */
  warn(offset: number, trail: Trail | null, message: string): void {
    if (this.#warnings.size < maxErrors)
      this.#warnings.set(`${offset} ${message}`, this.#placed(offset, trail, message))
  }

  get warnings(): readonly ConfigError[] {
    return [...this.#warnings.values()]
  }

  #placed(offset: number, trail: Trail | null, message: string): ConfigError {
    const { line, col } = this.#position(offset)
    return { file: this.#file, line, column: col, path: formatTrail(trail), message }
  }

  /** Throws all that was added, in the order of the file. */
  throwIfAny(): void {
    if (!this.any) return
    const errors = [...this.#found.values()].sort((a, b) => a.line - b.line || a.column - b.column)
    if (this.#more > 0) {
      const last = errors[errors.length - 1]!
      errors.push({ ...last, path: '', message: `and ${this.#more} more errors` })
    }
    throw new ConfigErrors(errors)
  }
}
