// Where a `request` of a JavaScript plugin gets what its author asks for: the exchange itself, inline, or a snapshot of it in
// a thread.
import type { HeaderSource } from './headers.ts'

export interface RequestSource extends HeaderSource {
  readonly method: string
  readonly scheme: string
  /** With its port where it has one. */
  readonly host: string
  readonly path: string
  readonly query: string
  /** Null: the plugin has not asked for it. */
  readonly body: Uint8Array | null
  readonly remoteAddress: string
  readonly requestId: string
  readonly route: string
  readonly consumer: string | null
  context(name: string): string | undefined
}

/** Of a flat list: name, value, name, value, ... */
export function pairsOf(flat: readonly string[]): (readonly [name: string, value: string])[] {
  const pairs: (readonly [string, string])[] = []
  for (let at = 0; at < flat.length; at += 2) pairs.push([flat[at]!, flat[at + 1]!])
  return pairs
}

export function valuesIn(flat: readonly string[], name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at < flat.length; at += 2) if (flat[at] === name) values.push(flat[at + 1]!)
  return values
}
