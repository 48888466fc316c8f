// What PyPI packages sign, by test/clients/sign.py. Called by test/flow/independent-clients.test.ts.
import {
  accessKeyId,
  asQuery,
  json,
  keyOf,
  linkSignature,
  parameters,
  path,
  region,
  secrets,
  sigV4Signature,
  type Client,
} from './known.ts'
import type { PythonAsked } from './packages.ts'

/** Requests for sign.py, each with what the signature covers. */
export function pythonRequests(
  authority: string,
): readonly (readonly [asked: PythonAsked, client: Omit<Client, 'sign'>])[] {
  const list: [PythonAsked, Omit<Client, 'sign'>][] = []
  const algorithms: Readonly<Record<string, string>> = {
    HMAC_SHA256: 'hmac-sha256',
    RSA_V1_5_SHA256: 'rsa-v1_5-sha256',
    RSA_PSS_SHA512: 'rsa-pss-sha512',
    ECDSA_P256_SHA256: 'ecdsa-p256-sha256',
    ED25519: 'ed25519',
  }
  const of = (route: string, body: string | null) => ({
    method: body === null ? 'GET' : 'POST',
    url: `http://${authority}/${route}${path}${asQuery(parameters())}`,
    headers: { Host: authority, ...(body === null ? {} : { 'Content-Type': 'application/json' }) },
    body,
  })
  for (const client of ['http-message-signatures', 'requests-http-signature'] as const) {
    for (const [algorithm, keyId] of Object.entries(algorithms)) {
      for (const body of [null, json]) {
        const components = ['@method', '@target-uri', '@authority', '"@query-param";name="q"']
        list.push([
          { ...of('rfc9421', body), client, algorithm, keyId, key: keyOf(keyId), components },
          {
            who: `PyPI ${client}: RFC 9421, ${algorithm}, ${body === null ? 'no body' : 'a body'}`,
            route: 'rfc9421',
            consumer: 'partner',
            signature: /^signature: pyhms=:(.+):$/i,
            headers: ['Host', 'Signature-Input', ...(body === null ? [] : ['Content-Digest'])],
            signsTarget: true,
          },
        ])
      }
    }
  }
  for (const [route, service, kind] of [
    ['execute', 'execute-api', 'header'],
    ['s3', 's3', 's3'],
    ['links', 's3', 's3-link'],
  ] as const) {
    for (const body of kind === 's3-link' ? [null] : [null, json]) {
      for (const token of [undefined, 'a/session+token=']) {
        const isLink = kind === 's3-link'
        list.push([
          {
            ...of(route, body),
            client: 'botocore',
            keyId: accessKeyId,
            key: secrets.aws,
            kind,
            service,
            region,
            token,
          },
          {
            who: `PyPI botocore: SigV4 ${kind} for ${service}, ${body === null ? 'no body' : 'a body'}${token ? ', a session' : ''}`,
            route,
            consumer: 'partner',
            signature: isLink ? linkSignature : sigV4Signature,
            headers: isLink ? ['Host'] : ['Host', 'X-Amz-Date', ...(kind === 's3' ? ['X-Amz-Content-SHA256'] : [])],
            signsTarget: true,
          },
        ])
      }
    }
  }
  return list
}
