// The upstream's reply while plugins look at it, and edits of its head. Used by response.ts and the runtimes.
import { headerProblem } from './header-text.ts'
import { EditKind, editParts, type Edits } from './outcome.ts'

/** Its head as the upstream client gave it, and its body where a plugin has asked for it. */
export interface UpstreamReply {
  status: number
  /** Header lines, each as `\r\nname: value`; latin-1. */
  block: string
  /** Null where no plugin of the route wants it. */
  body: Uint8Array | null
  /** Something of its head is not the upstream's any more. */
  edited: boolean
}

/** Name and value of each line. */
export function* linesOf(block: string): Generator<[name: string, value: string]> {
  for (let from = 0; from < block.length;) {
    let end = block.indexOf('\r\n', from + 2)
    if (end < 0) end = block.length
    const colon = block.indexOf(':', from + 2)
    yield [block.slice(from + 2, colon), block.slice(colon + 1, end).trim()]
    from = end
  }
}

/** Null, or why the edits cannot be made; then none is. */
export function editReply(reply: UpstreamReply, edits: Edits): string | null {
  let { block } = reply
  for (let at = 0; at < edits.length; at += editParts) {
    const [kind, name, value] = [edits[at], String(edits[at + 1]), String(edits[at + 2])]
    if (kind !== EditKind.set && kind !== EditKind.append && kind !== EditKind.remove) {
      return 'a response has no such part to edit'
    }
    const problem = headerProblem(name, value)
    if (problem !== null) return problem
    if (kind !== EditKind.append) block = without(block, name.toLowerCase())
    if (kind !== EditKind.remove) block += `\r\n${name}: ${value}`
  }
  reply.block = block
  reply.edited = true
  return null
}

function without(block: string, wanted: string): string {
  let kept = ''
  for (const [name, value] of linesOf(block)) if (name.toLowerCase() !== wanted) kept += `\r\n${name}: ${value}`
  return kept
}
