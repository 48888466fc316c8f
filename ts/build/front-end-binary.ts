// Build step: makes the uWebSockets.js binary load on glibc 2.36 and 2.37 (Debian 12). Run after `npm ci`; its exported
// parts are tested. The packaged file wants three C23 names (`__isoc23_strtol` and its like) at version GLIBC_2.38;
// an edited copy asks for the plain names instead. Must never touch the original, nor a file that it does not know.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../shared/native.ts'

/** SHA-256 of the files that the edits were made for: @btc-vision/uwebsockets.js 20.57.0. */
export const knownBinaries: Readonly<Record<string, string>> = {
  'uws_linux_x64_115.node': '5b126ee00bf754b02e97e4c27090365a8562c5820c93f93918ac2212d4503e91',
  'uws_linux_x64_127.node': '4b55b1f2cb7a7913febbb65a89496412b96af77e838552980092ba6b33723aac',
  'uws_linux_x64_137.node': '98128405dba2fb608448e921a979530f70c946a2cc9889c15f2fa70c2d00ab05',
  'uws_linux_x64_141.node': '813d788b347c6fd76b779d8932311ec05a044e612b4b83af220f16e6ea789683',
  'uws_linux_arm64_115.node': '6bdbc8ff976b4371af1906175e9025804bacc38a414969f4f02314e6b99f206c',
  'uws_linux_arm64_127.node': '82b79bd18d1e3563de336156005bd01b7f39fc387b65173d69a29da4ee79f895',
  'uws_linux_arm64_137.node': '88618b30ddf6b2b62310db89f40a701616676352aac5e0f6184dd8ef876199ce',
  'uws_linux_arm64_141.node': '81d0186dd1549ed6a7f47e68e323573fc27d69d2920527654ce2dd993af2b0ec',
}

/** `__isoc23_strtol` differs from `strtol` only in accepting a `0b` prefix, which uWebSockets.js never meets. */
const c23Prefix = '__isoc23_'
const c23Names = ['sscanf', 'strtol', 'strtoul'].map(name => c23Prefix + name)
const unmetVersion = 'GLIBC_2.38'

const elfMachines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 }
const sectionType = { dynamicSymbols: 11, versionNeeds: 0x6ffffffe, symbolVersions: 0x6fffffff }
const weakFlag = 2
const unversioned = 1
const symbolBytes = 24

interface Section {
  readonly type: number
  readonly offset: number
  readonly size: number
  readonly link: number
  readonly info: number
}

/** Why a file was not edited; the message names the file and what was found. */
export class UnexpectedBinary extends Error {}

function sectionsOf(bytes: Buffer, arch: string): Section[] {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) throw new UnexpectedBinary('not an ELF file')
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new UnexpectedBinary('not a 64-bit little-endian ELF file')
  const machine = bytes.readUInt16LE(0x12)
  if (machine !== elfMachines[arch]) throw new UnexpectedBinary(`ELF machine ${machine} is not ${arch}`)
  const tableOffset = Number(bytes.readBigUInt64LE(0x28))
  const entryBytes = bytes.readUInt16LE(0x3a)
  return Array.from({ length: bytes.readUInt16LE(0x3c) }, (_, index) => {
    const at = tableOffset + index * entryBytes
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
      info: bytes.readUInt32LE(at + 44),
    }
  })
}

function sectionOf(sections: readonly Section[], type: number): Section {
  const found = sections.filter(section => section.type === type)
  if (found.length !== 1 || !found[0]) throw new UnexpectedBinary(`${found.length} sections of type ${type}`)
  return found[0]
}

/** Offset of the one GLIBC_2.38 entry in .gnu.version_r (Elf64_Vernaux). */
function unmetNeed(bytes: Buffer, needs: Section, text: (offset: number) => string): number {
  const found: number[] = []
  let need = needs.offset
  for (let i = 0; i < needs.info; i++) {
    let entry = need + bytes.readUInt32LE(need + 8)
    for (let j = 0; j < bytes.readUInt16LE(need + 2); j++) {
      if (text(bytes.readUInt32LE(entry + 8)) === unmetVersion) found.push(entry)
      entry += bytes.readUInt32LE(entry + 12)
    }
    need += bytes.readUInt32LE(need + 12)
  }
  if (found.length !== 1 || found[0] === undefined) {
    throw new UnexpectedBinary(`${found.length} needs of ${unmetVersion}, 1 was expected`)
  }
  return found[0]
}

