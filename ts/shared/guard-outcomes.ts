// What guards can decide, in one list: the guard stage names an outcome by its number, metrics count by it, control
// prints the words. Bounded by design: no outcome carries anything of a request.

export const guardOutcomes = [
  ['key', 'admitted'],
  ['key', 'missing'],
  ['key', 'ambiguous'],
  ['key', 'unknown'],
  ['key', 'expired'],
  ['rateLimit', 'admitted'],
  ['rateLimit', 'limited'],
  ['quota', 'admitted'],
  ['quota', 'exceeded'],
  ['limits', 'unavailable'],
  ['limits', 'skipped'],
  ['address', 'admitted'],
  ['address', 'not allowed'],
  ['address', 'denied'],
  ['consumers', 'differ'],
  ['concurrency', 'admitted'],
  ['concurrency', 'limited'],
] as const

export const GuardOutcome = {
  keyAdmitted: 0,
  keyMissing: 1,
  keyAmbiguous: 2,
  keyUnknown: 3,
  keyExpired: 4,
  rateAdmitted: 5,
  rateLimited: 6,
  quotaAdmitted: 7,
  quotaExceeded: 8,
  /** The limits file is away or full, and the request was refused. */
  limitsUnavailable: 9,
  /** The same, and the configuration says to let requests through then. */
  limitsSkipped: 10,
  addressAdmitted: 11,
  addressNotAllowed: 12,
  addressDenied: 13,
  /** Two credentials of one request belong to two consumers. */
  consumersDiffer: 14,
  concurrencyAdmitted: 15,
  concurrencyLimited: 16,
} as const

export type GuardOutcome = (typeof GuardOutcome)[keyof typeof GuardOutcome]

/** For a guard that has refused: what the log says. */
export const outcomeText = (outcome: GuardOutcome): string => guardOutcomes[outcome].join(' ')

/** The client has not sent the credential at all, rather than a wrong one. */
export const isMissing = (outcome: GuardOutcome): boolean => guardOutcomes[outcome][1] === 'missing'

/** Counts what a guard of a route has decided. */
export type CountOutcome = (routeId: number, outcome: GuardOutcome) => void
