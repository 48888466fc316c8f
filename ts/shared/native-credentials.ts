// The addon's consumers, keys and client certificates: types, and the numbers that are said instead of a place. Called by the
// guard stage. No key that is given here can be read back.

export interface NativeCredentials {
  /** A number for `consumerHow`, valid until `dropConsumer`. Throws TypeError for what is no name, or too many. */
  consumer(name: string): number
  dropConsumer(consumer: number): void
  /** Keys by their SHA-256, 32 bytes each; `header`: where `findKey` reads. A number, valid until `dropKeyRing`. */
  keyRing(digests: Uint8Array, header: string | null): number
  dropKeyRing(ring: number): void
  /** The key's place in the ring, or a KeyLookup: of the slot's head, or of a text. */
  findKey(ring: number, slot: number): number
  findKeyText(ring: number, text: string): number
  /**
   * Client certificates by what they say, a list for each owner: `subject:`, `dns:`, `uri:`, `email:` or `sha256:` and the
   * text, as `ts/config/certificate-names.ts` writes it. A number, valid until `dropCertificateRing`.
   */
  certificateRing(owners: readonly (readonly string[])[]): number
  dropCertificateRing(ring: number): void
  /** Whose the certificate is that the client of the slot has shown: a place among the owners, or a CertificateLookup. */
  findCertificate(ring: number, slot: number): number
}

/** What `findKey` says where there is no key of the ring. */
export const KeyLookup = { missing: -1, ambiguous: -2, unknown: -3 } as const

/** What `findCertificate` says where there is no owner, or one whose certificate's time is over. */
export const CertificateLookup = { missing: -1, ambiguous: -2, unknown: -3, expired: -4 } as const
