// Pins: the README's table of answers and ts/shared/errors.ts say the same, both ways: status, code, whether the request
// may be sent again; and no place in the source makes up a code of its own.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorKinds, publicCode, type ErrorCode } from '../../ts/shared/errors.ts'

const root = join(import.meta.dirname, '..', '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

const rows = [...readme.matchAll(/^\| (\d{3}) \| `(\w+)` \| (.+) \| (yes|no) \|$/gm)].map(
  ([, status, code, when, again]) => ({ key: `${status} ${code} ${again}`, when: when! }),
)
const codes = Object.keys(errorKinds) as ErrorCode[]
const wanted = codes.map(code => {
  const { status, retryable } = errorKinds[code]
  return `${status} ${publicCode(code)} ${retryable ? 'yes' : 'no'}`
})

test('the table in the README has every kind, and no other', () => {
  assert.deepEqual(rows.map(row => row.key).sort(), wanted.sort())
})

test('in order of status, each row with a reason of its own', () => {
  const statuses = rows.map(row => row.key.slice(0, 3))
  assert.deepEqual(statuses, statuses.toSorted())
  for (const { key, when } of rows) assert.ok(when.trim().length > 10, key)
})

test('a title belongs to one status', () => {
  const titles = new Map<string, number>()
  for (const { title, status } of Object.values(errorKinds)) {
    assert.equal(titles.get(title) ?? status, status, title)
    titles.set(title, status)
  }
})

test('what is said to be kept is given by nothing yet, and the rest by something', () => {
  const sources = readdirSync(join(root, 'ts'), { recursive: true, encoding: 'utf8' }).filter(
    file => file.endsWith('.ts') && file !== join('shared', 'errors.ts'),
  )
  const all = sources.map(file => readFileSync(join(root, 'ts', file), 'utf8')).join('\n')
  for (const code of codes) {
    const kept = rows.some(({ key, when }) => key.split(' ')[1] === publicCode(code) && when.startsWith('kept '))
    // Given below JavaScript (native/downstream); the metrics count it.
    assert.equal(all.includes(`'${code}'`), !kept, code)
  }
})
