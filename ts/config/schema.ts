// The configuration language: ONE description that gives the types, the validator, the JSON Schema for editors and every
// default. A new capability is one file under schema/ and one line here.
import { either, object, whole, word, type ValueOf } from './shapes.ts'
import { consumers } from './schema/consumer.ts'
import { counting } from './schema/limit.ts'
import { listen } from './schema/listen.ts'
import { plugins } from './schema/plugin.ts'
import { routes } from './schema/route.ts'
import { accessLog, admin, forwarded, limits, timeouts } from './schema/server.ts'
import { upstreams } from './schema/upstream.ts'

const workers = either(
  'Worker processes; auto is one a core.',
  'auto or a whole number from 1 to 256',
  [
    { shape: whole('So many.', { min: 1, max: 256, examples: [2] }), tell: 'number' },
    { shape: word('One a core.', ['auto'], { examples: ['auto'] }), tell: 'text' },
  ],
  { default: 'auto', examples: [2, 'auto'] },
)

export const configShape = object(
  'Configuration of the Polygate API gateway.',
  {
    listen,
    workers,
    admin,
    limits,
    counting,
    timeouts,
    accessLog,
    forwarded,
    upstreams,
    consumers,
    plugins,
    routes,
  },
  {},
)

/** Keys at the root that carry no configuration: `$schema` for editors, `x-…` for YAML anchors. */
export const isIgnoredRootKey = (key: string): boolean => key === '$schema' || key.startsWith('x-')

/** What a user wrote, validated, with all defaults. */
export type Config = ValueOf<typeof configShape>
export type UpstreamConfig = Config['upstreams'] extends ReadonlyMap<string, infer U> ? U : never
export type ConsumerConfig = Config['consumers'] extends ReadonlyMap<string, infer C> ? C : never
export type PluginConfig = Config['plugins'] extends ReadonlyMap<string, infer P> ? P : never
export type RouteConfig = Config['routes'][number]
export type ListenConfig = Config['listen'][number]
