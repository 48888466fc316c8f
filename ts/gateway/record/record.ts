// The record stage: counts a request and writes its access log line, after the last byte. Called by the pipeline for
// every exchange that ends, whatever its end.
import { secretParametersOf } from '../../config/checks.ts'
import type { Plan } from '../../config/plan.ts'
import { outcomeText } from '../../shared/guard-outcomes.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import { turnNowMs } from '../../shared/turn-clock.ts'
import type { RequestHeads } from '../../shared/native-heads.ts'
import type { Exchange } from '../exchange.ts'
import type { AccessLog } from './access-log.ts'
import type { PlanMetrics, WorkerMetrics } from './metrics.ts'

/** What nginx logs when the client went away before its answer: no status was sent. */
export const clientGone = 499

export interface RecordOptions {
  readonly plan: Plan
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly metrics: PlanMetrics
  readonly worker: WorkerMetrics
  readonly accessLog: AccessLog | null
}

export function recordStage(options: RecordOptions): (exchange: Exchange) => void {
  const { plan, heads, exchanges, metrics, worker, accessLog } = options
  const secretParameters = secretParametersOf(plan)
  return exchange => {
    // An answer of our own begins and ends in one batch, for which the time stands still.
    const nowMs = exchange.upstream < 0 ? performance.now() : turnNowMs()
    const durationMs = nowMs - exchange.startedAtMs
    const { routeId, methodId, status, requestBytes, responseBytes } = exchange
    metrics.record(routeId, methodId, status, durationMs, requestBytes, responseBytes)
    if (routeId < 0 && exchange.code !== null) worker.rejected(exchange.code)
    if (accessLog === null || !accessLog.wants(status)) return
    const upstream = exchange.upstream < 0 ? null : plan.upstreams[exchange.upstream]!
    accessLog.write({
      timeMs: performance.timeOrigin + exchange.startedAtMs,
      requestId: exchange.requestId,
      remoteAddress: exchanges.remoteAddress(exchange.slot),
      method: exchange.method,
      host: exchange.host,
      path: exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`,
      route: exchange.route?.name ?? '',
      status,
      code: exchange.code,
      reason: exchange.refusedFor === null ? '' : outcomeText(exchange.refusedFor),
      consumer: exchange.consumer?.plan.name ?? '',
      upstream: upstream?.name ?? '',
      endpoint: upstream?.endpoints[exchange.endpoint]?.url ?? '',
      requestBytes,
      responseBytes,
      durationMs,
      upstreamMs: exchange.upstreamMs,
      protocol: 'HTTP/1.1',
      userAgent: heads.sentHeader(exchange.slot, 'user-agent') ?? '',
      secretParameters,
    })
  }
}
