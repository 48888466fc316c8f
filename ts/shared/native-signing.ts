// The addon's signature verifiers: types, and the numbers that are said instead of a credential's place. Called by the
// guard stage. No secret that is given here can be read back.

/** A key by which requests are signed; its place in the list is what verification says. */
export interface SignatureCredential {
  /** The consumer's name. */
  readonly owner: string
  /** '' where the scheme names no key. */
  readonly keyId: string
  /** A secret, or a public key (SubjectPublicKeyInfo, DER). */
  readonly key: Uint8Array
  readonly public: boolean
  /** '' where the scheme has its own. */
  readonly algorithm: string
  /** Unix time, inclusive. */
  readonly notBeforeSeconds: number
  /** Unix time, exclusive; Infinity: never. */
  readonly notAfterSeconds: number
}

/** '' and [] where the scheme has no such thing. */
export interface SignatureVerifierOptions {
  readonly scheme: string
  readonly skewSeconds: number
  readonly keyHeader: string
  readonly header: string
  readonly keyParameter: string
  readonly parameter: string
  readonly dialect: string
  readonly required: readonly string[]
  readonly unsignedBody: boolean
  readonly tag: string
  readonly region: string
  readonly service: string
  readonly asSent: boolean
  readonly presigned: boolean
  /** One of `signatureKernels`, for Mashery's window; left out: the fastest. */
  readonly kernel?: string
  readonly credentials: readonly SignatureCredential[]
}

export interface NativeSignatures {
  /** A number, valid until `dropSignatureVerifier`. Throws TypeError for a key that does not fit. */
  signatureVerifier(options: SignatureVerifierOptions): number
  dropSignatureVerifier(verifier: number): void
  /**
   * Verifies the slot's head. `how`: `trusted` and `tls` of ForwardHow, and `replayUnwanted`. The credential's place, one of the codes below
   * where the body has to be looked at, or below 0 a refusal: -1 - its index in `signatureRefusals`. The time is the system's unless it is given.
   */
  verifySignature(verifier: number, slot: number, how: number, nowSeconds?: number): number
  /** After one of those codes, once, with the whole body. A place or a refusal. */
  verifySignedBody(slot: number, body: Uint8Array | ArrayBuffer): number
  /** Of Mashery's schemes, from two texts. */
  verifyMashery(verifier: number, key: string, signature: string, nowSeconds?: number): number
  /** How many secrets have a window's table now; grows by one when a key's signature is first looked at. */
  signatureTables(verifier: number): number
  /**
   * 32 bytes, always the same, that hold, after an accepted signature or `signedBodyNeeded`, what a replay is known by; of Mashery's schemes,
   * what an address is bound to.
   */
  signatureReplayValue(): Uint8Array
}

/** To be added to `how` where nothing is remembered: `signatureReplayValue` is left as it is. */
export const replayUnwanted = 16

/** The signature is good if the body is the one that was signed. */
export const signedBodyNeeded = 0x4000_0000
/** Nothing is known of the signature without the body. */
export const wholeBodyNeeded = signedBodyNeeded + 1

/** What `Refusal` in native/signing is called; a test compares. */
export const signatureRefusals = [
  'missing',
  'malformed',
  'duplicate',
  'unknown-key',
  'no-active-secret',
  'wrong-algorithm',
  'not-covered',
  'too-old',
  'too-new',
  'wrong-digest',
  'bad-signature',
  'impossible-clock',
  'overloaded',
] as const
