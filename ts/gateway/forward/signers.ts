// Who signs the requests to an upstream: native/signing, on the composed head, at each attempt anew. Made when the plan is
// prepared, dropped when it has ended.
import type { EndpointPlan, Plan, UpstreamSignPlan } from '../../config/plan.ts'
import { upstreamSignerOptions } from '../../config/upstream-signing.ts'
import type { NativeExchanges } from '../../shared/native.ts'
import { Verdict, type Exchange } from '../exchange.ts'
import type { Upstream } from './upstream.ts'

export interface Signer {
  /** The addon's, for requests to that endpoint. */
  numberFor(endpoint: EndpointPlan): number
  /** Before the first attempt. `later`: the stage is asked again once the body is there; past the bound the client gets 413. */
  prepare(exchange: Exchange): Verdict
}

export interface Signers {
  /** By upstream; null where requests go as they are. */
  readonly list: readonly (Signer | null)[]
  release(): void
}

export function compileSigners({ upstreams, secrets }: Plan, exchanges: NativeExchanges): Signers {
  const numbers: number[] = []

  function numberOf(sign: UpstreamSignPlan, tls: boolean): number {
    const options = upstreamSignerOptions(sign, secrets[sign.secret]!.value, tls)
    // A secret of the last good plan that could not be had again: nothing is sent without a signature.
    if (options === null) return nobody
    const number = exchanges.upstreamSigner(options)
    numbers.push(number)
    return number
  }

  function prepare(exchange: Exchange, { signsBody, maxBodyBytes }: UpstreamSignPlan): Verdict {
    if (!signsBody || (exchange.framing === 0 && !exchange.bodyReplaced)) return Verdict.next
    const waits = exchange.bodyReplaced ? Verdict.next : exchange.awaitBody(maxBodyBytes)
    if (waits === Verdict.next) exchanges.signBody(exchange.slot, exchange.wholeBody())
    return waits === Verdict.later ? exchange.hold() : waits
  }

  const list = upstreams.map(({ sign }): Signer | null => {
    if (sign === null) return null
    const [plain, tls] = [numberOf(sign, false), numberOf(sign, true)]
    return {
      numberFor: endpoint => (endpoint.tls === null ? plain : tls),
      prepare: exchange =>
        plain === nobody
          ? exchange.refuse('store_unavailable', 'there is no key to sign with')
          : prepare(exchange, sign),
    }
  })
  return {
    list,
    release: () => {
      for (const number of numbers.splice(0)) exchanges.dropUpstreamSigner(number)
    },
  }
}

/** A number that the addon has given to no signer: what it shall sign does not leave. */
const nobody = 0xffff_ffff

/** The attempt has begun, and its head cannot be signed: no fault of the peer's. */
export function refuseUnsigned(exchange: Exchange, upstream: Upstream): Verdict {
  const { endpoint, submittedAtMs } = exchange
  upstream.abandoned(endpoint, submittedAtMs, submittedAtMs)
  return exchange.refuse('bad_request', 'the request cannot be signed for its upstream')
}
