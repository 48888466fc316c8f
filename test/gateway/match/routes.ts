// Short ways to write the routes and headers that the tests of the match stage are about.
import type { ActionPlan, CorsPlan, RoutePlan } from '../../../ts/config/plan.ts'

export interface RouteOptions {
  readonly name?: string
  readonly hosts?: readonly string[]
  readonly path?: string
  readonly methods?: readonly string[]
  readonly headers?: Readonly<Record<string, string | null>>
  readonly priority?: number
  readonly cors?: CorsPlan | null
  readonly action?: ActionPlan
}

export const anyOrigin: CorsPlan = {
  origins: ['*'],
  methods: ['GET'],
  headers: [],
  exposeHeaders: [],
  credentials: false,
  maxAgeSeconds: 60,
}

export const routeOf = (options: RouteOptions): RoutePlan => ({
  name: options.name ?? 'r',
  source: 'routes.yaml:7:3',
  match: {
    hosts: options.hosts ?? [],
    path: options.path ?? '/*',
    methods: options.methods ?? [],
    headers: Object.entries(options.headers ?? {}).map(([name, value]) => ({ name, value })),
    priority: options.priority ?? 0,
  },
  action: options.action ?? { kind: 'respond', status: 200, headers: [], body: '' },
  guards: [],
  plugins: [],
  cors: options.cors ?? null,
  requestHeaders: null,
  responseHeaders: null,
  maxBodyBytes: 0,
  webSocket: false,
})

export const forward = (options: { stripPrefix?: string; rewrite?: string } = {}): ActionPlan => ({
  kind: 'forward',
  upstream: 0,
  stripPrefix: options.stripPrefix ?? null,
  rewrite: options.rewrite ?? null,
})

export const redirect = (to: string): ActionPlan => ({ kind: 'redirect', to, status: 308 })

/** What `headerOf` is, over a few headers in lower case. */
export const headers =
  (values: Readonly<Record<string, string>> = {}) =>
  (name: string): string | undefined =>
    Object.hasOwn(values, name) ? values[name] : undefined
