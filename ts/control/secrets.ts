// The secrets of a plan that comes from disk, which holds none: read again from where they came. What cannot be had stays
// out: requests signed with it are refused. Called by control when it starts on the last good plan.
import { readFileSync } from 'node:fs'
import { checksOf } from '../config/checks.ts'
import { readFailure } from '../config/files.ts'
import type { Plan, SecretPlan } from '../config/plan.ts'
import { secretBytes } from '../config/secrets.ts'

export interface Restored {
  readonly plan: Plan
  /** Who lacks what, and why; no secret is in it. */
  readonly missing: readonly string[]
}

export function restoreSecrets(plan: Plan, environment: NodeJS.ProcessEnv): Restored {
  const missing: string[] = []
  const secrets = plan.secrets.map((secret, place) => {
    const value = valueOf(secret, environment)
    if (typeof value !== 'string') return { ...secret, value: value.toString('base64') }
    for (const owner of ownersOf(plan, place)) missing.push(`${owner}: ${value}`)
    return secret
  })
  return { plan: { ...plan, secrets }, missing }
}

/** The bytes, or why there are none. */
function valueOf({ variable, file, encoding }: SecretPlan, environment: NodeJS.ProcessEnv): Buffer | string {
  const said = (value: Buffer | string, where: string): Buffer | string =>
    typeof value === 'string' ? `${where} does not hold ${value}` : value
  if (file !== null) {
    try {
      return said(secretBytes(readFileSync(file), encoding, true), file)
    } catch (error) {
      return `${file}: ${readFailure(error)}`
    }
  }
  if (variable === null) return 'its secret stood in the configuration itself'
  const text = environment[variable]
  if (text === undefined) return `environment variable ${variable} is not set`
  return said(secretBytes(Buffer.from(text), encoding), variable)
}

function ownersOf({ consumers, routes, upstreams }: Plan, place: number): string[] {
  const signing = consumers.flatMap(({ name, signing }) =>
    signing.flatMap(({ secret, scheme }) => (secret === place ? [`consumer ${name}, ${scheme}`] : [])),
  )
  const tokens = routes.filter(({ guards }) =>
    checksOf(guards).some(check => check.kind === 'jwt' && check.keys.some(({ secret }) => secret === place)),
  )
  const signed = upstreams.filter(({ sign }) => sign?.secret === place)
  return [
    ...signing,
    ...tokens.map(({ name }) => `route ${name}, jwt`),
    ...signed.map(({ name }) => `upstream ${name}, sign`),
  ]
}
