// A registry over the real upstream client, for tests with real sockets: rows of checks go to the checks, others to
// whoever sent the request.
import { EventEmitter, once } from 'node:events'
import type { Plan } from '../../../ts/config/plan.ts'
import { EndpointRegistry } from '../../../ts/gateway/forward/endpoints.ts'
import { checkTagBit } from '../../../ts/gateway/forward/checks.ts'
import type { StateChange } from '../../../ts/gateway/forward/state-change.ts'
import { Upstreams } from '../../../ts/gateway/forward/upstreams.ts'
import { native, Row, RowKind, rowInts, type UpstreamClient } from '../../../ts/shared/native.ts'
import { within, type Scope } from '../../helpers/scope.ts'

export interface RealClient {
  readonly client: UpstreamClient
  readonly registry: EndpointRegistry
  readonly changes: StateChange[]
  /** Prepares a plan, which is released with the test at the latest. */
  prepare: (plan: Plan) => Upstreams
  /** Resolves with the next state change. */
  nextChange: () => Promise<StateChange>
  /** Sends a GET and resolves with its status, or with `-reason` where it failed. */
  get: (endpoint: number, path?: string) => Promise<number>
}

export function realClient(scope: Scope): RealClient {
  const events = new EventEmitter()
  const changes: StateChange[] = []
  const waiting = new Map<number, { status: number; resolve: (status: number) => void }>()

  const client = new (native().UpstreamClient)({ slabBytes: 1 << 18, maxRows: 64, headerPrefix: '' }, count => {
    for (let row = 0; row < count; row++) {
      const at = row * rowInts
      const tag = client.rows[at + Row.tag]!
      const kind = client.rows[at + Row.kind]!
      const status = client.rows[at + Row.status]!
      const reason = client.rows[at + Row.reason]!
      if ((tag & checkTagBit) !== 0) {
        registry.checks.onRow(tag, kind, status, reason)
        continue
      }
      const request = waiting.get(tag)
      if (request === undefined) continue
      if ((kind & RowKind.head) !== 0) request.status = status
      if ((kind & (RowKind.end | RowKind.error)) === 0) continue
      waiting.delete(tag)
      request.resolve((kind & RowKind.error) !== 0 ? -reason : request.status)
    }
  })
  const registry = new EndpointRegistry({
    client,
    onChange: change => {
      changes.push(change)
      events.emit('change', change)
    },
  })
  const prepared: Upstreams[] = []
  scope.after(() => {
    for (const upstreams of prepared) upstreams.release()
    client.close()
  })

  let lastTag = 0
  return {
    prepare: plan => {
      const upstreams = Upstreams.prepare(plan, registry)
      prepared.push(upstreams)
      return upstreams
    },
    client,
    registry,
    changes,
    nextChange: async () => (await within(10_000, 'a state change', once(events, 'change')))[0] as StateChange,
    get: (endpoint, path = '/') =>
      new Promise(resolve => {
        const tag = ++lastTag
        waiting.set(tag, { status: 0, resolve })
        const ticket = client.submit(tag, endpoint, 0, 0, `GET ${path} HTTP/1.1\r\nhost: test\r\n\r\n`)
        if (ticket <= 0) resolve(ticket)
      }),
  }
}
