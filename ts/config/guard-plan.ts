// The part of the plan (plan.ts) that is about consumers and guards.
import type { LimitWindow } from '../shared/native-limits.ts'
import type { SignatureScheme } from './signature-schemes.ts'
import type { JwtAlgorithm, JwtKeyPlan } from './jwt-keys.ts'

/** Its id is its index. Nothing here is a secret that could be used. */
export interface ConsumerPlan {
  readonly name: string
  readonly keys: readonly ConsumerKeyPlan[]
  readonly passwords: readonly ConsumerPasswordPlan[]
  readonly signing: readonly SigningKeyPlan[]
  /** Tokens that are about it. */
  readonly subjects: readonly SubjectPlan[]
  /** Keys of the addon's `certificateRing`, as certificate-names.ts writes them. */
  readonly certificates: readonly string[]
  /** Of its own, over all routes. */
  readonly limits: readonly OwnLimitPlan[]
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
}

/** One window by itself. Consumers with the same one share the rule and have each their own count. */
export interface OwnLimitPlan {
  readonly window: LimitWindow
  readonly onFailure: 'closed' | 'open'
}

export interface ConsumerKeyPlan {
  /** Of the key, in lower-case hexadecimal. */
  readonly sha256: string
  /** Unix time from which on it is refused; null: never. */
  readonly notAfterMs: number | null
}

/** The value of a claim, in tokens of one issuer, or of any (null). */
export interface SubjectPlan {
  readonly subject: string
  readonly issuer: string | null
}

export interface ConsumerPasswordPlan {
  readonly username: string
  /** argon2 or bcrypt. */
  readonly hash: string
  /** Unix time from which on it is refused; null: never. */
  readonly notAfterMs: number | null
}

/** A key by which a consumer signs: a secret, or a public key. */
export interface SigningKeyPlan {
  readonly scheme: SignatureScheme
  /** '' where the scheme names no key. */
  readonly keyId: string
  /** '' where the scheme has its own. */
  readonly algorithm: string
  /** Place in `secrets`, or null for a public key. */
  readonly secret: number | null
  /** SubjectPublicKeyInfo, DER in base64. */
  readonly publicKey: string | null
  /** Where the public key was read from. */
  readonly file: string | null
  /** Unix time, inclusive; null: for ever. */
  readonly notBeforeMs: number | null
  /** Unix time, exclusive. */
  readonly notAfterMs: number | null
}

/** One of the kinds of guards. */
export type CheckPlan =
  | KeyGuardPlan
  | BasicGuardPlan
  | SignatureGuardPlan
  | JwtGuardPlan
  | CertificateGuardPlan
  | AddressGuardPlan
  | LimitGuardPlan
  | ConcurrencyGuardPlan
  | OwnLimitsGuardPlan

export type GuardPlan = CheckPlan | AnyGuardPlan

/** The request must pass all guards of one of the lists; they are tried in their order. */
export interface AnyGuardPlan {
  readonly kind: 'any'
  readonly of: readonly (readonly CheckPlan[])[]
}

export interface KeyGuardPlan {
  readonly kind: 'key'
  readonly from: 'header' | 'query' | 'cookie'
  /** Headers in lower case. */
  readonly name: string
}

export interface BasicGuardPlan {
  readonly kind: 'basic'
  readonly realm: string
}

export interface SignatureGuardPlan {
  readonly kind: 'signature'
  readonly verifier: SignatureVerifierPlan
  /** `once`: a request is accepted once. `address`: the first address that uses a signature has it for itself. */
  readonly remember: 'nothing' | 'once' | 'address'
  /** More than twice the longest skew of the scheme's guards, and as long as a signed body may take. */
  readonly rememberSeconds: number
  readonly onFailure: 'closed' | 'open'
  readonly maxBodyBytes: number
  /** What carries key and signature: the log does not see it, nor the upstream, unless it shall. Headers in lower case. */
  readonly headers: readonly string[]
  readonly parameters: readonly string[]
  readonly forwardSignature: boolean
}

/** How a signature is verified, and with whose keys. '' and [] where the scheme has no such thing. */
export interface SignatureVerifierPlan {
  readonly scheme: SignatureScheme
  readonly skewSeconds: number
  /** Headers in lower case. */
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
  /** The one whose secrets count; null: all consumers' keys do. */
  readonly consumer: string | null
}

export interface JwtGuardPlan {
  readonly kind: 'jwt'
  readonly from: 'header' | 'query' | 'cookie'
  /** Headers in lower case. `authorization` has `Bearer` before the token. */
  readonly name: string
  /** The upstream sees the token. */
  readonly forward: boolean
  /** Control fetches the keys from there; null: they are these. */
  readonly jwks: string | null
  readonly keys: readonly JwtKeyPlan[]
  /** A token without `kid` is verified only if it fits at most so many keys. */
  readonly mostWithoutId: number
  /** Where keys were read from; absolute. */
  readonly files: readonly string[]
  readonly algorithms: readonly JwtAlgorithm[]
  /** [] = any. */
  readonly issuers: readonly string[]
  /** [] = none; null = any. */
  readonly audiences: readonly string[] | null
  readonly type: string | null
  readonly expiryRequired: boolean
  readonly clockSkewSeconds: number
  readonly required: readonly JwtRequirementPlan[]
  /** The claim that says which consumer it is; null: none does. */
  readonly consumerClaim: string | null
  readonly admitUnknown: boolean
  readonly headers: readonly { readonly name: string; readonly claim: string }[]
}

/** Neither `all` nor `any`: the claim must be there. */
export interface JwtRequirementPlan {
  readonly claim: string
  readonly all?: readonly ClaimValue[]
  readonly any?: readonly ClaimValue[]
}

export type ClaimValue = string | number | boolean

/** The client has a certificate of a consumer. */
export interface CertificateGuardPlan {
  readonly kind: 'certificate'
  /** In which the upstream is told of it. */
  readonly headers: readonly string[]
}

/** Clients in one of the blocks are let in, and nobody else; or they are refused, and nobody else. */
export interface AddressGuardPlan {
  readonly kind: 'address'
  readonly allow: boolean
  /** CIDR. */
  readonly blocks: readonly string[]
}

export type LimitedBy = 'address' | 'consumer' | 'key' | 'route' | 'header'

/** Requests of a route in flight at once. */
export interface ConcurrencyGuardPlan {
  readonly kind: 'concurrency'
  /** As of LimitGuardPlan. */
  readonly rule: string
  readonly by: LimitedBy
  readonly header: string
  readonly limit: number
  readonly onFailure: 'closed' | 'open'
}

/** Where the limits that a consumer has of its own are decided on a route without a limit by consumer. */
export interface OwnLimitsGuardPlan {
  readonly kind: 'own-limits'
}

/** Rate limits and quotas of a route by the same thing: they are decided together, and a request counts in all or none. */
export interface LimitGuardPlan {
  readonly kind: 'limit'
  /** Names the counts, in the file and in the RateLimit headers. */
  readonly rule: string
  readonly by: LimitedBy
  /** Of `by: header`, in lower case; else ''. */
  readonly header: string
  readonly windows: readonly LimitWindow[]
  /** What happens to a request that cannot be counted. */
  readonly onFailure: 'closed' | 'open'
}
