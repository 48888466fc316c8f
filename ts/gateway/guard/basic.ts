// Guard: HTTP Basic (RFC 7617) says which consumer the client is. Passwords are known by their argon2 or bcrypt hash alone,
// which is computed on other threads than the loop's; what it has said is remembered for a while (native/passwords).
import type { BasicGuardPlan } from '../../config/plan.ts'
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { PasswordCheck, type PasswordAccount } from '../../shared/native-passwords.ts'
import type { Consumer, Exchange, Verdict } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { credentialOutcome, type Consumers } from './consumers.ts'
import type { Passwords } from './passwords.ts'

interface PasswordOwner {
  readonly consumer: Consumer
  /** Unix time from which on the password is refused. */
  readonly notAfterMs: number
  /** For limits by key. */
  readonly credential: string
}

/** The passwords of a plan. */
export interface KnownPasswords {
  /** By number of the hash. */
  readonly owners: readonly PasswordOwner[]
  /** Made for the first guard that asks. */
  accounts(): number
  release(): void
}

export function knowPasswords({ list }: Consumers, passwords: Passwords): KnownPasswords {
  const users = new Map<string, { owners: PasswordOwner[]; hashes: string[] }>()
  for (const consumer of list) {
    for (const { username, hash, notAfterMs } of consumer.plan.passwords) {
      const user = users.get(username) ?? { owners: [], hashes: [] }
      users.set(username, user)
      user.owners.push({ consumer, notAfterMs: notAfterMs ?? Infinity, credential: `basic:${username}` })
      user.hashes.push(hash)
    }
  }
  let accounts: number | null = null
  return {
    owners: [...users.values()].flatMap(({ owners }) => owners),
    accounts: () =>
      (accounts ??= passwords.know(
        [...users].map(([username, { hashes }]): PasswordAccount => ({ username, hashes })),
      )),
    release() {
      if (accounts !== null) passwords.drop(accounts)
    },
  }
}

const refusals: Readonly<Record<number, readonly [outcome: GuardOutcome, detail: string]>> = {
  [PasswordCheck.missing]: [GuardOutcome.basicMissing, 'username and password are needed'],
  [PasswordCheck.ambiguous]: [GuardOutcome.basicAmbiguous, 'more than one Authorization header'],
  [PasswordCheck.malformed]: [GuardOutcome.basicMalformed, 'the credentials are malformed'],
  // One answer for both: who exists is nobody's business.
  [PasswordCheck.unknown]: [GuardOutcome.basicUnknown, 'username or password is not valid'],
  [PasswordCheck.wrong]: [GuardOutcome.basicWrong, 'username or password is not valid'],
}

export function basicGuard(
  { realm }: BasicGuardPlan,
  known: KnownPasswords,
  passwords: Passwords,
  count: CountOutcome,
): Stage {
  const { owners } = known
  const accounts = known.accounts()
  const { admit, refuse } = credentialOutcome(count, `Basic realm="${realm}", charset="UTF-8"`)

  function fail(exchange: Exchange, outcome: GuardOutcome): Verdict {
    count(exchange.routeId, outcome)
    exchange.refusedFor = outcome
    if (outcome === GuardOutcome.basicFailed) return exchange.refuse('internal', 'the password could not be verified')
    return exchange.refuse('overloaded', 'too many passwords wait to be verified', [['retry-after', '1']])
  }

  function conclude(exchange: Exchange, found: number): Verdict {
    const owner = owners[found]
    if (owner !== undefined) {
      if (owner.notAfterMs === Infinity || Date.now() < owner.notAfterMs) {
        return admit(exchange, owner.consumer, GuardOutcome.basicAdmitted, owner.credential)
      }
      return refuse(exchange, GuardOutcome.basicExpired, 'username or password is not valid')
    }
    const refusal = refusals[found]
    if (refusal !== undefined) return refuse(exchange, ...refusal)
    return fail(exchange, found === PasswordCheck.overloaded ? GuardOutcome.basicOverloaded : GuardOutcome.basicFailed)
  }

  return exchange => passwords.check(accounts, exchange, conclude)
}
