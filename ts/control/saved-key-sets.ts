// Issuers' keys on disk, beside the last good plan: a gateway that starts while an issuer is away goes on with the keys
// that it had. Public keys only; a file that is damaged or of another version is as good as none.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { jwtAlgorithms, type JwtAlgorithm, type JwtKeyPlan } from '../config/jwt-keys.ts'
import type { Log } from '../shared/log.ts'
import { packageVersion } from '../shared/native.ts'
import { writeWhole } from './write-whole.ts'

export interface SavedKeySet {
  readonly url: string
  readonly keys: readonly JwtKeyPlan[]
  /** Unix time. */
  readonly fetchedAtMs: number
}

interface SavedKeySets {
  readonly polygate: string
  readonly keySets: readonly SavedKeySet[]
}

export const keySetsFile = (lastGoodFile: string): string => join(dirname(lastGoodFile), 'key-sets.json')

/** Whole or not at all. Throws what the disk says. */
export function saveKeySets(file: string, keySets: readonly SavedKeySet[]): void {
  const content: SavedKeySets = { polygate: packageVersion, keySets }
  writeWhole(file, content)
}

/** By URL. */
export function readKeySets(file: string, log: Log): Map<string, SavedKeySet> {
  const sets = new Map<string, SavedKeySet>()
  let text
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return sets
  }
  try {
    const content = JSON.parse(text) as Partial<SavedKeySets> | null
    if (content?.polygate !== packageVersion) return sets
    for (const set of content.keySets ?? []) {
      if (!isSound(set)) throw new Error('not what was written')
      sets.set(set.url, set)
    }
  } catch {
    log.warn('the keys of the last run cannot be read; they are fetched anew', { file })
    sets.clear()
  }
  return sets
}

const isSound = ({ url, keys, fetchedAtMs }: SavedKeySet): boolean =>
  typeof url === 'string' && typeof fetchedAtMs === 'number' && Array.isArray(keys) && keys.every(isSoundKey)

const isSoundKey = ({ id, algorithms, spki, secret }: JwtKeyPlan): boolean =>
  (id === null || typeof id === 'string') &&
  typeof spki === 'string' &&
  secret === null &&
  algorithms.every((one: string) => jwtAlgorithms.includes(one as JwtAlgorithm))
