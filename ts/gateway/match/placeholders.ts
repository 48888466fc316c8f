// `{name}` and `{*}` in the texts that routes make paths of (`rewrite`, `redirect.to`), taken apart at load; and which
// characters of a request may go into such a text as they are.
import { readTarget } from '../../config/path-pattern.ts'
import type { ActionPlan } from '../../config/plan.ts'

/** Literal texts, and between them names; `*` is the rest of a prefix. `literals` is one longer than `names`. */
export interface Template {
  readonly literals: readonly string[]
  readonly names: readonly string[]
}

/** Throws an Error for braces that are no placeholder. */
export function parseTemplate(text: string): Template {
  const names = readTarget(text)
  if (typeof names === 'string') throw new Error(`"${text}": expected ${names}`)
  return { literals: text.split(/\{[^}]*\}/), names }
}

export function usesRest(action: ActionPlan): boolean {
  const text = action.kind === 'forward' ? action.rewrite : action.kind === 'redirect' ? action.to : null
  return text !== null && parseTemplate(text).names.includes('*')
}

/** Where a client's text is put: each place has characters that would end it or begin something else. */
export const Place = { path: 1, queryValue: 2, query: 4 } as const
export type Place = (typeof Place)[keyof typeof Place]

/** Visible ASCII, which native/head lets into a path or a query, without what means something in the place. */
const allowed = new Uint8Array(128)
for (let code = 0x21; code < 0x7f; code++) {
  const character = String.fromCharCode(code)
  if (!'#?\\'.includes(character)) allowed[code]! |= Place.path
  if (!'#\\&+=;'.includes(character)) allowed[code]! |= Place.queryValue
  if (!'#\\'.includes(character)) allowed[code]! |= Place.query
}

/**
 * A client's text, already percent-encoded, with whatever may not stand in this place escaped as well: controls, space,
 * `#`, `?` in a path, backslashes (browsers take them for slashes), `&` in a value. Mostly the same string comes back.
 */
export function inserted(text: string, place: Place): string {
  for (let i = 0; i < text.length; i++) if (!fits(text.charCodeAt(i), place)) return escaped(text, place)
  return text
}

const fits = (code: number, place: Place): boolean => code < 128 && (allowed[code]! & place) !== 0

function escaped(text: string, place: Place): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    out += fits(byte, place) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
