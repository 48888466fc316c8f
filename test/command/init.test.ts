// `polygate init`: overwrites nothing unasked; what it writes passes `check` and the schema that it writes beside.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { polygate, temporaryFolder } from './polygate.ts'

test('a file that is there stays as it is, and nothing else is written', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'polygate.yaml'), 'mine')
  const { status, output, errors } = await polygate(['init'], folder)
  assert.deepEqual([status, output], [1, ''])
  assert.equal(errors, 'polygate init: polygate.yaml exists; --force overwrites it\n')
  assert.equal(readFileSync(join(folder, 'polygate.yaml'), 'utf8'), 'mine')
  assert.ok(!existsSync(join(folder, 'polygate.schema.json')))
})

test('a schema file of somebody else stays, too', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'polygate.schema.json'), '{}')
  const { status, errors } = await polygate(['init'], folder)
  assert.equal(status, 1)
  assert.match(errors, /^polygate init: polygate\.schema\.json exists; --force overwrites it\n$/)
  assert.ok(!existsSync(join(folder, 'polygate.yaml')))
})

test('a place that cannot be written, two files', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'plain'), '')
  const inside = await polygate(['init', 'plain/x.yaml'], folder)
  assert.equal(inside.status, 1)
  assert.match(inside.errors, /^polygate init: plain\/x\.yaml: /)
  assert.equal((await polygate(['init', 'a.yaml', 'b.yaml'], folder)).status, 2)
})

test('what it writes passes check, and its own schema', async context => {
  const folder = temporaryFolder(context)
  const written = await polygate(['init'], folder)
  assert.deepEqual([written.status, written.errors], [0, ''])
  const checked = await polygate(['check'], folder)
  assert.deepEqual([checked.status, checked.errors], [0, ''])
  const text = readFileSync(join(folder, 'polygate.yaml'), 'utf8')
  assert.match(text, /^# yaml-language-server: \$schema=\.\/polygate\.schema\.json\n/)
  const schema = JSON.parse(readFileSync(join(folder, 'polygate.schema.json'), 'utf8')) as object
  const ajv = new Ajv({ allErrors: true, strictRequired: false })
  assert.ok(ajv.validate(schema, parse(text)), ajv.errorsText())
})

test('the lines that it has commented out pass as well', async context => {
  const folder = temporaryFolder(context)
  await polygate(['init'], folder)
  const file = join(folder, 'polygate.yaml')
  const all = readFileSync(file, 'utf8').replace(/^(\s+)# (?=(- )?[a-zA-Z]+:|- \{|  [a-z]+[A-Za-z]*: )/gm, '$1')
  assert.ok(all.includes('\n  - name: by-host\n    match:') && all.includes('\n    retries: 1'), all)
  writeFileSync(file, all)
  const { status, errors } = await polygate(['check'], folder)
  assert.deepEqual([status, errors], [0, ''])
})

test('--force overwrites; a second file shares the schema', async context => {
  const folder = temporaryFolder(context)
  writeFileSync(join(folder, 'polygate.yaml'), 'mine')
  assert.equal((await polygate(['init', '--force'], folder)).status, 0)
  assert.match(readFileSync(join(folder, 'polygate.yaml'), 'utf8'), /^# yaml-language-server/)
  const second = await polygate(['init', 'other.yaml'], folder)
  assert.deepEqual([second.status, second.errors], [0, ''])
})
