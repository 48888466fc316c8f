// Runtime `lua`: Luau, in a state of its own for each configuration. It reaches nothing but its memory, which is bounded, and
// is stopped at its deadline wherever it is; until then nothing else of the worker runs. A state that has used up its
// memory is replaced.
import { basename } from 'node:path'
import { hookPlaces, nativeRuntime } from './native.ts'

const stateBytes = 32 * 1024 * 1024
/** Of a body that a plugin reads, changes and writes. */
const copiesOfBody = 4

export const makeLua = nativeRuntime(
  ({ entry, script, config, hooks, requestBodyBytes, responseBodyBytes }, exchanges) => {
    if (script === null) throw new Error('there is no script')
    return exchanges.loadLuaPlugin({
      file: basename(entry),
      text: script.code,
      config: JSON.stringify(config),
      hooks: hookPlaces(hooks),
      memoryBytes: stateBytes + copiesOfBody * Math.max(requestBodyBytes, responseBodyBytes),
    })
  },
)
