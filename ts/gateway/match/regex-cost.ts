// How long a regular expression may take, found from its text while routes are compiled. V8 backtracks, and clients
// choose what it is run on: an expression that may need exponential or cubic time is refused, a quadratic one gets a
// limit on length. Called by regex.ts only. It may call a harmless expression costly, never a costly one harmless.
//
// A repetition is settled when what it repeats and what may follow have no first character in common (`[^/]+` before
// `/`): giving back characters then fails at once. Each unsettled one multiplies how often what comes after is tried.
import { parseRegex, type Branch, type Chars, type Item } from './regex-parts.ts'

/** More optional or alternative parts than this that could both take the same character: 2^n ways to fail. */
const maxChoices = 6

interface State {
  /** The present place may be reached length^reached times. */
  reached: number
  /** Time is length^degree at most. */
  degree: number
  choices: number
}

/** The power of the length that its running time grows with: 1 linear, 2 quadratic. Throws an Error for exponential. */
export function regexDegree(source: string): number {
  const pattern = parseRegex(source)
  const anchored = pattern.every(branch => branch[0]?.kind === 'anchor' && branch[0].source === '^')
  const state = { reached: anchored ? 0 : 1, degree: 1, choices: 0 }
  walkBranches(pattern, nothing, state)
  if (state.choices > maxChoices) throw new Error('has too many optional parts that take the same characters')
  return state.degree
}

const nothing: Chars = new Uint8Array(256)

function walkBranches(branches: readonly Branch[], following: Chars, state: State): void {
  const { reached } = state
  let furthest = reached
  for (const branch of branches) {
    state.reached = reached
    walkBranch(branch, following, state)
    furthest = Math.max(furthest, state.reached)
  }
  state.reached = furthest
  if (branches.length > 1 && !disjoint(branches, following)) state.choices++
}

function walkBranch(branch: Branch, following: Chars, state: State): void {
  branch.forEach((item, i) => {
    if (item.kind === 'anchor') return
    const after = firstOf(branch.slice(i + 1), following)
    if (item.kind === 'look') {
      const { reached } = state
      walkBranches(item.branches, nothing, state)
      state.reached = reached
      return
    }
    const own = firstOfItem(item, nothing)
    const settled = !meet(own, after)
    if (item.max <= 1) {
      if (item.kind === 'group') walkBranches(item.branches, after, state)
      if (item.min === 0 && !settled) state.choices++
      return
    }
    if (item.kind === 'group') walkRepeated(item.branches, union(own, after), state)
    if (item.min === item.max) return
    state.degree = Math.max(state.degree, state.reached + 1)
    if (!settled) state.reached++
  })
}

/** The text inside a repeated group must be taken in one way only; two ways, repeated, are exponentially many. */
function walkRepeated(branches: readonly Branch[], following: Chars, state: State): void {
  const inside = { reached: state.reached, degree: state.degree, choices: 0 }
  walkBranches(branches, following, inside)
  if (inside.reached > state.reached || inside.choices > 0 || branches.some(isNullable)) {
    throw new Error('repeats a group whose text can be split in several ways: it could take exponential time')
  }
  state.degree = inside.degree
}

function isNullable(branch: Branch): boolean {
  return branch.every(
    item =>
      item.kind === 'anchor' ||
      item.kind === 'look' ||
      item.min === 0 ||
      (item.kind === 'group' && item.branches.some(isNullable)),
  )
}

/** First characters of a branch; `following` where it may be empty. After `$` comes nothing. */
function firstOf(branch: Branch, following: Chars): Chars {
  let first = nothing
  for (const item of branch) {
    if (item.kind === 'look') continue
    if (item.kind === 'anchor') {
      if (item.source === '$') return first
      continue
    }
    first = union(first, firstOfItem(item, nothing))
    const skipped = item.min === 0 || (item.kind === 'group' && item.branches.some(isNullable))
    if (!skipped) return first
  }
  return union(first, following)
}

function firstOfItem(item: Item, following: Chars): Chars {
  if (item.kind === 'chars') return item.chars
  if (item.kind !== 'group') return nothing
  return item.branches.map(branch => firstOf(branch, following)).reduce(union, nothing)
}

function disjoint(branches: readonly Branch[], following: Chars): boolean {
  let seen = nothing
  for (const branch of branches) {
    const first = firstOf(branch, following)
    if (meet(seen, first)) return false
    seen = union(seen, first)
  }
  return true
}

const union = (a: Chars, b: Chars): Chars => a.map((has, i) => has | b[i]!)
const meet = (a: Chars, b: Chars): boolean => a.some((has, i) => (has & b[i]!) !== 0)
