// An issuer of tokens for the flow tests: keys and signatures of `jose`, and a real HTTP server for its key set that can
// be made slow, wrong, or be gone. Called by the tests of the jwt guard.
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import type { Scope } from './scope.ts'

export interface IssuerKey {
  readonly id: string
  readonly algorithm: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  /** Public, with `kid`, `alg` and `use`. */
  readonly jwk: JWK
}

export async function makeKey(algorithm: string, id: string): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid: id, alg: algorithm, use: 'sig' }
  return { id, algorithm, privateKey, publicKey, jwk }
}

export const issuerName = 'https://issuer.example/'
export const audience = 'https://api.example/'

/** For alice, for an hour, unless `claims` says otherwise; undefined takes a claim away. */
export function makeToken(
  key: IssuerKey,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const payload = { iss: issuerName, aud: audience, sub: 'alice', exp: nowSeconds + 3600, ...claims }
  return new SignJWT(payload).setProtectedHeader({ alg: key.algorithm, kid: key.id, ...header }).sign(key.privateKey)
}

export interface Issuer {
  readonly url: string
  /** What the next answers hold; a text is sent as it is. */
  keys: readonly JWK[] | string
  /** Of the next answers. */
  status: number
  headers: Record<string, string>
  /** Answers wait until this resolves. */
  gate: Promise<unknown>
  /** Requests so far. */
  asked: number
  /** Resolves with the next request. */
  nextAsked(): Promise<void>
  /** Lets nobody in any more. */
  away(): Promise<void>
  /** Is there again, on the same port. */
  back(): Promise<void>
}

export async function startIssuer(scope: Scope, keys: readonly JWK[] | string): Promise<Issuer> {
  let server = createServer(answer)
  let wake: (() => void)[] = []
  let port = 0
  const issuer: Issuer = {
    get url() {
      return `http://127.0.0.1:${port}/jwks.json`
    },
    keys,
    status: 200,
    headers: {},
    gate: Promise.resolve(),
    asked: 0,
    nextAsked: () => new Promise(resolve => wake.push(resolve)),
    away: () => closed(server),
    back: async () => {
      server = createServer(answer)
      await listen()
    },
  }

  function answer(_request: unknown, response: ServerResponse): void {
    issuer.asked++
    for (const resolve of wake.splice(0)) resolve()
    void issuer.gate.then(() => {
      response.writeHead(issuer.status, { 'content-type': 'application/json', ...issuer.headers })
      response.end(typeof issuer.keys === 'string' ? issuer.keys : JSON.stringify({ keys: issuer.keys }))
    })
  }

  async function listen(): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  }

  scope.after(() => closed(server))
  await listen()
  wake = []
  return issuer
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}
