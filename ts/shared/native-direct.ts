// Types and constants of the requests that go past the front end: rows that say what has come, and a list of commands
// that says what is to be done. Both are memory that JavaScript and the addon share, so that neither costs a crossing.
// The Rust side is native/addon/src/direct.rs.

/** Valid until `onEvents` returns, but for `commands`. */
export interface DirectEvents {
  readonly rows: Int32Array
  readonly slab: Buffer
  readonly commands: Int32Array
}

/** Slots below are those that JavaScript chooses. */
export const firstDirectSlot = 0x8000

/** Ints of one row of `onEvents`, by index; from `head` on those of HeadInfo, for a request. */
export const EventRow = { slot: 0, kind: 1, head: 2, connectionRequests: 17, listener: 18 } as const
export const eventInts = 19

export const EventKind = {
  request: 0,
  /** The client went away. */
  gone: 1,
} as const

export const RespondFlag = {
  /** The connection closes after this response. */
  last: 1,
  /** Add `via: 1.1 polygate`. */
  via: 2,
  /** `answer`: neither body nor length. */
  bodiless: 4,
} as const

const Command = { forward: 1, relay: 2, cancel: 3, abort: 4, end: 5, done: 6 } as const
const commandInts = 5
/** Of forward's flags: from this bit on those of ForwardHow. */
const howShift = 8

/** Writes down what the addon does, in this order, when the callback that is running returns. */
export class DirectCommands {
  readonly #list: Int32Array
  readonly #most: number
  readonly #run: () => void

  /** `run`: does at once what is written down. */
  constructor(list: Int32Array, run: () => void) {
    this.#list = list
    this.#most = Math.floor((list.length - 1) / commandInts)
    this.#run = run
  }

  /**
   * Sends the tag's request upstream as it came. `flags`: bits of SubmitFlag, `how`: of ForwardHow. A failure comes as a
   * row of `onBatch`. Back-pressure is the addon's.
   */
  forward(tag: number, endpoint: number, flags: number, policy: number, how: number): void {
    this.#write(Command.forward, tag, endpoint, flags | (how << howShift), policy)
  }

  /**
   * Sends what a row of `onBatch` says of the slot's response. `edits`: of `responseEdits`, or 0.
   */
  relay(slot: number, row: number, flags: number, edits: number): void {
    this.#write(Command.relay, slot, row, flags, edits)
  }

  /** Forgets the upstream's part. */
  cancel(slot: number): void {
    this.#write(Command.cancel, slot, 0, 0, 0)
  }

  /** Closes the client's connection without another byte; the slot ends. */
  abort(slot: number): void {
    this.#write(Command.abort, slot, 0, 0, 0)
  }

  /** The slot's client is gone: answers an event that says so, whatever became of the request. */
  end(slot: number): void {
    this.#write(Command.end, slot, 0, 0, 0)
  }

  /** The response is complete: the slot ends when its last byte has left, or its client. */
  done(slot: number): void {
    this.#write(Command.done, slot, 0, 0, 0)
  }

  #write(what: number, slot: number, a: number, b: number, c: number): void {
    const list = this.#list
    if (list[0] === this.#most) this.#run()
    const at = 1 + list[0]! * commandInts
    list[at] = what
    list[at + 1] = slot
    list[at + 2] = a
    list[at + 3] = b
    list[at + 4] = c
    list[0]!++
  }
}
