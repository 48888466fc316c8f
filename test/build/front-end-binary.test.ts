// Pins: the edited copy of uWebSockets.js differs from the original in exactly the bytes of the three edits, loads in
// this Node, and is refused for anything that the edits were not made for.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  knownBinaries,
  UnexpectedBinary,
  wantsEditedCopy,
  withoutGlibc238,
  writeEditedCopies,
} from '../../ts/build/front-end-binary.ts'

const packaged = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'))
const scratch = mkdtempSync(join(tmpdir(), 'front-end-binary-'))
after(() => rmSync(scratch, { recursive: true }))

const original = (name: string): Buffer => readFileSync(join(packaged, name))
const archOf = (name: string): string => name.split('_')[2] as string

/** Overwrites the first occurrence of an ASCII text in a copy, with one of the same length. */
function replaced(bytes: Buffer, from: string, to: string): Buffer {
  assert.equal(from.length, to.length)
  const copy = Buffer.from(bytes)
  const at = copy.indexOf(from)
  assert.notEqual(at, -1)
  copy.write(to, at, 'latin1')
  return copy
}

describe('refused', () => {
  const x64 = original('uws_linux_x64_115.node')
  const refuses = (bytes: Buffer, message: RegExp, arch = 'x64'): void =>
    assert.throws(
      () => withoutGlibc238(bytes, arch),
      (error: Error) => error instanceof UnexpectedBinary && message.test(error.message),
    )

  test('what is not an ELF file', () => {
    refuses(Buffer.alloc(0), /not an ELF file/)
    refuses(Buffer.from('#!/bin/sh\n'.repeat(20)), /not an ELF file/)
  })
  test('a 32-bit or big-endian ELF file', () => {
    const narrow = Buffer.from(x64)
    narrow[4] = 1
    refuses(narrow, /not a 64-bit/)
    const bigEndian = Buffer.from(x64)
    bigEndian[5] = 2
    refuses(bigEndian, /little-endian/)
  })
  test('the binary of another machine', () => refuses(x64, /ELF machine 62 is not arm64/, 'arm64'))
  test('another symbol at GLIBC_2.38', () => refuses(replaced(x64, '__isoc23_strtol', '__isoc23_strtox'), /strtox/))
  test('no need of GLIBC_2.38', () => refuses(replaced(x64, 'GLIBC_2.38', 'GLIBC_2.39'), /0 needs of GLIBC_2.38/))
  test('a file that was edited before', () => {
    // Its entry is still there, but no symbol refers to it.
    refuses(withoutGlibc238(x64, 'x64'), /no symbol needs/)
  })

  test('a file with another checksum: nothing is written', () => {
    const from = join(scratch, 'tampered')
    cpSync(packaged, from, { recursive: true, filter: source => !/darwin|win32|_arm64_/.test(source) })
    const bytes = original('uws_linux_x64_137.node')
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(join(from, 'uws_linux_x64_137.node'), bytes)
    const to = join(scratch, 'none')
    assert.throws(() => writeEditedCopies(from, to, 'x64'), /uws_linux_x64_137\.node: SHA-256 is .*, expected 9812/)
    assert.throws(() => readdirSync(to), { code: 'ENOENT' })
  })
})

describe('edited', () => {
  for (const name of Object.keys(knownBinaries)) {
    test(`${name}: one flag, and name and version of each symbol`, () => {
      const before = original(name)
      const edited = withoutGlibc238(before, archOf(name))
      assert.equal(edited.length, before.length)
      const changes: string[] = []
      for (let at = 0; at < before.length; at++) {
        if (before[at] !== edited[at]) changes.push(`${before[at]}>${edited[at]}`)
      }
      // Per symbol: the low byte of st_name (+9, no carry in these files or one more byte), and the version index.
      const symbols = archOf(name) === 'x64' ? 3 : 2
      const versionIndex = archOf(name) === 'x64' ? 20 : 13
      assert.equal(changes.filter(change => change === `${versionIndex}>1`).length, symbols)
      assert.equal(changes.filter(change => change === '0>2').length, 1)
      const nameChanges = changes.filter(change => change !== `${versionIndex}>1` && change !== '0>2')
      const added = nameChanges.filter(change => {
        const [from, to] = change.split('>').map(Number) as [number, number]
        return (from + 9) % 256 === to
      })
      const carried = nameChanges.filter(change => {
        const [from, to] = change.split('>').map(Number) as [number, number]
        return from + 1 === to
      })
      assert.equal(added.length, symbols)
      assert.equal(added.length + carried.length, nameChanges.length)
    })
  }

  test('copies of all Node versions are written, and the one of this Node loads', t => {
    const to = join(scratch, 'copies')
    if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return t.skip('Linux only')
    const written = writeEditedCopies(packaged, to, process.arch)
    assert.deepEqual(
      written.map(file => file.slice(to.length + 1)),
      ['115', '127', '137', '141'].map(modules => `uws_${process.arch}_${modules}.node`),
    )
    assert.deepEqual(readdirSync(to).sort(), written.map(file => file.slice(to.length + 1)).sort())
    const file = join(to, `uws_${process.arch}_${process.versions.modules}.node`)
    const script = `const uws = require(${JSON.stringify(file)}); uws.App().any('/*', () => {}).close(); console.log('loaded')`
    const child = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
    assert.equal(child.stdout, 'loaded\n', child.stderr)
    assert.equal(child.status, 0)
  })
})

test('only glibc 2.36 and 2.37 want the copy', () => {
  assert.equal(wantsEditedCopy('linux', '2.36'), true)
  assert.equal(wantsEditedCopy('linux', '2.37'), true)
  assert.equal(wantsEditedCopy('linux', '2.35'), false)
  assert.equal(wantsEditedCopy('linux', '2.38'), false)
  assert.equal(wantsEditedCopy('linux', '3.37'), false)
  assert.equal(wantsEditedCopy('linux', undefined), false, 'musl')
  assert.equal(wantsEditedCopy('darwin', undefined), false)
})
