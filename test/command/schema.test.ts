// `polygate schema`: the JSON Schema of the configuration, and no complaint when its reader has seen enough.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { casesJsonSchema, configJsonSchema, manifestJsonSchema } from '../../ts/config/json-schema.ts'
import { packageRoot } from '../../ts/shared/native.ts'
import { polygate, temporaryFolder } from './polygate.ts'

test('a reader that leaves early is no error', async () => {
  const main = join(packageRoot, 'ts', 'main.ts')
  const script = `set -o pipefail; "$0" --import "$1" "$2" schema | head -c 1`
  const { stdout, stderr } = await promisify(execFile)('bash', [
    '-c',
    script,
    process.execPath,
    import.meta.resolve('tsx'),
    main,
  ])
  assert.deepEqual([stdout, stderr], ['{', ''])
})

for (const [args, schema] of [
  [[], configJsonSchema()],
  [['--plugin'], manifestJsonSchema()],
  [['--cases'], casesJsonSchema()],
] as const) {
  test(`it prints the schema: ${args.join('') || 'of the configuration'}`, async context => {
    const { status, output, errors } = await polygate(['schema', ...args], temporaryFolder(context))
    assert.deepEqual([status, errors], [0, ''])
    assert.deepEqual(JSON.parse(output), schema)
  })
}

test('two schemas at once are none', async context => {
  assert.equal((await polygate(['schema', '--plugin', '--cases'], temporaryFolder(context))).status, 2)
})
