// Types and constants of the addon's verifier of JSON Web Tokens (native/signing/src/jwt.rs, native/addon/src/jwt.rs). The
// guard stage uses it.
import { GuardOutcome } from './guard-outcomes.ts'

export interface NativeTokens {
  /** A set of keys, from JSON as `KeySet::new` takes it. A number, valid until `dropJwtKeys`. Throws; shows no key. */
  jwtKeys(json: string): number
  dropJwtKeys(keys: number): void
  /**
   * From JSON as `Verifier::new` takes it. `header`: the one that `verifyJwt` reads; `isBearer`: it has `Bearer` before the
   * token. A number, valid until `dropJwtVerifier`. Throws TypeError.
   */
  jwtVerifier(json: string, header: string | null, isBearer: boolean): number
  dropJwtVerifier(verifier: number): void
  /** The token in the header of the slot: the consumer's number, or a JwtVerdict. Its claims go upstream. */
  verifyJwt(verifier: number, keys: number, slot: number): number
  verifyJwtText(verifier: number, keys: number, slot: number, token: string): number
  /** The claims of the slot's token do not go upstream. */
  dropClaims(slot: number): void
}

/** What is below 0 of the above: admitted as nobody, or refused. */
export const JwtVerdict = { nobody: -1, missing: -2, ambiguous: -3, unknownKey: -6, noKeys: -15 } as const

/** By JwtVerdict, of refusals: `jwtOutcomes[-verdict]`. In the order of the addon. */
export const jwtOutcomes: readonly GuardOutcome[] = [
  GuardOutcome.jwtAdmitted,
  GuardOutcome.jwtAdmitted,
  GuardOutcome.jwtMissing,
  GuardOutcome.jwtAmbiguous,
  GuardOutcome.jwtMalformed,
  GuardOutcome.jwtWrongAlgorithm,
  GuardOutcome.jwtUnknownKey,
  GuardOutcome.jwtBadSignature,
  GuardOutcome.jwtExpired,
  GuardOutcome.jwtNotYet,
  GuardOutcome.jwtWrongIssuer,
  GuardOutcome.jwtWrongAudience,
  GuardOutcome.jwtWrongType,
  GuardOutcome.jwtClaims,
  GuardOutcome.jwtUnknownConsumer,
  GuardOutcome.jwtNoKeys,
]
