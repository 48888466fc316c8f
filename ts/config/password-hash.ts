// Hashes of passwords as the configuration may have them. native/passwords, which computes them, says the same (a test
// compares the two); here are the words for whoever writes one. Must not repeat what was found.

/** KiB of one argon2 hash, and KiB times passes: what a hash may cost is bounded, so that none can exhaust the machine. */
const maxMemoryKiB = 65_536
const maxWorkKiB = 262_144
const maxLanes = 16
const maxBcryptCost = 14

const number = '(0|[1-9][0-9]{0,8})'
const argon2Form = new RegExp(
  `^\\$argon2id?\\$v=19\\$m=${number},t=${number},p=${number}\\$([A-Za-z0-9+/]+)\\$([A-Za-z0-9+/]+)$`,
)
const bcryptForm = /^\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/
/** Whose last character has no bits that the bytes lack: four of them in a salt, two in a hash. */
const bcryptEnds = { salt: /[.Oeu]$/, hash: /[.CGKOSWaeimquy26]$/ }

/** Null, or what was expected. */
export function passwordHash(text: string): string | null {
  if (text.startsWith('$argon2')) return argon2Hash(text)
  if (/^\$2[abyx]?\$/.test(text)) return bcryptHash(text)
  if (/^\$[0-9a-z-]+\$|^\{[A-Z0-9]+\}/.test(text)) {
    return 'a hash by argon2 ($argon2id$...) or bcrypt ($2b$...): `polygate key hash` makes one'
  }
  return 'a hash ($argon2id$... or $2b$...) and not the password itself: `polygate key hash` makes one'
}

function argon2Hash(text: string): string | null {
  const parts = argon2Form.exec(text)
  if (parts === null) return 'argon2id or argon2i of version 19, as $argon2id$v=19$m=19456,t=2,p=1$salt$hash'
  const [memoryKiB = 0, passes = 0, lanes = 0] = parts.slice(1, 4).map(Number)
  if (lanes < 1 || lanes > maxLanes || passes < 1 || memoryKiB < 8 * lanes) {
    return `argon2 with t of at least 1, p from 1 to ${maxLanes}, and m of at least 8 p`
  }
  if (memoryKiB > maxMemoryKiB || memoryKiB * passes > maxWorkKiB) {
    return `argon2 with m of at most ${maxMemoryKiB}, and m times t of at most ${maxWorkKiB}`
  }
  const [salt, hash] = parts.slice(4).map(bytesOfBase64)
  return within(salt, 8, 64) && within(hash, 16, 64)
    ? null
    : 'argon2 with a salt of 8 to 64 bytes and a hash of 16 to 64'
}

const within = (value: number | null | undefined, least: number, most: number): boolean =>
  typeof value === 'number' && value >= least && value <= most

/** The length of what it stands for; null where it is not as it would be written. */
function bytesOfBase64(text: string): number | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64').replace(/=+$/, '') === text ? bytes.length : null
}

function bcryptHash(text: string): string | null {
  const [, cost, salt = '', hash = ''] = bcryptForm.exec(text) ?? []
  if (cost === undefined || !bcryptEnds.salt.test(salt) || !bcryptEnds.hash.test(hash)) {
    return 'bcrypt as $2b$12$, 22 characters of salt and 31 of hash ($2a$ and $2y$ will do)'
  }
  return within(Number(cost), 4, maxBcryptCost) ? null : `bcrypt with a cost from 4 to ${maxBcryptCost}`
}
