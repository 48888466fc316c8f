// What an API key can be. The configuration refuses others; native/keys, which hashes no others, says the same.

export const maxKeyChars = 512

/** Printable ASCII without blanks. */
export const isKeyText = (text: string): boolean => text.length <= maxKeyChars && /^[\x21-\x7e]+$/.test(text)
