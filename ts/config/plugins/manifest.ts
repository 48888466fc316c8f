// `plugin.yaml`: what a plugin says of itself. One description that gives the reader, its errors, and the JSON Schema of
// plugins/contract. Called by load.ts of this folder; knows nothing of the operator's configuration.
import { hookNames, type HookName } from '../../shared/plugin-hooks.ts'
import { parseConfigText } from '../document.ts'
import { name, semanticVersion } from '../formats.ts'
import { describe } from '../nodes.ts'
import { any, bytes, either, list, object, section, text, word, type ValueOf } from '../shapes.ts'
import { validate } from '../validate.ts'

/** What this version can run. */
export const runtimes = ['js', 'rust', 'lua'] as const
export type RuntimeName = (typeof runtimes)[number]

/** A body that a plugin gets is kept in memory as a whole. */
const defaultBodyBytes = 1024 * 1024

const body = (whose: string) =>
  either(
    `Whether the plugin gets the body of ${whose}, as a whole.`,
    'none, buffer, or a mapping with maxBytes',
    [
      {
        shape: word('none, or buffer: up to 1 MiB.', ['none', 'buffer'], { examples: ['buffer'] }),
        tell: 'text',
      },
      {
        shape: object(
          'Up to so many bytes; longer ones are refused.',
          { maxBytes: bytes('Bytes.', { min: 1, max: 64 * 1024 * 1024, examples: ['4MiB'] }) },
          { examples: [{ maxBytes: '4MiB' }] },
        ),
        tell: 'map',
      },
    ],
    { default: 'none', examples: ['buffer', { maxBytes: '4MiB' }] },
  )

export const manifestShape = object(
  'Manifest of a Polygate plugin.',
  {
    name: text('Name of the plugin, for logs and metrics.', { check: name, examples: ['greeting'] }),
    version: text('Its version.', { check: semanticVersion, examples: ['1.0.0'] }),
    runtime: word('What runs it.', runtimes, { examples: ['js'] }),
    isolation: word(
      'js and wasm only. worker: in a thread of its own, which can be stopped; inline: in the loop of the gateway, cheaper, and trusted.',
      ['inline', 'worker'],
      { optional: true, examples: ['inline'] },
    ),
    entry: text('The file to load, from this folder.', { check: entryFile, examples: ['./plugin.ts'] }),
    build: list(
      'The command that builds the entry, in this folder, word by word. For `polygate plugin`: the gateway runs none.',
      text('A word.', { examples: ['cargo'] }),
      { optional: true, min: 1, examples: [['cargo', 'build', '--release']] },
    ),
    hooks: list('The hooks that it has.', word('A hook.', hookNames, { examples: ['request'] }), {
      min: 1,
      examples: [['request', 'response']],
    }),
    body: section('Bodies that it wants to see.', { request: body('the request'), response: body('the response') }),
    config: any('JSON Schema of its configuration.', {
      optional: true,
      examples: [{ type: 'object', properties: { greeting: { type: 'string' } }, required: ['greeting'] }],
    }),
  },
  {},
)

function entryFile(found: string): string | null {
  if (found === '' || found.includes('\0')) return 'the name of a file'
  if (found.startsWith('/') || found.split('/').includes('..')) return 'a file of this folder, as ./plugin.ts'
  return null
}

export type Manifest = ValueOf<typeof manifestShape>

export const bodyBytes = (body: Manifest['body']['request']): number =>
  body === 'none' ? 0 : body === 'buffer' ? defaultBodyBytes : body.maxBytes

export const hasHook = ({ hooks }: Manifest, hook: HookName): boolean => hooks.includes(hook)

/** Throws ConfigErrors with every error of the file. A manifest reads no environment: it is the author's. */
export function readManifest(content: string, file: string): Manifest {
  const { root, problems } = parseConfigText(content, file, {})
  if (root?.kind !== 'map') {
    if (!problems.any) {
      const found = root === null ? 'an empty file' : describe(root)
      problems.add(root?.offset ?? 0, null, `found ${found}, expected a mapping with name, runtime, entry and hooks`)
    }
    problems.throwIfAny()
    throw new TypeError('a document without root has a problem')
  }
  const manifest = validate(manifestShape, root, problems, key => key === '$schema' || key.startsWith('x-'))
  problems.throwIfAny()
  return manifest
}