/**
 * A copy of an ELF shared object that no longer insists on GLIBC_2.38. Three kinds of edits: the version's entry becomes
 * weak, the `__isoc23_` symbols lose their prefix (the plain name is the tail of the same string) and their version.
 * Throws UnexpectedBinary where anything but those symbols has that version.
 */
export function withoutGlibc238(original: Buffer, arch: string): Buffer {
  const bytes = Buffer.from(original)
  const sections = sectionsOf(bytes, arch)
  const symbols = sectionOf(sections, sectionType.dynamicSymbols)
  const versions = sectionOf(sections, sectionType.symbolVersions)
  const strings = sections[symbols.link]
  if (!strings) throw new UnexpectedBinary('dynamic symbols without strings')
  const text = (offset: number): string => {
    const start = strings.offset + offset
    return bytes.toString('latin1', start, bytes.indexOf(0, start))
  }
  const need = unmetNeed(bytes, sectionOf(sections, sectionType.versionNeeds), text)
  const versionIndex = bytes.readUInt16LE(need + 6)
  bytes.writeUInt16LE(bytes.readUInt16LE(need + 4) | weakFlag, need + 4)
  let edited = 0
  for (let i = 0; i < symbols.size / symbolBytes; i++) {
    const versionAt = versions.offset + i * 2
    if ((bytes.readUInt16LE(versionAt) & 0x7fff) !== versionIndex) continue
    const symbolAt = symbols.offset + i * symbolBytes
    const nameOffset = bytes.readUInt32LE(symbolAt)
    if (!c23Names.includes(text(nameOffset))) {
      throw new UnexpectedBinary(`${text(nameOffset)} needs ${unmetVersion} too: it has no older equivalent`)
    }
    bytes.writeUInt32LE(nameOffset + c23Prefix.length, symbolAt)
    bytes.writeUInt16LE(unversioned, versionAt)
    edited++
  }
  if (edited === 0) throw new UnexpectedBinary(`no symbol needs ${unmetVersion}`)
  return bytes
}

/** Whether this C library lacks GLIBC_2.38, yet has everything else that the binaries want (GLIBC_2.36). */
export function wantsEditedCopy(platform: string, glibc: string | undefined): boolean {
  const [major, minor] = (glibc ?? '').split('.').map(Number)
  return platform === 'linux' && major === 2 && minor !== undefined && minor >= 36 && minor < 38
}

/**
 * Writes an edited copy of each known binary of `arch` from folder `from` to folder `to`, for every Node version, since
 * tests run under more than one. Returns the files written. Throws UnexpectedBinary, and then has written none.
 */
export function writeEditedCopies(from: string, to: string, arch: string): string[] {
  const names = Object.keys(knownBinaries).filter(name => name.startsWith(`uws_linux_${arch}_`))
  const copies = names.map(name => {
    const original = readFileSync(join(from, name))
    const sum = createHash('sha256').update(original).digest('hex')
    if (sum !== knownBinaries[name]) {
      throw new UnexpectedBinary(`${join(from, name)}: SHA-256 is ${sum}, expected ${knownBinaries[name]}`)
    }
    try {
      return withoutGlibc238(original, arch)
    } catch (error) {
      throw new UnexpectedBinary(`${join(from, name)}: ${(error as Error).message}`)
    }
  })
  mkdirSync(to, { recursive: true })
  return names.map((name, index) => {
    const target = join(to, name.replace('_linux', ''))
    // Renamed into place: a running worker may have the old file mapped, and must not see it change.
    writeFileSync(`${target}.new`, copies[index] as Buffer)
    renameSync(`${target}.new`, target)
    return target
  })
}

function main(): void {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  if (!wantsEditedCopy(process.platform, report.header.glibcVersionRuntime)) return
  const from = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'))
  try {
    const written = writeEditedCopies(from, join(packageRoot, 'dist', 'native'), process.arch)
    console.log(`uWebSockets.js: ${written.length} copies written for glibc ${report.header.glibcVersionRuntime}`)
  } catch (error) {
    console.error(`uWebSockets.js cannot be made to load on glibc ${report.header.glibcVersionRuntime}:`)
    console.error(error instanceof UnexpectedBinary ? error.message : error)
    process.exit(1)
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) main()
