// TLS by the front end itself, where it is not hooked (elsewhere than on Linux): listeners.ts calls it. Weaker than TLS
// below it: requests sent ahead close the connection, heads come from the front end's parser, and a client certificate
// can be asked for but not insisted on, so that a plan which wants one is refused.
import type * as UwsModule from 'uWebSockets.js'
import type { TemplatedApp } from 'uWebSockets.js'
import type { ListenPlan, ListenTlsPlan } from '../../config/plan.ts'

/** TLS 1.2 cipher suites that need a pre-shared key: nobody has one, so only TLS 1.3 can be agreed on. */
const noTls12Ciphers = 'ECDHE-PSK-CHACHA20-POLY1305'

/** One app per listener, the first certificate for clients that name no known server, the others by server name. */
export function tlsApp(
  uws: typeof UwsModule,
  plan: ListenPlan,
  tls: ListenTlsPlan,
  attach: (app: TemplatedApp) => void,
): TemplatedApp {
  const place = `the TLS listener ${plan.address}:${plan.port}`
  if (tls.clientCa !== null) throw new Error(`${place}: client certificates are not supported on this platform`)
  const optionsOf = (entry: { certificate: string; key: string }) => ({
    cert_file_name: entry.certificate,
    key_file_name: entry.key,
    ...(tls.minVersion === '1.3' ? { ssl_ciphers: noTls12Ciphers } : {}),
  })
  const [first, ...others] = tls.certificates
  if (first === undefined) throw new Error(`${place} has no certificate`)
  const app = uws.SSLApp(optionsOf(first))
  for (const entry of others) {
    for (const host of entry.hosts) {
      app.addServerName(host, optionsOf(entry))
      // Each server name has a router of its own in the front end.
      attach(app.domain(host))
    }
  }
  return app.domain('')
}
