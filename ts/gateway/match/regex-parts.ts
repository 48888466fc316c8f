// Takes a regular expression apart as far as regex-cost.ts must know it: branches, groups, repetitions, and which
// characters one position takes. The expression has been compiled before, so its syntax is right. Refuses what can not
// be bounded: back-references.

/** 1 at the codes (0 to 255) of the characters that are taken. Paths are ASCII, header values Latin-1. */
export type Chars = Uint8Array

export type Item =
  | { readonly kind: 'chars'; readonly chars: Chars; readonly min: number; readonly max: number }
  | { readonly kind: 'group'; readonly branches: readonly Branch[]; readonly min: number; readonly max: number }
  /** Looks ahead or behind; takes nothing. */
  | { readonly kind: 'look'; readonly branches: readonly Branch[] }
  | { readonly kind: 'anchor'; readonly source: string }

export type Branch = readonly Item[]

export function parseRegex(source: string): readonly Branch[] {
  const reader = { source, at: 0 }
  return readBranches(reader)
}

interface Reader {
  readonly source: string
  at: number
}

function readBranches(reader: Reader): readonly Branch[] {
  const branches: Item[][] = [[]]
  while (reader.at < reader.source.length && reader.source[reader.at] !== ')') {
    if (reader.source[reader.at] === '|') {
      reader.at++
      branches.push([])
    } else branches.at(-1)!.push(readItem(reader))
  }
  return branches
}

const sticky = (expression: RegExp, { source, at }: Reader): RegExpExecArray | null => {
  expression.lastIndex = at
  return expression.exec(source)
}

const anchor = /\^|\$|\\[bB]/y
const opening = /\((\?:|\?<?[=!]|\?<[^>]*>)?/y
const backReference = /\\[1-9k]/y
const oneCharacter = /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|c[A-Za-z]|[^])|\[(?:\\[^]|[^\]\\])*\]|[^]/y
const repetition = /(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/y

function readItem(reader: Reader): Item {
  const anchored = sticky(anchor, reader)
  if (anchored) {
    reader.at += anchored[0].length
    return { kind: 'anchor', source: anchored[0] }
  }
  const open = sticky(opening, reader)
  if (open) {
    reader.at += open[0].length
    if (open[1] === undefined && reader.source[reader.at] === '?')
      throw new Error('has a kind of group that is not supported')
    const branches = readBranches(reader)
    reader.at++
    const looks = open[1] !== undefined && /^\?<?[=!]$/.test(open[1])
    const { min, max } = readRepetition(reader)
    return looks ? { kind: 'look', branches } : { kind: 'group', branches, min, max }
  }
  if (sticky(backReference, reader)) throw new Error('has a back-reference, whose time can not be bounded')
  const one = sticky(oneCharacter, reader)![0]
  reader.at += one.length
  return { kind: 'chars', chars: charsOf(one), ...readRepetition(reader) }
}

function readRepetition(reader: Reader): { readonly min: number; readonly max: number } {
  const found = sticky(repetition, reader)
  if (!found) return { min: 1, max: 1 }
  reader.at += found[0].length
  const [, sign, least, comma, most] = found
  if (sign !== undefined) return { min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Infinity }
  const min = Number(least)
  return { min, max: comma === '' ? min : most === '' ? Infinity : Number(most) }
}

/** Sets of classes and escapes, by source: a configuration has few distinct ones, and asking takes 10 us. */
const known = new Map<string, Chars>()
const maxKnown = 1000

/** Asks the engine itself, one character after the other. */
function charsOf(source: string): Chars {
  const cached = known.get(source)
  if (cached) return cached
  const expression = new RegExp(`^(?:${source})$`)
  const chars = Uint8Array.from({ length: 256 }, (_, code) => (expression.test(String.fromCharCode(code)) ? 1 : 0))
  if (known.size === maxKnown) known.clear()
  known.set(source, chars)
  return chars
}
