// What the schema cannot say: relations between values. A rule looks at the written tree, which may be wrong elsewhere,
// so it passes over whatever is not there or not of its kind; the schema has said that already.
import { child, describe, nodeOf, type Node } from '../nodes.ts'
import type { Problems, Trail } from '../problems.ts'
import type { ObjectShape } from '../shapes.ts'

export type Rule = (root: Node, problems: Problems) => void

/** `found …, expected …` for a value that is well-formed but does not fit the others. */
export const misfit = (problems: Problems, node: Node, trail: Trail | null, expected: string): void =>
  problems.add(node.offset, trail, `found ${describe(node)}, expected ${expected}`)

/** What a key stands for: what is written, or else the default that the schema has for it. */
export function orDefault(shape: ObjectShape, node: Node | undefined, key: string): Node | undefined {
  const byDefault = shape.keys[key]?.default
  return child(node, key) ?? (byDefault === undefined ? undefined : nodeOf(byDefault, node?.offset ?? 0))
}
