// Pins the operational log: one line an event, nothing that is logged can pass for a line of its own, JSON on demand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../../ts/shared/log.ts'

const lines: string[] = []
const write = (line: string): void => void lines.splice(0, lines.length, line)

test('plain: control characters and line ends stay within their line', () => {
  const log = createLog('worker 1', { json: false, write })
  log.warn('two\nlines\u001b[31m', { reason: 'a\nb "c"', plain: 'http://127.0.0.1:1', none: undefined })
  assert.match(
    lines[0]!,
    /^\d{4}-\d\d-\d\dT[\d:.]+Z warn {2}worker 1: two\n {4}lines\?\[31m reason="a\\nb \\"c\\"" plain=http:\/\/127\.0\.0\.1:1\n$/,
  )
})

test('JSON: one object a line', () => {
  const log = createLog('control', { json: true, write })
  log.error('a\nb', { code: 1 })
  const { time, ...rest } = JSON.parse(lines[0]!) as Record<string, unknown>
  assert.match(String(time), /Z$/)
  assert.deepEqual(rest, { level: 'error', component: 'control', message: 'a\nb', code: 1 })
})

test('what is below the level is not written', () => {
  const log = createLog('control', { level: 'warn', write })
  lines.length = 0
  log.info('no')
  log.debug('no')
  assert.deepEqual(lines, [])
  log.warn('yes')
  assert.equal(lines.length, 1)
})
