// What an API key can be: the configuration refuses others, and the gateway hashes no others.

export const maxKeyChars = 512

/** Printable ASCII without blanks. No regular expression: it is asked for each request. */
export function isKeyText(text: string): boolean {
  if (text.length === 0 || text.length > maxKeyChars) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x21 || code > 0x7e) return false
  }
  return true
}
