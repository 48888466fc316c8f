// Plugins as the operator names them: where each lies, what it is told, and what its failures mean.
import { name, pluginPath } from '../formats.ts'
import { hookNames } from '../../shared/plugin-hooks.ts'
import { any, flag, map, ms, object, text, word } from '../shapes.ts'

const failureWords = ['closed', 'open'] as const

const hookSettings = object(
  'Of one hook, in place of what holds for the plugin.',
  {
    timeoutMs: ms('A call may take so long.', { optional: true, max: 600_000, examples: [20] }),
    onFailure: word('What a failed call means for the request.', failureWords, { optional: true, examples: ['open'] }),
  },
  { examples: [{ timeoutMs: 20 }] },
)

const plugin = object(
  'A plugin with its configuration. The same plugin may stand under several names.',
  {
    path: text('Folder that holds plugin.yaml.', { check: pluginPath, examples: ['./plugins/hello'] }),
    config: any('What the plugin is told when it is made; its manifest says what it wants.', {
      default: {},
      examples: [{ greeting: 'hi' }],
    }),
    timeoutMs: ms('A call may take so long; then its answer is dropped, and onFailure holds.', {
      default: 100,
      max: 600_000,
      examples: [50],
    }),
    onFailure: word(
      'What a failed call means for the request: closed refuses it, open lets it go on as if the plugin were not there.',
      failureWords,
      { default: 'closed', examples: ['closed'] },
    ),
    hooks: map(
      'Settings of single hooks.',
      text('A hook.', { check: hookName, examples: ['response'] }),
      hookSettings,
      { default: {}, examples: [{ response: { onFailure: 'open' } }] },
    ),
    shadow: flag('Run it, log what it would have done, and change nothing.', { default: false, examples: [true] }),
  },
  { examples: [{ path: './plugins/hello', config: { greeting: 'hi' } }] },
)

function hookName(found: string): string | null {
  return (hookNames as readonly string[]).includes(found) ? null : `one of ${hookNames.join(', ')}`
}

export const plugins = map(
  'Plugins by the name that routes know them by.',
  text('Name of a plugin.', { check: name, examples: ['hello'] }),
  plugin,
  { default: {}, examples: [{ hello: { path: './plugins/hello' } }] },
)
