// The addon's signature verifiers and signers: types, and the numbers that are said instead of a credential's place. Called
// by the guard stage and the forward stage. No secret that is given here can be read back.

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
  /**
   * After one of those codes, once, with the whole body. A place or a refusal; `too-old` where it comes more than
   * `withinSeconds` after its head, by the same clock; 0: it may come whenever it does.
   */
  verifySignedBody(slot: number, body: Uint8Array | ArrayBuffer, withinSeconds: number, nowSeconds?: number): number
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

/** '' and [] where the scheme has no such thing. */
export interface UpstreamSignerOptions {
  /** cavage, rfc9421 or sigv4. */
  readonly scheme: string
  readonly keyId: string
  /** A secret, or a private key (PKCS #8, DER). */
  readonly key: Uint8Array
  readonly algorithm: string
  readonly dialect: string
  /** Headers and components, as the scheme writes them; those headers that a request lacks are not signed. */
  readonly cover: readonly string[]
  readonly tag: string
  /** 0: signatures do not say. */
  readonly expiresAfterSeconds: number
  readonly region: string
  readonly service: string
  readonly asSent: boolean
  /** Bodies are sent without being signed. */
  readonly unsignedBody: boolean
  /** How the upstream is reached. */
  readonly tls: boolean
}

export interface NativeSigners {
  /** A number above 0 for `submit` and `compose`, valid until `dropUpstreamSigner`. Throws TypeError for what cannot sign. */
  upstreamSigner(options: UpstreamSignerOptions): number
  dropUpstreamSigner(signer: number): void
  /** Before `submit`: the whole body that the slot's request is sent with. Good for all its attempts. */
  signBody(slot: number, body: Uint8Array): void
  /** Of a request that has no slot; an empty body for none. '' where it cannot be signed. */
  signHead(signer: number, head: string, body: Uint8Array): string
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
