// What guards can decide, in one table: the guard stage names an outcome, metrics count by its number, control prints the
// words. Bounded by design: no outcome carries anything of a request. `missing`: the credential was not sent at all.

const outcomes = {
  keyAdmitted: ['key', 'admitted'],
  keyMissing: ['key', 'missing'],
  keyAmbiguous: ['key', 'ambiguous'],
  keyUnknown: ['key', 'unknown'],
  keyExpired: ['key', 'expired'],
  rateAdmitted: ['rateLimit', 'admitted'],
  rateLimited: ['rateLimit', 'limited'],
  quotaAdmitted: ['quota', 'admitted'],
  quotaExceeded: ['quota', 'exceeded'],
  /** The limits file is away or full, and the request was refused. */
  limitsUnavailable: ['limits', 'unavailable'],
  /** The same, and the configuration says to let requests through then. */
  limitsSkipped: ['limits', 'skipped'],
  addressAdmitted: ['address', 'admitted'],
  addressNotAllowed: ['address', 'not allowed'],
  addressDenied: ['address', 'denied'],
  /** Two credentials of one request belong to two consumers. */
  consumersDiffer: ['consumers', 'differ'],
  concurrencyAdmitted: ['concurrency', 'admitted'],
  concurrencyLimited: ['concurrency', 'limited'],
  basicAdmitted: ['basic', 'admitted'],
  basicMissing: ['basic', 'missing'],
  basicAmbiguous: ['basic', 'ambiguous'],
  basicMalformed: ['basic', 'malformed'],
  /** There is no such user. */
  basicUnknown: ['basic', 'unknown'],
  /** There is, with another password. */
  basicWrong: ['basic', 'wrong'],
  basicExpired: ['basic', 'expired'],
  /** Too many hashes wait to be computed, or this one has waited for too long. */
  basicOverloaded: ['basic', 'overloaded'],
  /** The hash could not be computed. */
  basicFailed: ['basic', 'failed'],
  signatureAdmitted: ['signature', 'admitted'],
  // As native/signing calls its refusals, in their order: `signatureOutcome`.
  signatureMissing: ['signature', 'missing'],
  signatureMalformed: ['signature', 'malformed'],
  signatureDuplicate: ['signature', 'duplicate'],
  signatureUnknownKey: ['signature', 'unknown-key'],
  signatureNoActiveSecret: ['signature', 'no-active-secret'],
  signatureWrongAlgorithm: ['signature', 'wrong-algorithm'],
  signatureNotCovered: ['signature', 'not-covered'],
  signatureTooOld: ['signature', 'too-old'],
  signatureTooNew: ['signature', 'too-new'],
  signatureWrongDigest: ['signature', 'wrong-digest'],
  signatureBad: ['signature', 'bad-signature'],
  signatureImpossibleClock: ['signature', 'impossible-clock'],
  signatureOverloaded: ['signature', 'overloaded'],
  signatureReplayed: ['signature', 'replayed'],
  signatureElsewhere: ['signature', 'of another address'],
  /** Requests cannot be remembered, and the request was refused. */
  signatureStoreUnavailable: ['signature', 'store unavailable'],
  /** The same, and the configuration says to let requests through then. */
  signatureUnremembered: ['signature', 'admitted without memory'],
  jwtAdmitted: ['jwt', 'admitted'],
  jwtMissing: ['jwt', 'missing'],
  jwtAmbiguous: ['jwt', 'ambiguous'],
  jwtMalformed: ['jwt', 'malformed'],
  jwtWrongAlgorithm: ['jwt', 'wrong algorithm'],
  jwtUnknownKey: ['jwt', 'unknown key'],
  jwtBadSignature: ['jwt', 'bad signature'],
  jwtExpired: ['jwt', 'expired'],
  jwtNotYet: ['jwt', 'not yet'],
  jwtWrongIssuer: ['jwt', 'wrong issuer'],
  jwtWrongAudience: ['jwt', 'wrong audience'],
  jwtWrongType: ['jwt', 'wrong type'],
  /** A required claim is missing, or has another value. */
  jwtClaims: ['jwt', 'claims'],
  jwtUnknownConsumer: ['jwt', 'unknown consumer'],
  /** The issuer's keys have never been had. */
  jwtNoKeys: ['jwt', 'no keys'],
  certificateAdmitted: ['clientCertificate', 'admitted'],
  certificateMissing: ['clientCertificate', 'missing'],
  certificateAmbiguous: ['clientCertificate', 'ambiguous'],
  certificateUnknown: ['clientCertificate', 'unknown'],
  certificateExpired: ['clientCertificate', 'expired'],
  pluginAdmitted: ['plugin', 'admitted'],
  /** No plugin that could have known who the client is has named anybody. */
  pluginMissing: ['plugin', 'missing'],
  /** A plugin has named somebody whom the configuration does not have. */
  pluginUnknown: ['plugin', 'unknown'],
} as const satisfies Record<string, readonly [guard: string, outcome: string]>

/** By number: words for the metrics. */
export const guardOutcomes: readonly (readonly [guard: string, outcome: string])[] = Object.values(outcomes)

declare const isOutcome: unique symbol
/** A number, of the table above. */
export type GuardOutcome = number & { readonly [isOutcome]: true }

export const GuardOutcome = Object.fromEntries(Object.keys(outcomes).map((name, number) => [name, number])) as Readonly<
  Record<keyof typeof outcomes, GuardOutcome>
>

/** For a guard that has refused: what the log says. */
export const outcomeText = (outcome: GuardOutcome): string => guardOutcomes[outcome]!.join(' ')

/** The client has not sent the credential at all, rather than a wrong one. */
export const isMissing = (outcome: GuardOutcome): boolean => guardOutcomes[outcome]![1] === 'missing'

/** Counts what a guard of a route has decided. */
export type CountOutcome = (routeId: number, outcome: GuardOutcome) => void

/** For a refusal's number as the addon says it: -1, -2, ... */
export const signatureOutcome = (refusal: number): GuardOutcome =>
  (GuardOutcome.signatureMissing - 1 - refusal) as GuardOutcome
