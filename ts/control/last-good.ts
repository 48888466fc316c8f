// The last plan that all workers took, on disk: `run --last-good` starts with it when the configuration is broken at
// that moment. Written after each successful switch; that it cannot be written is the caller's warning, never a failure.
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Plan } from '../config/plan.ts'
import { packageVersion } from '../shared/native.ts'
import { writeWhole } from './write-whole.ts'

interface LastGood {
  /** Version of Polygate that wrote it: another one may read the same fields differently. */
  readonly polygate: string
  readonly savedAt: string
  readonly plan: Plan
}

/** `$POLYGATE_STATE_DIR/last-good-plan.json`, or `.polygate/last-good-plan.json` beside the configuration. */
export function lastGoodFile(configFile: string, env: NodeJS.ProcessEnv): string {
  const folder = env['POLYGATE_STATE_DIR'] || join(dirname(resolve(configFile)), '.polygate')
  return join(folder, 'last-good-plan.json')
}

/** The plan holds secrets, so nobody else may read it; the rename makes it whole or absent. Throws what the disk says. */
export function saveLastGood(file: string, plan: Plan): void {
  const content: LastGood = { polygate: packageVersion, savedAt: new Date().toISOString(), plan: withoutFiles(plan) }
  writeWhole(file, content)
}

/** Private keys and secrets stay where their owner has put them. */
function withoutFiles(plan: Plan): Plan {
  const secrets = plan.secrets.map(secret => ({ ...secret, value: '' }))
  return {
    ...plan,
    secrets,
    listen: plan.listen.map(one => (one.tls ? { ...one, tls: { ...one.tls, contents: {} } } : one)),
  }
}

/** Throws an Error with the reason where there is no usable one. */
export function readLastGood(file: string): { plan: Plan; savedAt: string } {
  const content = JSON.parse(readFileSync(file, 'utf8')) as Partial<LastGood> | null
  const plan = content?.plan
  if (content?.polygate !== packageVersion) {
    throw new Error(`${file} is of Polygate ${content?.polygate ?? '(unknown)'}, this is ${packageVersion}`)
  }
  if (typeof plan?.version !== 'string' || !Array.isArray(plan.listen) || !Array.isArray(plan.routes)) {
    throw new Error(`${file} holds no plan`)
  }
  return { plan, savedAt: content.savedAt ?? '' }
}
