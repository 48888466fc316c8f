// The worker's wiring: front end, native parts, and what they tell of the requests in flight; for each plan the stages of
// the pipeline (running-plan.ts). A plan is prepared beside the running one and switched to in one assignment; exchanges hold on to the
// plan they began with, and what a plan has acquired is released when its last exchange has ended.
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import type { Plan } from '../config/plan.ts'
import { createLog } from '../shared/log.ts'
import { native, Row, rowInts } from '../shared/native.ts'
import { DirectCommands, EventKind, eventInts, EventRow } from '../shared/native-direct.ts'
import { holdTurn, releaseTurn, turnNowMs } from '../shared/turn-clock.ts'
import { methodNames } from '../shared/native-heads.ts'
import { loadFrontEnd } from './accept/front-end.ts'
import { Listeners, type PreparedListeners } from './accept/listeners.ts'
import { StallReport } from './accept/stalls.ts'
import type { Gateway, ToControl } from './control-channel.ts'
import { Phase, type Exchange, type Handshake, type Listener, type RunningPlan, type Verdict } from './exchange.ts'
import { Exchanges, maxSlots } from './exchanges.ts'
import { Calls } from './forward/calls.ts'
import { checkTagBit } from './forward/checks.ts'
import { Plugins } from './extend/plugins.ts'
import { EndpointRegistry } from './forward/endpoints.ts'
import type { Upstreams } from './forward/upstreams.ts'
import { healthGauges, poolGauges } from './forward/gauges.ts'
import { WebSockets } from './forward/web-socket.ts'
import { LimitStores } from './guard/limit-store.ts'
import { Passwords } from './guard/passwords.ts'
import { KeySets } from './guard/key-sets.ts'
import type { AccessLog } from './record/access-log.ts'
import { AccessLogs } from './record/access-logs.ts'
import { WorkerMetrics } from './record/metrics.ts'
import { clientGone } from './record/record.ts'
import { createRespond } from './respond/respond.ts'
import { statusLines } from './respond/status-lines.ts'
import { prepareRunningPlan, type PreparedPlan } from './running-plan.ts'

const slabBytes = 1024 * 1024
const maxRows = 1024
const drainLookMs = 20

const log = createLog(`worker ${process.env['POLYGATE_WORKER'] ?? process.pid}`)

/** What control prints in the ready line. */
export let frontEndName = ''

interface Prepared extends PreparedPlan {
  readonly listeners: PreparedListeners
}

