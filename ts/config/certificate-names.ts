// What a configuration says of client certificates, in the one spelling that native/certificates writes what a certificate
// says in: so that two texts are equal if and only if they mean the same. Used by the schema, its rules and compile.
//
// Subjects are compared as a whole and exactly: order, case and blanks of values count, spelling of types and escapes does
// not. Host names and the domains of e-mail addresses are compared without case, all else with it.
import { isIP } from 'node:net'
import { serverName } from './formats.ts'

/** Types by their lower-case names: RFC 4514 section 3, and OpenSSL's names of others. `TYPES` in native/certificates. */
const attributeTypes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    CN: '2.5.4.3',
    L: '2.5.4.7',
    ST: '2.5.4.8',
    O: '2.5.4.10',
    OU: '2.5.4.11',
    C: '2.5.4.6',
    street: '2.5.4.9',
    DC: '0.9.2342.19200300.100.1.25',
    UID: '0.9.2342.19200300.100.1.1',
    SN: '2.5.4.4',
    GN: '2.5.4.42',
    serialNumber: '2.5.4.5',
    title: '2.5.4.12',
    description: '2.5.4.13',
    businessCategory: '2.5.4.15',
    postalCode: '2.5.4.17',
    name: '2.5.4.41',
    initials: '2.5.4.43',
    generationQualifier: '2.5.4.44',
    dnQualifier: '2.5.4.46',
    pseudonym: '2.5.4.65',
    organizationIdentifier: '2.5.4.97',
    emailAddress: '1.2.840.113549.1.9.1',
  }).flatMap(([name, number]) => [
    [name.toLowerCase(), name],
    [number, name],
  ]),
)

const expectedSubject = 'a subject as of RFC 4514, its last part first, as CN=alice,O=Example,C=NL'
const expectedType = `${expectedSubject}; a type that has no short name here is a dotted number, and its value #hexadecimal`

export interface Subject {
  /** In the one spelling. */
  readonly text: string
}

/** A text is what was expected instead. */
export function readSubject(text: string): Subject | string {
  const sets: string[][] = [[]]
  let rest = text
  for (;;) {
    const [, written = '', behind = ''] = /^ *([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *= *(.*)$/s.exec(rest) ?? []
    if (written === '') return expectedSubject
    const type = attributeTypes.get(written.toLowerCase())
    if (type === undefined && !/^\d/.test(written)) return expectedType
    const value = type === undefined ? readBytes(behind) : readValue(behind)
    if (value === null) return type === undefined ? expectedType : expectedSubject
    sets.at(-1)!.push(`${type ?? written}=${value.text}`)
    const separator = value.rest.charAt(0)
    if (separator === '') break
    if (separator === ',') sets.push([])
    rest = value.rest.slice(1)
  }
  return { text: sets.map(attributes => attributes.sort().join('+')).join(',') }
}

interface Part {
  readonly text: string
  /** Begins with a separator, or is ''. */
  readonly rest: string
}

/** Of a type whose values we do not know: the bytes of its DER. */
function readBytes(text: string): Part | null {
  const [, digits, rest = ''] = /^#((?:[0-9a-f]{2})+) *((?:[,+].*)?)$/is.exec(text) ?? []
  return digits === undefined ? null : { text: `#${digits.toLowerCase()}`, rest }
}

function readValue(text: string): Part | null {
  const [found = ''] = /^(?:[^"+,;<>\\\0]|\\(?:[ "#+,;<=>\\]|[0-9a-fA-F]{2}))*/s.exec(text) ?? []
  const rest = text.slice(found.length)
  if (found.startsWith('#') || !/^(?:[,+]|$)/.test(rest)) return null
  const characters = found.match(/\\[0-9a-fA-F]{2}|\\.|./gsu) ?? []
  while (characters.at(-1) === ' ') characters.pop()
  if (characters.length === 0) return null
  const bytes = Buffer.concat(
    characters.map(one =>
      /^\\../s.test(one) ? Buffer.from(one.slice(1), 'hex') : Buffer.from(one.replace(/^\\/, '')),
    ),
  )
  return bytes.equals(Buffer.from(bytes.toString())) ? { text: escapeValue(bytes), rest } : null
}

function escapeValue(bytes: Buffer): string {
  const last = bytes.length - 1
  return [...bytes]
    .map((byte, at) => {
      const character = String.fromCharCode(byte)
      const hidden =
        byte < 0x20 ||
        byte > 0x7e ||
        (character === ' ' && (at === 0 || at === last)) ||
        (character === '#' && at === 0)
      if (hidden) return `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`
      return '"+,;<>\\'.includes(character) ? `\\${character}` : character
    })
    .join('')
}

export const subject = (text: string): string | null => {
  const read = readSubject(text)
  return typeof read === 'string' ? read : null
}

/** `dns:`, `uri:` or `email:` and the name; null where it is none of these. */
export function alternativeNameKey(text: string): string | null {
  if (!/^[\x21-\x7e]+$/.test(text)) return null
  if (/^[a-z][a-z0-9+.-]*:./i.test(text)) return `uri:${text}`
  const [, local, domain] = /^([^@]+)@([^@]+)$/.exec(text) ?? []
  if (local !== undefined && domain !== undefined) return `email:${local}@${domain.toLowerCase()}`
  return serverName(text) === null && isIP(text) === 0 ? `dns:${text.toLowerCase()}` : null
}

export const alternativeName = (text: string): string | null =>
  alternativeNameKey(text) === null ? 'a host name, a URI or an e-mail address, without wildcards' : null

export const fingerprint = (text: string): string | null =>
  /^(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i.test(text)
    ? null
    : 'a SHA-256 of 64 hexadecimal digits, with or without colons between the bytes'

export interface CertificateConfig {
  readonly subject: string | null
  readonly san: string | null
  readonly sha256: string | null
}

/** What the addon's ring knows it by; null where a text is not what its check wants. */
export function certificateKey({ subject: name, san, sha256 }: CertificateConfig): string | null {
  if (name !== null) {
    const read = readSubject(name)
    return typeof read === 'string' ? null : `subject:${read.text}`
  }
  if (san !== null) return alternativeNameKey(san)
  return sha256 === null || fingerprint(sha256) !== null ? null : `sha256:${sha256.replaceAll(':', '').toLowerCase()}`
}
