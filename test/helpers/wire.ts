// A strict reader of HTTP/1.1 messages in bytes (RFC 9112), for both ends of a gateway under test. It notes every
// fault instead of repairing it: a lenient parser would hide what was really sent. Uses no HTTP library on purpose.

export interface WireMessage {
  readonly startLine: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly framing: 'none' | 'length' | 'chunked' | 'until-close'
  readonly body: Buffer
  readonly trailers: readonly (readonly [name: string, value: string])[]
  /** What a strict receiver objects to; empty for a well-formed message. */
  readonly faults: readonly string[]
  /** The same of the trailers, apart: who drops them may do so unread. */
  readonly trailerFaults: readonly string[]
  /** Bytes of the message, head and framing included. */
  readonly size: number
}

/** `partial`: what is known of an unfinished message; `body`: it lacks nothing but (the rest of) its trailers. */
export type Reading =
  | { readonly whole: WireMessage; readonly partial?: undefined }
  | {
      readonly whole?: undefined
      readonly partial: Partially
    }

interface Partially {
  readonly startLine: string | null
  readonly faults: readonly string[]
  readonly body?: Buffer
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const forbiddenInValue = /[\x00-\x08\x0a-\x1f\x7f]/
const isDigits = /^[0-9]+$/

export const valuesOf = (message: Pick<WireMessage, 'headers'>, name: string): string[] =>
  message.headers.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value)

type Field = readonly [name: string, value: string]

function readFields(lines: readonly string[], faults: string[]): Field[] {
  return lines.map((line): Field => {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1)
    if (colon < 0 || !token.test(name)) faults.push(`field line ${JSON.stringify(line.slice(0, 80))}`)
    if (forbiddenInValue.test(value))
      faults.push(`control character in the value of ${JSON.stringify(name.slice(0, 40))}`)
    return [name, value.replace(/^[ \t]+|[ \t]+$/g, '')]
  })
}

type Framing = { kind: 'none' | 'chunked' | 'until-close' } | { kind: 'length'; bytes: number }

/** RFC 9112 section 6.3, with every ambiguity noted. */
function readFraming(headers: readonly Field[], withoutLength: 'none' | 'until-close', faults: string[]): Framing {
  const lengths = valuesOf({ headers }, 'content-length')
  const codings = valuesOf({ headers }, 'transfer-encoding')
  if (lengths.length > 1) faults.push(`${lengths.length} content-length lines`)
  if (codings.length > 1) faults.push(`${codings.length} transfer-encoding lines`)
  if (lengths.length > 0 && codings.length > 0) faults.push('content-length and transfer-encoding')
  for (const one of lengths) if (!isDigits.test(one)) faults.push(`content-length ${JSON.stringify(one)}`)
  for (const one of codings)
    if (one.toLowerCase() !== 'chunked') faults.push(`transfer-encoding ${JSON.stringify(one)}`)
  if (codings.length > 0) return { kind: 'chunked' }
  const [length] = lengths
  return length === undefined ? { kind: withoutLength } : { kind: 'length', bytes: Number.parseInt(length, 10) || 0 }
}

interface Chunks {
  readonly body: Buffer
  readonly trailers: readonly Field[]
  readonly trailerFaults: readonly string[]
  /** null: the last chunk has come, but not the end of the trailers. */
  readonly end: number | null
}

/** null: more chunks are needed. A fault ends the reading at the end of the bytes: what follows has no meaning. */
function readChunks(bytes: Buffer, start: number, faults: string[]): Chunks | null {
  const parts: Buffer[] = []
  const fail = (fault: string): Chunks => {
    faults.push(fault)
    return { body: Buffer.concat(parts), trailers: [], trailerFaults: [], end: bytes.length }
  }
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1')
    const line = bytes.toString('latin1', at, lineEnd < 0 ? bytes.length : lineEnd)
    // What cannot become a size any more is a fault at once, without waiting for the end of its line.
    if (!/^[0-9A-Fa-f]{0,16}([ \t]*;[^\r\n\0]*)?\r?$/.test(line) || line.length > 8192) {
      return fail(`chunk size line ${JSON.stringify(line.slice(0, 40))}`)
    }
    if (lineEnd < 0) return null
    const size = /^[0-9A-Fa-f]+/.exec(line)?.[0]
    if (size === undefined || line.endsWith('\r')) return fail(`chunk size line ${JSON.stringify(line.slice(0, 40))}`)
    const length = Number.parseInt(size, 16)
    at = lineEnd + 2
    if (length === 0) return { body: Buffer.concat(parts), ...readTrailers(bytes, at) }
    if (bytes.length < at + length) return null
    const after = bytes.toString('latin1', at + length, at + length + 2)
    if (!'\r\n'.startsWith(after)) return fail('chunk without CRLF at its end')
    if (after.length < 2) return null
    parts.push(bytes.subarray(at, at + length))
    at += length + 2
  }
}

