// The grammar of `match.path` (`/exact`, `/a/{name}/b`, `/prefix/*`, `~regular expression`) and of the targets that routes
// make of it. Called by validation (is it well-formed), by rules (which names does it capture) and by the matcher of the
// gateway, which compiles what it gives. Says what was expected, never the text itself: it may hold a secret.

export interface PathPattern {
  /** Names that `rewrite` and `redirect` may use. */
  readonly names: readonly string[]
  /** Ends in `/*`: `{*}` is what it stood for. */
  readonly rest: boolean
  /** As written, null for `{name}`, without the `*`; null for regular expressions. */
  readonly segments: readonly (string | null)[] | null
}

const nameForm = /^[A-Za-z_][A-Za-z0-9_-]*$/

/** The pattern, or as a text what was expected instead. */
export function readPathPattern(path: string): PathPattern | string {
  if (path.startsWith('~')) return readExpression(path.slice(1))
  if (!path.startsWith('/')) return 'a path that begins with / (or ~ for a regular expression)'
  return literalProblem(path) ?? readSegments(path.slice(1).split('/'))
}

/** What keeps a text from being a plain path; beyond ASCII is fine, it is percent-encoded. */
export function literalProblem(path: string): string | null {
  if (/[\u0000-\u0020\u007f]/.test(path)) return 'a path without blanks and control characters; write them as %XX'
  if (/[?#]/.test(path)) return 'a path without ? and #'
  if (/%(?![0-9a-fA-F]{2})/.test(path)) return 'two hexadecimal digits behind each %'
  return null
}

function readSegments(texts: readonly string[]): PathPattern | string {
  const names: string[] = []
  const segments: (string | null)[] = []
  for (const [index, text] of texts.entries()) {
    if (text === '.' || text === '..') return 'a path without . and .. segments'
    if (text === '*' && index === texts.length - 1) return { names, rest: true, segments }
    if (text.includes('*')) return '* only as the whole last segment, as in /files/*'
    if (/[{}]/.test(text)) {
      const name = text.slice(1, -1)
      if (text !== `{${name}}` || !nameForm.test(name)) return 'a parameter as a whole segment, as in /users/{id}'
      if (names.includes(name)) return `each parameter once, not {${name}} twice`
      names.push(name)
      segments.push(null)
    } else segments.push(text)
  }
  return { names, rest: false, segments }
}

function readExpression(source: string): PathPattern | string {
  if (source === '') return 'a regular expression behind ~'
  const expression = compileExpression(source)
  if (typeof expression === 'string') return expression
  return { names: groupNames(source), rest: false, segments: null }
}

/** Of named groups, in the order of their appearance: with an empty branch it matches the empty text, and the engine
 *  itself lists them. */
export const groupNames = (source: string): readonly string[] =>
  Object.keys(new RegExp(`${source}|`).exec('')?.groups ?? {})

/** JavaScript's syntax, no flags. */
export function compileExpression(source: string): RegExp | string {
  try {
    return new RegExp(source)
  } catch (error) {
    // "Invalid regular expression: /(/: Unterminated group": the reason stands behind the last colon; what is before
    // it repeats the value, which may be a secret.
    return `a regular expression (JavaScript's syntax): ${(error as Error).message.split(': ').at(-1)}`
  }
}

const targetName = /^(?:\*|[A-Za-z_$][A-Za-z0-9_$-]*)$/

/** `{name}`s of a rewrite or redirect target, or as a text what was expected instead. */
export function readTarget(target: string): readonly string[] | string {
  const names: string[] = []
  for (const [part] of target.matchAll(/\{[^{}]*\}|[{}]/g)) {
    const name = part.slice(1, -1)
    if (part.length < 3 || !targetName.test(name)) return '{name} of a captured parameter, or {*}'
    names.push(name)
  }
  return names
}
