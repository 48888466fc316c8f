// Pins how a cookie is read: whole names only, blanks around names and values, the first one or the only one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstCookie, onlyCookie } from '../../ts/shared/cookies.ts'

const cases: readonly (readonly [header: string, first: string | undefined, only?: null])[] = [
  ['', undefined],
  ['xsid=1', undefined],
  ['sidx=1', undefined],
  ['SID=1', undefined],
  ['a=sid=1', undefined],
  ['a; sid', ''],
  [';;; ;', undefined],
  ['si; d=1', undefined],
  ['\xa0sid=1', undefined],
  ['sid\xa0=1', undefined],
  ['\u000bsid=1', undefined],
  ['sid', ''],
  ['sid=', ''],
  ['sid;=1', ''],
  ['sid=1', '1'],
  ['a=b; sid=1; c=d', '1'],
  ['a=b;\tsid = 1 ;c=d', '1'],
  ['sid=\xa01', '\xa01'],
  ['sid=a=b', 'a=b'],
  ['sid="q"', '"q"'],
  ['a; sid=1', '1'],
  ['sid=1; sid=2', '1', null],
  ['sid=1; sid=1', '1', null],
  ['sid; sid=1', '', null],
  ['sid=;sid', '', null],
]
for (const [header, first, only] of cases) {
  test(`cookies: ${JSON.stringify(header)}`, () => {
    assert.equal(firstCookie(header, 'sid'), first)
    assert.equal(onlyCookie(header, 'sid'), only === undefined ? first : only)
  })
}