export function createGateway({ wantKeySet, stillAlive }: ToControl): Gateway {
  const addon = native()
  const heads = new addon.RequestHeads({ slots: maxSlots, maxHeadBytes: 0, maxHeaders: 0 })
  const nativeExchanges = new addon.Exchanges(heads.id)
  const metrics = new WorkerMetrics(methodNames)
  const client = new addon.UpstreamClient({ slabBytes, maxRows, headerPrefix: '' }, onBatch)
  // After the client: libuv runs what started first last, and what the front end hands over before the loop waits must
  // still be sent in that turn.
  const frontEnd = loadFrontEnd()
  frontEndName = frontEnd.name
  const registry = new EndpointRegistry({ client, onChange: change => log.info('health', { ...change }) })
  const webSockets = new WebSockets()
  let accessLog: AccessLog | null = null
  let current: RunningPlan | null = null
  let prepared: Prepared | null = null
  /** Version of the plan that is being prepared, or is prepared. */
  let wanted: string | null = null
  let upstreams: Upstreams | null = null
  let draining = false
  let drained: (() => void) | null = null
  let drainLook: NodeJS.Timeout | undefined
  const stalls = new StallReport(log)
  const accessLogs = new AccessLogs(log)
  const limits = new LimitStores(log)
  const passwords = new Passwords(heads, settle)
  const keySets = new KeySets(nativeExchanges, wantKeySet, log)
  const calls = new Calls(client, nativeExchanges)
  const plugins = new Plugins({ exchanges: nativeExchanges, heads, callUpstream: calls.call }, log)

  const events = frontEnd.hooked ? nativeExchanges.direct(client, onEvents, statusLines.join('\n')) : null
  const commands = new DirectCommands(events?.commands ?? new Int32Array(1), () => nativeExchanges.run())
  const respond = createRespond({
    client,
    exchanges: nativeExchanges,
    commands,
    finish,
    aborted,
    closing: () => draining,
  })
  const exchanges = new Exchanges({
    aborted,
    body: (exchange, chunk, last) => {
      try {
        exchange.running.pipeline.body(exchange, chunk, last)
      } catch (error) {
        broken(exchange, error)
      }
    },
    writable: (exchange, offset) => respond.writable(exchange, offset),
    corked: exchange => respond.corked(exchange),
    requestId: exchange => nativeExchanges.requestId(exchange.slot),
  })

  const listeners = new Listeners({
    frontEnd,
    handlers: {
      request: (response, request, listener) => begin(response, request, listener, null),
      listening: ({ id, port }) => {
        if (events !== null) nativeExchanges.listening(id, port)
      },
      webSockets: (app, listener) =>
        webSockets.attach(app, (response, request, handshake) => begin(response, request, listener, handshake)),
    },
    unixSockets: process.env['POLYGATE_WORKER'] === '1',
  })

  function begin(response: HttpResponse, request: HttpRequest, listener: Listener, handshake: Handshake | null): void {
    const running = current
    const exchange = running && exchanges.begin(response, request, listener, running, performance.now())
    if (exchange === null) {
      // Not even a slot: nothing to keep books with, so the shortest honest answer.
      response.writeStatus('503 Service Unavailable').writeHeader('retry-after', '1').end(undefined, true)
      return
    }
    exchange.running.begun()
    exchange.handshake = handshake
    // First of all: without it an error below would end the process (facts of the binding).
    response.onAborted(exchange.onAborted)
    try {
      exchange.running.pipeline.request(exchange)
    } catch (error) {
      broken(exchange, error)
    }
  }

  /** What has come and happened past the front end. */
  function onEvents(count: number): void {
    const { rows } = events!
    holdTurn()
    try {
      for (let event = 0; event < count; event++) {
        const at = event * eventInts
        const slot = rows[at + EventRow.slot]!
        const kind = rows[at + EventRow.kind]!
        if (kind === EventKind.request) {
          beginDirect(slot, at)
        } else {
          const exchange = exchanges.bySlot(slot)
          if (exchange !== null) aborted(exchange)
          commands.end(slot)
        }
      }
    } finally {
      releaseTurn()
    }
  }

  function beginDirect(slot: number, at: number): void {
    if (current === null) {
      commands.abort(slot)
      return
    }
    const listener = listeners.byId(events!.rows[at + EventRow.listener]!)
    const exchange = exchanges.beginDirect(slot, listener, current, turnNowMs())
    exchange.eventAt = at
    current.begun()
    try {
      current.pipeline.request(exchange)
    } catch (error) {
      broken(exchange, error)
    }
  }

  function aborted(exchange: Exchange): void {
    if (exchange.phase === Phase.free) return
    exchange.running.pipeline.aborted(exchange)
    // A broken-off answer keeps the status that was sent; without one the client went first.
    if (exchange.status === 0) exchange.status = clientGone
    finish(exchange)
  }

  function onBatch(count: number): void {
    const { rows } = client
    holdTurn()
    try {
      for (let row = 0; row < count; row++) {
        const at = row * rowInts
        const tag = rows[at + Row.tag]!
        const kind = rows[at + Row.kind]!
        if (tag < 0) {
          calls.onRow(tag, kind, row)
          continue
        }
        if ((tag & checkTagBit) !== 0) {
          registry.checks.onRow(tag, kind, rows[at + Row.status]!, rows[at + Row.reason]!)
          continue
        }
        const exchange = exchanges.byTag(tag)
        if (exchange === null) continue
        try {
          exchange.running.pipeline.reply(exchange, kind, row)
        } catch (error) {
          broken(exchange, error)
        }
      }
    } finally {
      releaseTurn()
    }
  }

  /** A guard or a plugin has made up its mind. What it comes from is no callback of the addon, which would do what is written down. */
  function settle(exchange: Exchange, tag: number, conclude: (exchange: Exchange) => Verdict): void {
    if (exchange.tag !== tag || exchange.phase === Phase.free) return
    try {
      exchange.running.pipeline.settled(exchange, conclude(exchange))
    } catch (error) {
      broken(exchange, error)
    }
    nativeExchanges.run()
  }

  /** An error of our own: this request gets a 500 or a closed connection, the others go on. */
  function broken(exchange: Exchange, error: unknown): void {
    log.error('request failed', {
      requestId: exchange.requestId,
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
    if (exchange.phase === Phase.free) return
    exchange.running.pipeline.aborted(exchange)
    exchange.refuse('internal', '', [], true)
    respond.answer(exchange)
  }

  function finish(exchange: Exchange): void {
    const { running } = exchange
    running.pipeline.ended(exchange)
    // Past the front end it has been done: with the last byte, or the client's end.
    if (!exchange.direct) nativeExchanges.end(exchange.slot)
    exchanges.end(exchange)
    if (running.exchanges === 0 && running !== current) {
      // What is written down for it must be done with what the plan has acquired.
      nativeExchanges.run()
      running.release()
    }
    endDrain()
  }

  /** An exchange ends when the front end has its last byte; a client that reads slowly gets that byte later. */
  function endDrain(): void {
    if (drained === null || exchanges.active > 0) return
    // What is written down for the last one must not come after the end.
    nativeExchanges.run()
    clearTimeout(drainLook)
    if (addon.frontEndWriting() === 0) drained()
    else drainLook = setTimeout(endDrain, drainLookMs)
  }

  async function prepare(plan: Plan): Promise<Prepared> {
    const next = await prepareRunningPlan(plan, {
      client,
      heads,
      exchanges: nativeExchanges,
      events,
      commands,
      registry,
      webSockets,
      limits,
      passwords,
      plugins,
      accessLogs,
      metrics,
      respond,
      active: () => exchanges.active,
      keySets,
      stillAlive,
      settle,
      finish,
    })
    try {
      return { ...next, listeners: listeners.prepare(plan.listen) }
    } catch (error) {
      next.running.release()
      throw error
    }
  }

  /** Of the plan that was to come next; one that is still being made is given up when it is done. */
  function giveUp(): void {
    wanted = null
    if (prepared !== null) abandon(prepared)
    prepared = null
  }

  function abandon({ listeners: opened, running }: Prepared): void {
    opened.abort()
    running.release()
  }

  /** Resolves when nobody listens any more where the plan before did: control then removes what is left of it. */
  function commit(next: Prepared): Promise<void> {
    const before = current
    metrics.use(next.metrics)
    accessLog = next.accessLog
    current = next.running
    upstreams = next.upstreams
    calls.use({ list: next.upstreams.list, signers: next.signers })
    const closed = next.listeners.commit(next.running.plan.timeouts)
    applyLimits(next.running.plan)
    if (before !== null && before.exchanges === 0) before.release()
    return closed
  }

  function applyLimits({ limits }: Plan): void {
    addon.frontEndLimits(limits.maxHeadBytes, limits.maxHeaders)
    heads.setLimits(limits.maxHeadBytes, limits.maxHeaders)
  }

  metrics.frontEndAnswers = () => addon.frontEndAnswers()
  metrics.accessLogDropped = () => accessLogs.linesLost
  metrics.gauges = {
    pool: () => poolGauges(upstreams, client),
    health: () => healthGauges(upstreams),
  }

  return {
    async prepare(plan) {
      giveUp()
      wanted = plan.version
      const next = await prepare(plan)
      if (wanted === plan.version) prepared = next
      else abandon(next)
    },
    async commit(version) {
      if (prepared === null || prepared.running.plan.version !== version)
        throw new Error(`plan ${version} is not prepared`)
      const next = prepared
      prepared = null
      wanted = null
      await commit(next)
    },
    abort(version) {
      if (wanted === version) giveUp()
    },
    drain(deadlineMs) {
      draining = true
      webSockets.goAway()
      return new Promise(resolve => {
        const done = (): void => {
          clearTimeout(timer)
          drained = null
          listeners.closeAll()
          client.close()
          limits.close()
          void (accessLog?.close() ?? Promise.resolve()).then(resolve)
        }
        const timer = setTimeout(done, deadlineMs)
        void listeners.stop().then(() => {
          drained = done
          endDrain()
        })
      })
    },
    keySet: (url, keys) => keySets.receive(url, keys),
    takeMetrics() {
      stalls.look()
      return metrics.take()
    },
  }
}
