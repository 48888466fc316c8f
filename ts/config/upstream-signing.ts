// How requests to an upstream are signed: validated configuration -> plan -> what the addon takes. Called by compile, by
// load (which asks the addon what is wrong), and by the forward stage.
import type { UpstreamSignerOptions } from '../shared/native-signing.ts'
import { secretPlace, type KeySources } from './compile-signatures.ts'
import type { UpstreamSignPlan } from './plan.ts'
import type { UpstreamConfig } from './schema.ts'
import { privateKeyDer } from './secrets.ts'
import { isAsymmetric, schemeTraits } from './signature-schemes.ts'

type SignConfig = NonNullable<UpstreamConfig['sign']>

export function upstreamSignPlan(upstream: string, sign: SignConfig, sources: KeySources): UpstreamSignPlan {
  const { scheme, dialect, service, path, unsignedBody } = sign
  const cover = sign.cover ?? usualCover(sign)
  return {
    scheme,
    keyId: sign.keyId,
    algorithm: sign.algorithm ?? schemeTraits[scheme].algorithms[0] ?? '',
    secret: place(upstream, sign, sources),
    dialect: scheme === 'cavage' ? dialect : '',
    cover: [...cover],
    tag: sign.tag ?? '',
    expiresAfterSeconds: sign.expiresAfterSeconds ?? 0,
    region: sign.region ?? '',
    service: service ?? '',
    asSent: path === null ? service === 's3' : path === 'as-sent',
    signsBody: scheme === 'sigv4' ? !unsignedBody : cover.includes(digestHeaders[scheme]),
    maxBodyBytes: sign.maxBodyBytes,
  }
}

/** The header that carries what a body hashes to, and is signed in its place. */
export const digestHeaders = { cavage: 'digest', rfc9421: 'content-digest' } as const

function usualCover({ scheme, dialect, unsignedBody }: SignConfig): readonly string[] {
  if (scheme === 'sigv4') return []
  const target = dialect === 'kong' || dialect === 'apisix' ? '@request-target' : '(request-target)'
  const usual = scheme === 'cavage' ? [target, 'host', 'date'] : ['@method', '@target-uri']
  return unsignedBody ? usual : [...usual, digestHeaders[scheme]]
}

function place(upstream: string, sign: SignConfig, sources: KeySources): number {
  const { secret, secretFile, privateKey, privateKeyFile, encoding } = sign
  const keys = ['upstreams', upstream, 'sign']
  if (privateKey === null && privateKeyFile === null) {
    return secretPlace({ secret, secretFile, encoding }, keys, sources)
  }
  const pem = { secret: privateKey, secretFile: privateKeyFile, encoding: 'pem' as const }
  return secretPlace(pem, keys, sources, 'privateKey')
}

/** `secret`: as the plan has it, in base64. `tls`: whether requests go by TLS. Null: there is no key to sign with. */
export function upstreamSignerOptions(
  sign: UpstreamSignPlan,
  secret: string,
  tls: boolean,
): UpstreamSignerOptions | null {
  const { secret: _, signsBody, maxBodyBytes: __, ...options } = sign
  const material = Buffer.from(secret, 'base64')
  const key = isAsymmetric(sign.algorithm) ? privateKeyDer(material.toString('latin1'), sign.algorithm) : material
  if (material.length === 0 || typeof key === 'string') return null
  return { ...options, key, unsignedBody: !signsBody, tls }
}
