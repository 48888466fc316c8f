// Runtime `rust`: a library in native code. Nothing stops it, and a crash takes the worker with it, which control replaces.
import { hookPlaces, nativeRuntime } from './native.ts'

export const makeRust = nativeRuntime(({ name, entry, copies, config, hooks }, exchanges) => {
  if (copies === null) throw new Error('there is no folder for copies of its library')
  return exchanges.loadNativePlugin({
    name,
    file: entry,
    folder: copies,
    config: JSON.stringify(config),
    hooks: hookPlaces(hooks),
  })
})
