// Signing keys and signature guards of the validated configuration -> plan. Called by compile. A secret's value goes to
// the plan's list of secrets and nowhere else.
import { schemeTraits, signedBodySeconds, type SignatureScheme } from './signature-schemes.ts'
import type { NamedFiles } from './named-files.ts'
import type { SignatureGuardPlan, SignatureVerifierPlan, SigningKeyPlan } from './plan.ts'
import type { ConsumerConfig, RouteConfig } from './schema.ts'
import { publicKeyDer, secretBytes, type SecretEncoding, type SecretList } from './secrets.ts'

/** What keys are read with. */
export interface KeySources {
  readonly secrets: SecretList
  readonly files: NamedFiles
  readonly absolute: (file: string) => string
  /** The environment variable that is all of the text at this place, or null. */
  readonly variableAt: (keys: readonly (string | number)[]) => string | null
}

interface SecretConfig {
  readonly secret: string | null
  readonly secretFile: string | null
  readonly encoding: SecretEncoding
}

/** The place in the plan's secrets. `keys`: where the key stands in the configuration; `name`: what the text is called there. */
export function secretPlace(
  { secret, secretFile, encoding }: SecretConfig,
  keys: readonly (string | number)[],
  { secrets, files, absolute, variableAt }: KeySources,
  name = 'secret',
): number {
  const file = secretFile === null ? null : absolute(secretFile)
  const raw = file === null ? Buffer.from(secret ?? '') : Buffer.from(files.get(file)?.text ?? '', 'latin1')
  const value = checked(secretBytes(raw, encoding, file !== null)).toString('base64')
  return secrets.add({ value, variable: file === null ? variableAt([...keys, name]) : null, file, encoding })
}

export function signingPlans(name: string, { signing }: ConsumerConfig, sources: KeySources): SigningKeyPlan[] {
  return signing.map((key, at): SigningKeyPlan => {
    const { algorithms } = schemeTraits[key.scheme]
    const algorithm = key.algorithm ?? algorithms[0] ?? ''
    const isPublic = key.publicKey !== null || key.publicKeyFile !== null
    const file = key.publicKeyFile === null ? null : sources.absolute(key.publicKeyFile)
    const pem = file === null ? (key.publicKey ?? '') : (sources.files.get(file)?.text ?? '')
    return {
      scheme: key.scheme,
      keyId: key.keyId ?? '',
      algorithm,
      secret: isPublic ? null : secretPlace(key, ['consumers', name, 'signing', at], sources),
      publicKey: isPublic ? checked(publicKeyDer(pem, algorithm)).toString('base64') : null,
      file,
      notBeforeMs: key.notBefore === null ? null : Date.parse(key.notBefore),
      notAfterMs: key.notAfter === null ? null : Date.parse(key.notAfter),
    }
  })
}

type SignatureConfig = NonNullable<RouteConfig['guards'][number]['signature']>

export const skewSecondsOf = ({ scheme, clockSkewSeconds }: SignatureConfig): number =>
  clockSkewSeconds ?? schemeTraits[scheme].skewSeconds ?? 0

/** `longestSkews`: of all guards, by scheme: what one has accepted another must not accept again. */
export function signatureGuardPlan(
  guard: SignatureConfig,
  longestSkews: ReadonlyMap<SignatureScheme, number>,
): SignatureGuardPlan {
  const { scheme } = guard
  const traits = schemeTraits[scheme]
  const places = masheryPlaces(guard)
  const once = traits.tellsReplay && (guard.replay ?? !guard.presigned)
  return {
    kind: 'signature',
    verifier: verifierPlan(guard, places),
    remember: once ? 'once' : (guard.bind ?? 'nothing'),
    rememberSeconds: 2 * (longestSkews.get(scheme) ?? skewSecondsOf(guard)) + 1 + (once ? signedBodySeconds : 0),
    onFailure: guard.onFailure,
    maxBodyBytes: guard.maxBodyBytes,
    headers: [...traits.headers, places.keyHeader, places.header].filter(name => name !== ''),
    parameters: [...traits.parameters, places.keyParameter, places.parameter].filter(name => name !== ''),
    forwardSignature: guard.forwardSignature,
  }
}

function verifierPlan(guard: SignatureConfig, places: Places): SignatureVerifierPlan {
  const { scheme, service, path } = guard
  return {
    scheme,
    skewSeconds: skewSecondsOf(guard),
    ...places,
    dialect: scheme === 'cavage' ? guard.dialect : '',
    required: [...guard.require],
    unsignedBody: guard.unsignedBody,
    tag: guard.tag ?? '',
    region: guard.region ?? '',
    service: service ?? '',
    asSent: path === null ? service === 's3' : path === 'as-sent',
    presigned: guard.presigned,
    consumer: guard.consumer,
  }
}

type Places = Pick<SignatureVerifierPlan, 'keyHeader' | 'header' | 'keyParameter' | 'parameter'>

function masheryPlaces({ scheme, keyHeader, header, keyParameter, parameter }: SignatureConfig): Places {
  const isMashery = scheme.startsWith('mashery-')
  const anywhere = keyHeader ?? header ?? keyParameter ?? parameter
  const byDefault = isMashery && anywhere === null
  return {
    keyHeader: byDefault ? 'api-key' : (keyHeader ?? '').toLowerCase(),
    header: byDefault ? 'x-signature' : (header ?? '').toLowerCase(),
    keyParameter: keyParameter ?? '',
    parameter: parameter ?? '',
  }
}

/** Of all guards of the routes, wherever they stand. */
export function longestSkews(routes: readonly RouteConfig[]): ReadonlyMap<SignatureScheme, number> {
  const longest = new Map<SignatureScheme, number>()
  const look = ({ signature }: Pick<RouteConfig['guards'][number], 'signature'>): void => {
    if (signature === null) return
    longest.set(signature.scheme, Math.max(longest.get(signature.scheme) ?? 0, skewSecondsOf(signature)))
  }
  for (const guard of routes.flatMap(({ guards }) => guards)) {
    for (const one of [guard, ...(guard.allOf ?? []), ...(guard.anyOf ?? [])]) look(one)
    for (const one of (guard.anyOf ?? []).flatMap(({ allOf }) => allOf ?? [])) look(one)
  }
  return longest
}

/** Rules have read it before; a failure here is a fault of ours, not of the file. */
function checked(value: Buffer | string): Buffer {
  if (typeof value === 'string') throw new TypeError(`an unchecked key reached the compiler, expected ${value}`)
  return value
}
