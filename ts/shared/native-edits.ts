// Types and constants of the addon's edits: what plugins have changed of the request in a slot. Plugins in JavaScript
// make them one crossing each; guards, plugins and the upstream read the request with them, the log and signatures as
// the client sent it. The Rust side is native/head; test/shared/request-edits.test.ts compares the table here with it.

export interface NativeEditsModule {
  /** For the test of the table below. */
  editRefusals(): string[]
}

/**
 * Each call takes the slot of RequestHeads; edits are gone with the slot's request. Texts: a character is a byte
 * (latin-1); bytes do as well. An edit returns 0, a code of `editRefusals` (then nothing has changed), or `noHead`.
 */
export interface NativeEdits {
  /** Replaces all fields of the name (any case, `_` as `-`). */
  setHeader(slot: number, name: string, value: string | Uint8Array): number
  /** Adds a field behind those that are there. */
  appendHeader(slot: number, name: string, value: string | Uint8Array): number
  /** One that is not there is no error. */
  removeHeader(slot: number, name: string): number
  setMethod(slot: number, method: string): number
  /** Sent upstream as `host`, whatever the route says: `host[:port]`. */
  setHost(slot: number, host: string): number
  /** Sent upstream, whatever the route makes of its path; brought to its normal form. Begins with `/`, no query. */
  setPath(slot: number, path: string): number
  /** Without `?`; '' takes the query away. */
  setQuery(slot: number, query: string): number
  /** What goes upstream has a body of this length, whatever the client sent. */
  setBodyLength(slot: number, length: number): number
  /** Remembers the edits so far; `restoreEdits` undoes those that came after. */
  saveEdits(slot: number): void
  restoreEdits(slot: number): void
  /**
   * To be called before hooks that run after the guards: a header that carries a credential on the request's route goes
   * upstream only if it is set after this.
   */
  guardsPassed(slot: number): number
  /** What the edits have made of the request, or what the client sent; '' for a slot without a head. */
  editedMethod(slot: number): string
  /** With its port where it has one. */
  editedHost(slot: number): string
  editedPath(slot: number): string
  /** Without `?`. */
  editedQuery(slot: number): string
}

/** What an edit says of a slot whose request has ended. */
export const noHead = -1

/** By code; what the plugin's author reads. 0 is no refusal. */
export const editRefusals: readonly (string | null)[] = [
  null,
  "the header's name is no token of letters, digits and !#$%&'*+-.^_`|~",
  'the header frames the message or speaks of the connection, and only the gateway writes it',
  'the host is not edited as a header: it has a call of its own',
  "the header's value has a control character, or white space at its ends",
  'the path does not begin with / or has a character that must be percent-encoded',
  'the path climbs above its root, or has a broken escape, a NUL or hidden dots',
  'the query has a character that must be percent-encoded',
  'the method is not a token of 1 to 32 characters, or it is CONNECT',
  'the method of HEAD, of a WebSocket and of OPTIONS * stays, and no other becomes HEAD',
  'the host is not a valid host name or address with an optional port',
  'the edits of this message are too many, or too large',
  'the status is not between 200 and 599',
  'the plugin has not asked for this body',
  'the name or the value in the context is too long, or the name is empty',
  'no consumer has this name',
  'no upstream has this name',
  'this cannot be done in this hook',
]
