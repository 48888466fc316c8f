// Guard: the certificate that a client has connected with says which consumer it is. TLS has verified it (or, of a resumed
// session, has done so in the first); what is left is whose it is, and whether its time is over by now. Asked for each
// request, so that a reload's consumers count at once, also on connections that are open.
import { GuardOutcome, type CountOutcome } from '../../shared/guard-outcomes.ts'
import { type NativeExchanges } from '../../shared/native.ts'
import { CertificateLookup } from '../../shared/native-credentials.ts'
import { Verdict } from '../exchange.ts'
import type { Stage } from '../pipeline.ts'
import { credentialOutcome, type Consumers } from './consumers.ts'

export interface KnownCertificates {
  /** The addon's number; owners in it have their index in the list of consumers. */
  ring(): number
  release(): void
}

export function knowCertificates({ list }: Consumers, exchanges: NativeExchanges): KnownCertificates {
  let ring: number | null = null
  return {
    ring: () => (ring ??= exchanges.certificateRing(list.map(({ plan }) => plan.certificates))),
    release() {
      if (ring !== null) exchanges.dropCertificateRing(ring)
      ring = null
    },
  }
}

export function certificateGuard(
  certificates: KnownCertificates,
  { list }: Consumers,
  exchanges: NativeExchanges,
  count: CountOutcome,
): Stage {
  const ring = certificates.ring()
  // 401 and not 403, as for any credential that is nobody's. RFC 9110 15.5.2 wants a challenge with it, and none is
  // registered for what TLS has asked for already.
  const { admit, refuse } = credentialOutcome(count, 'ClientCertificate')

  return exchange => {
    const owner = exchanges.findCertificate(ring, exchange.slot)
    if (owner === CertificateLookup.missing) {
      return refuse(exchange, GuardOutcome.certificateMissing, 'a client certificate is needed')
    }
    if (owner === CertificateLookup.ambiguous) {
      return refuse(exchange, GuardOutcome.certificateAmbiguous, 'the client certificate is not known')
    }
    if (owner === CertificateLookup.expired) {
      return refuse(exchange, GuardOutcome.certificateExpired, 'the client certificate has expired')
    }
    const consumer = list[owner]
    if (consumer === undefined) {
      return refuse(exchange, GuardOutcome.certificateUnknown, 'the client certificate is not known')
    }
    const verdict = admit(exchange, consumer, GuardOutcome.certificateAdmitted)
    if (verdict === Verdict.next) exchange.certified = consumer
    return verdict
  }
}
