// Brings a configured path into the one form in which paths are compared, that of native/head for requests, so that
// `/café`, `/caf%c3%a9` and `/caf%C3%A9` are one path (RFC 3986 section 6.2.2). Never decodes a reserved character.
// Works at load.

const unreserved = /[A-Za-z0-9._~-]/
/** What native/head lets through as it is: wider than the RFC, without the backslash that some servers take for `/`. */
const pathCharacter = /[\x21-\x7e]/
const encodedCharacter = /[#?\\]/

/** Percent-encodes what may not stand in a path, writes escapes in upper case, decodes escaped unreserved characters.
 *  Null where a `%` is not followed by two hexadecimal digits. */
export function normaliseLiteral(text: string): string | null {
  let out = ''
  for (let i = 0; i < text.length;) {
    const character = String.fromCodePoint(text.codePointAt(i)!)
    i += character.length
    if (character !== '%') {
      out += pathCharacter.test(character) && !encodedCharacter.test(character) ? character : percentEncode(character)
      continue
    }
    const digits = text.slice(i, i + 2)
    if (!/^[0-9a-fA-F]{2}$/.test(digits)) return null
    i += 2
    const decoded = String.fromCharCode(parseInt(digits, 16))
    out += unreserved.test(decoded) ? decoded : `%${digits.toUpperCase()}`
  }
  return out
}

function percentEncode(character: string): string {
  let out = ''
  for (const byte of Buffer.from(character, 'utf8')) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return out
}
