// ${NAME} in texts of the configuration: environment variables. Called while the document is read; its errors name
// variables, never their values.

export interface Substitution {
  readonly text: string
  /** `${NAME}` of the variables that were used, or null if there was none. */
  readonly from: string | null
  /** What is wrong, and the piece of the text that shows where. */
  readonly errors: readonly { readonly piece: string; readonly message: string }[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/** `$${` (a literal `${`), `${NAME}`, `${NAME:-default}`; or a `${` that is neither. */
const pieces = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}|\$\{/g

export function substitute(text: string, environment: Environment): Substitution {
  if (!text.includes('${')) return { text, from: null, errors: [] }
  const used: string[] = []
  const errors: { piece: string; message: string }[] = []
  const result = text.replace(pieces, (piece: string, name?: string, hasDefault?: string, byDefault?: string) => {
    if (piece === '$${') return '${'
    if (name === undefined) {
      errors.push({
        piece,
        message: 'found ${ without a name and }, expected ${NAME} or ${NAME:-default}; $${ stands for ${',
      })
      return ''
    }
    used.push(`\${${name}}`)
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    // As in a shell: `:-` also stands in for an empty value.
    if (hasDefault !== undefined) return value === undefined || value === '' ? byDefault! : value
    if (value === undefined) {
      errors.push({ piece, message: `environment variable ${name} is not set; set it, or write \${${name}:-default}` })
    }
    return value ?? ''
  })
  return { text: result, from: used.length > 0 ? [...new Set(used)].join(' and ') : null, errors }
}
