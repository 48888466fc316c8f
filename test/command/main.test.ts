// The command line as a whole: exit status 2 and the nearest name for what it does not know, help, version, and no more
// code loaded than a command needs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packageVersion } from '../../ts/shared/native.ts'
import { polygate, temporaryFolder } from './polygate.ts'

test('an unknown command is named, with the nearest', async context => {
  const { status, output, errors } = await polygate(['chek'], temporaryFolder(context))
  assert.equal(status, 2)
  assert.equal(output, '')
  assert.match(errors, /^polygate: found "chek", expected one of run, check, .*; did you mean check\?\n$/)
})

test('names of Object.prototype are no commands', async context => {
  const { status, errors } = await polygate(['constructor'], temporaryFolder(context))
  assert.equal(status, 2)
  assert.match(errors, /^polygate: found "constructor"/)
})

test('no command: the usage, as an error', async context => {
  const { status, output, errors } = await polygate([], temporaryFolder(context))
  assert.deepEqual([status, output], [2, ''])
  assert.match(errors, /^usage: polygate COMMAND/)
})

test('an unknown option, an option without value, a surplus argument', async context => {
  const folder = temporaryFolder(context)
  for (const args of [
    ['check', '--confg', 'x'],
    ['check', '--config'],
    ['schema', 'extra'],
    ['check', '--format', 'xml'],
  ]) {
    const { status, output, errors } = await polygate(args, folder)
    assert.deepEqual([status, output], [2, ''], args.join(' '))
    assert.match(errors, new RegExp(`^polygate ${args[0]}: `), args.join(' '))
  }
})

test('help of the whole and of a command, and the version', async context => {
  const folder = temporaryFolder(context)
  const whole = await polygate(['--help'], folder)
  assert.deepEqual([whole.status, whole.errors], [0, ''])
  for (const name of ['run', 'check', 'init', 'explain', 'schema', 'key', 'plugin', 'bench', 'demo'])
    assert.match(whole.output, new RegExp(`^  ${name} `, 'm'))
  const one = await polygate(['check', '--config', 'x', '-h'], folder)
  assert.equal(one.status, 0)
  assert.match(one.output, /^usage: polygate check /)
  const version = await polygate(['--version'], folder)
  assert.deepEqual([version.status, version.output], [0, `${packageVersion}\n`])
})
