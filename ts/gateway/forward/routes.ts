// What forwarding each route needs beside its upstream: the header policy, registered with native/head when the plan
// is prepared and dropped when the plan has ended, and the path to ask for.
import { checksOf } from '../../config/checks.ts'
import type { GuardPlan, Plan } from '../../config/plan.ts'
import { certificateHeaders, type RequestHeads } from '../../shared/native-heads.ts'

export interface ForwardRoute {
  /** The header policy in native/head. */
  readonly policy: number
  /** The path to ask the upstream for, or null for the request's own. */
  readonly target: Target | null
}

export type Target = (path: string, captures: readonly string[] | null) => string

export interface ForwardRoutes {
  /** By route id; null for routes that are not forwarded. */
  readonly list: readonly (ForwardRoute | null)[]
  release(): void
}

/** `targets`: by route id, as the match stage compiled them. */
export function compileForwardRoutes(
  plan: Plan,
  heads: RequestHeads,
  targets: readonly (Target | null)[],
): ForwardRoutes {
  const list = plan.routes.map(({ action, requestHeaders, guards }, id): ForwardRoute | null => {
    if (action.kind !== 'forward') return null
    const { hostHeader } = plan.upstreams[action.upstream]!
    const policy = heads.policy({
      host: hostHeader === 'preserve' || hostHeader === 'peer' ? null : hostHeader,
      via: plan.forwarded.via,
      rfc7239: plan.forwarded.rfc7239,
      set: requestHeaders?.set ?? [],
      append: requestHeaders?.append ?? [],
      remove: [...(requestHeaders?.remove ?? []), ...claimHeaders(guards), ...claimsOfCertificates(guards)],
      hiddenHeaders: credentialsIn('header', guards),
      hiddenParameters: credentialsIn('query', guards),
      hiddenCookies: credentialsIn('cookie', guards),
      certificate: toldOfCertificates(guards),
    })
    return { policy, target: targets[id]! }
  })
  return {
    list,
    release: () => {
      for (const route of list) if (route !== null) heads.dropPolicy(route.policy)
    },
  }
}

/** Names of the headers, parameters or cookies that carry a credential for the gateway: the upstream must not see it. */
const credentialsIn = (place: 'header' | 'query' | 'cookie', guards: readonly GuardPlan[]): string[] =>
  checksOf(guards).flatMap(check => {
    if (check.kind === 'key') return check.from === place ? [check.name] : []
    if (check.kind === 'jwt') return check.from === place && !check.forward ? [check.name] : []
    if (check.kind === 'basic') return place === 'header' ? ['authorization'] : []
    if (check.kind !== 'signature' || check.forwardSignature || place === 'cookie') return []
    return place === 'header' ? check.headers : check.parameters
  })

/** Headers that have claims of a token, and that no client may send. */
const claimHeaders = (guards: readonly GuardPlan[]): string[] =>
  checksOf(guards).flatMap(check => (check.kind === 'jwt' ? check.headers.map(({ name }) => name) : []))

/** What RFC 9440 lets proxies say of a certificate: from a client it is a claim. */
const certificateClaims = [...Object.values(certificateHeaders), 'client-cert', 'client-cert-chain']

/** Nobody but the gateway tells the upstream of a certificate where a guard asks for one. */
const claimsOfCertificates = (guards: readonly GuardPlan[]): readonly string[] =>
  checksOf(guards).some(({ kind }) => kind === 'certificate') ? certificateClaims : []

const toldOfCertificates = (guards: readonly GuardPlan[]): string[] => [
  ...new Set(checksOf(guards).flatMap(check => (check.kind === 'certificate' ? check.headers : []))),
]
