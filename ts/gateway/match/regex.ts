// Regular expressions of paths and header rules, compiled once, with a bound on the time that a client can make them
// take (regex-cost.ts): linear ones take any length, quadratic ones `quadraticLength` characters, others are refused.
import { compileExpression, groupNames } from '../../config/path-pattern.ts'
import { regexDegree } from './regex-cost.ts'

/** Two million steps at most, some milliseconds. */
export const quadraticLength = 2048

const unlimited = 0x7fff_ffff

export interface GuardedRegex {
  readonly source: string
  /** Of its named groups, in the order of their appearance. */
  readonly names: readonly string[]
  /** A longer text must not be given to `test`. */
  readonly maxLength: number
  test(text: string): boolean
  /** Values of the named groups in a text that it matches; '' for one that took no part. */
  groups(text: string): string[]
}

/** Throws an Error whose message says what is wrong with the expression. */
export function compileRegex(source: string): GuardedRegex {
  const expression = compileExpression(source)
  if (typeof expression === 'string') throw new Error(`expected ${expression}`)
  const names = groupNames(source)
  return {
    source,
    names,
    maxLength: lengthFor(source),
    test: text => expression.test(text),
    groups(text) {
      const groups = expression.exec(text)?.groups
      return names.map(name => groups?.[name] ?? '')
    },
  }
}

function lengthFor(source: string): number {
  let degree: number
  try {
    degree = regexDegree(source)
  } catch (error) {
    throw new Error(`regular expression /${source}/ ${(error as Error).message}`, { cause: error })
  }
  if (degree > 2) {
    throw new Error(
      `regular expression /${source}/ could take cubic time: anchor it with ^, or let its repetitions end at a character that they can not take, as [^/]+ before /`,
    )
  }
  return degree === 2 ? quadraticLength : unlimited
}
