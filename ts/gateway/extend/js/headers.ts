// `headers` as authors of JavaScript plugins see them: what came, with the edits of this call on top. Edits are only written
// down here; they hold for the request when the call has ended well.
import { EditKind, editParts, type Edits } from '../outcome.ts'

/** Headers without the edits of this call. */
export interface HeaderSource {
  /** Values of a name in lower case, in their order. */
  header(name: string): readonly string[]
  /** Names in lower case. */
  headers(): readonly (readonly [name: string, value: string])[]
}

/** Where a call's edits are written down. */
export interface EditList {
  edits: Edits | null
}

export class PluginHeaders {
  readonly #source: HeaderSource
  readonly #list: EditList

  constructor(source: HeaderSource, list: EditList) {
    this.#source = source
    this.#list = list
  }

  /** The first value of a name, in any case. */
  get(name: string): string | undefined {
    return this.getAll(name)[0]
  }

  getAll(name: string): readonly string[] {
    const wanted = String(name).toLowerCase()
    let values = this.#source.header(wanted)
    const { edits } = this.#list
    if (edits === null) return values
    for (let at = 0; at < edits.length; at += editParts) {
      if (String(edits[at + 1]).toLowerCase() !== wanted) continue
      const value = String(edits[at + 2])
      if (edits[at] === EditKind.set) values = [value]
      else if (edits[at] === EditKind.remove) values = []
      else if (edits[at] === EditKind.append) values = [...values, value]
    }
    return values
  }

  /** One value in place of all. */
  set(name: string, value: string): void {
    this.#write(EditKind.set, name, value)
  }

  append(name: string, value: string): void {
    this.#write(EditKind.append, name, value)
  }

  delete(name: string): void {
    this.#write(EditKind.remove, name, '')
  }

  /** Names in lower case, a pair a value. */
  entries(): (readonly [name: string, value: string])[] {
    let pairs = [...this.#source.headers()]
    const edits = this.#list.edits ?? []
    for (let at = 0; at < edits.length; at += editParts) {
      const [kind, name, value] = [edits[at], String(edits[at + 1]).toLowerCase(), String(edits[at + 2])]
      if (kind === EditKind.set || kind === EditKind.remove) pairs = pairs.filter(([one]) => one !== name)
      if (kind === EditKind.set || kind === EditKind.append) pairs.push([name, value])
    }
    return pairs
  }

  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.entries()[Symbol.iterator]()
  }

  #write(kind: number, name: string, value: string): void {
    // A call that gives a list or an object means something that headers cannot say; `${}` would hide it.
    if (typeof name !== 'string' || typeof value !== 'string') {
      throw new TypeError(`a header's name and value are texts, not ${typeof name} and ${typeof value}`)
    }
    ;(this.#list.edits ??= []).push(kind, name, value)
  }
}