function readTrailers(bytes: Buffer, start: number): Omit<Chunks, 'body'> {
  const lines: string[] = []
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1')
    if (lineEnd < 0) return { trailers: [], trailerFaults: [], end: null }
    if (lineEnd === at) {
      const trailerFaults: string[] = []
      return { trailers: readFields(lines, trailerFaults), trailerFaults, end: at + 2 }
    }
    lines.push(bytes.toString('latin1', at, lineEnd))
    at = lineEnd + 2
  }
}

interface Head {
  readonly startLine: string
  readonly headers: Field[]
  readonly end: number
  readonly faults: string[]
}

function readHead(bytes: Buffer, start: number): Head | null {
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1')
  if (end < 0) return null
  const [startLine = '', ...lines] = bytes.toString('latin1', start, end).split('\r\n')
  const faults: string[] = []
  return { startLine, headers: readFields(lines, faults), end: end + 4, faults }
}

function readBodyOf(bytes: Buffer, start: number, head: Head, framing: Framing, ended: boolean): Reading {
  const { startLine, headers, faults } = head
  const done = (
    body: Buffer,
    end: number,
    trailers: readonly Field[] = [],
    trailerFaults: readonly string[] = [],
  ): Reading => ({
    whole: { startLine, headers, framing: framing.kind, body, trailers, trailerFaults, faults, size: end - start },
  })
  const unfinished: Reading = { partial: { startLine, faults } }
  switch (framing.kind) {
    case 'none':
      return done(Buffer.alloc(0), head.end)
    case 'length': {
      const end = head.end + framing.bytes
      return bytes.length < end ? unfinished : done(bytes.subarray(head.end, end), end)
    }
    case 'chunked': {
      const chunks = readChunks(bytes, head.end, faults)
      if (!chunks) return unfinished
      if (chunks.end === null) return { partial: { startLine, faults, body: chunks.body } }
      return done(chunks.body, chunks.end, chunks.trailers, chunks.trailerFaults)
    }
    case 'until-close':
      return ended ? done(bytes.subarray(head.end), bytes.length) : unfinished
  }
}

const noHead: Reading = { partial: { startLine: null, faults: [] } }

/** Reads one request that begins at `start`. */
export function readRequest(bytes: Buffer, start = 0): Reading {
  const head = readHead(bytes, start)
  if (!head) return noHead
  const line = /^([^ ]+) ([\x21-\x7e]+) HTTP\/1\.[01]$/.exec(head.startLine)
  if (!line || !token.test(line[1] ?? ''))
    head.faults.push(`request line ${JSON.stringify(head.startLine.slice(0, 80))}`)
  const hosts = valuesOf(head, 'host')
  if (hosts.length !== 1 && !(hosts.length === 0 && head.startLine.endsWith('HTTP/1.0'))) {
    head.faults.push(`${hosts.length} host lines`)
  }
  return readBodyOf(bytes, start, head, readFraming(head.headers, 'none', head.faults), false)
}

/** Reads one response to a request of `method`; `ended`: the peer has closed, no byte will follow. */
export function readResponse(bytes: Buffer, start: number, method: string, ended: boolean): Reading {
  const head = readHead(bytes, start)
  if (!head) return noHead
  const line = /^HTTP\/1\.[01] ([1-5][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*$/.exec(head.startLine)
  if (!line) head.faults.push(`status line ${JSON.stringify(head.startLine.slice(0, 80))}`)
  const status = Number(line?.[1] ?? 0)
  const framing = readFraming(head.headers, 'until-close', head.faults)
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304
  if (bodiless && (status < 200 || status === 204) && framing.kind !== 'until-close') {
    head.faults.push(`framing header in a response of status ${status}`)
  }
  return readBodyOf(bytes, start, head, bodiless ? { kind: 'none' } : framing, ended)
}

export const statusOf = (message: Pick<WireMessage, 'startLine'>): number => Number(message.startLine.slice(9, 12))
export const methodOf = (message: Pick<WireMessage, 'startLine'>): string =>
  message.startLine.slice(0, message.startLine.indexOf(' '))
export const targetOf = (message: Pick<WireMessage, 'startLine'>): string => message.startLine.split(' ')[1] ?? ''
