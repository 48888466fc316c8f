// AWS Signature Version 4, signed by npm packages. Called by test/flow/independent-clients.test.ts.
import { createHash, createHmac, type BinaryLike } from 'node:crypto'
import {
  accessKeyId,
  asQuery,
  json,
  linkSignature,
  parameters,
  path,
  region,
  secrets,
  sigV4Signature,
  type Client,
} from './known.ts'
import type { Packages, SmithyRequest } from './packages.ts'

class NodeSha256 {
  readonly #hash: { update(part: BinaryLike): unknown; digest(): Buffer }

  constructor(key?: BinaryLike) {
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', Buffer.from(key as Uint8Array))
  }

  update(part: BinaryLike): void {
    this.#hash.update(part)
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }
}

export function awsClients({ aws4, AwsV4Signer, SignatureV4 }: Packages, authority: string): Client[] {
  const credentials = { accessKeyId, secretAccessKey: secrets.aws }
  const clients: Client[] = []
  const add = (who: string, route: string, headers: readonly string[], sign: Client['sign']): void => {
    const signature = route.endsWith('links') ? linkSignature : sigV4Signature
    clients.push({ who, route, consumer: 'partner', sign, signature, headers, signsTarget: true })
  }
  for (const [route, service] of [
    ['execute', 'execute-api'],
    ['s3', 's3'],
  ] as const) {
    const hashed = service === 's3' ? ['x-amz-content-sha256'] : []
    for (const body of [null, json]) {
      const method = body === null ? 'GET' : 'PUT'
      const what = `SigV4 for ${service}, ${body === null ? 'no body' : 'a body'}`
      const target = (query = parameters()): string => `/${route}${path}${asQuery(query)}`
      const typed: Record<string, string> = body === null ? {} : { 'content-type': 'application/json' }
      const type = Object.keys(typed)
      add(`npm aws4: ${what}`, route, ['host', 'x-amz-date', ...type, ...hashed], () => {
        const headers: Record<string, string> = { Host: authority, ...typed }
        const request = { service, region, method, path: target(), headers, ...(body === null ? {} : { body }) }
        const signed = aws4.sign(request, credentials)
        const texts = Object.entries(signed.headers).map(([name, value]) => [name, String(value)])
        return Promise.resolve({
          method,
          target: signed.path,
          headers: Object.fromEntries(texts) as Record<string, string>,
          body,
        })
      })
      add(
        `npm @smithy/signature-v4: ${what}`,
        route,
        ['host', 'x-amz-date', 'x-amz-content-sha256', ...type],
        async () => {
          const smithy = new SignatureV4({
            credentials,
            region,
            service,
            sha256: NodeSha256,
            uriEscapePath: service !== 's3',
          })
          const query = parameters()
          const { headers } = await smithy.sign({
            ...smithyRequest(authority, method, `/${route}${path}`, body, query),
            headers: { host: authority, ...typed },
          })
          return { method, target: target(query), headers, body }
        },
      )
      add(`npm aws4fetch: ${what}`, route, ['host', 'x-amz-date', ...hashed], async () => {
        const content =
          service === 's3'
            ? {
                'x-amz-content-sha256': createHash('sha256')
                  .update(body ?? '')
                  .digest('hex'),
              }
            : {}
        const signer = new AwsV4Signer({
          ...credentials,
          service,
          region,
          method,
          url: `http://${authority}${target()}`,
          headers: { ...typed, ...content },
          ...(body === null ? {} : { body }),
        })
        const { url, headers } = await signer.sign()
        const sent = Object.fromEntries(headers) as Record<string, string>
        return { method, target: url.pathname + url.search, headers: { host: authority, ...sent }, body }
      })
    }
  }
  add('npm aws4: presigned', 'links', ['host'], () => {
    const request = {
      service: 's3',
      region,
      signQuery: true,
      path: `/links${path}${asQuery(parameters())}`,
      headers: { Host: authority },
    }
    const signed = aws4.sign(request, credentials)
    return Promise.resolve({ method: 'GET', target: signed.path, headers: { Host: authority }, body: null })
  })
  for (const [route, service] of [
    ['links', 's3'],
    ['execute-links', 'execute-api'],
  ] as const) {
    add(`npm @smithy/signature-v4: presigned for ${service}`, route, ['host'], async () => {
      const smithy = new SignatureV4({
        credentials,
        region,
        service,
        sha256: NodeSha256,
        uriEscapePath: service !== 's3',
      })
      const asked = smithyRequest(authority, 'GET', `/${route}${path}`, null, parameters())
      // What Amazon's own presigner for S3 sets.
      const open = service === 's3' ? { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' } : {}
      const signed = await smithy.presign({ ...asked, headers: { host: authority, ...open } }, { expiresIn: 60 })
      return {
        method: 'GET',
        target: `/${route}${path}${asQuery(signed.query)}`,
        headers: { host: authority },
        body: null,
      }
    })
    add(`npm aws4fetch: presigned for ${service}`, route, ['host'], async () => {
      // It writes blanks as `+`, which others sign as a plus.
      const url = `http://${authority}/${route}${path}${asQuery({ ...parameters(), q: 'xy' })}`
      const signer = new AwsV4Signer({ ...credentials, service, region, method: 'GET', url, signQuery: true })
      const signed = await signer.sign()
      return {
        method: 'GET',
        target: signed.url.pathname + signed.url.search,
        headers: { host: authority },
        body: null,
      }
    })
  }
  return clients
}

function smithyRequest(
  authority: string,
  method: string,
  at: string,
  body: string | null,
  query: Readonly<Record<string, string>>,
): Omit<SmithyRequest, 'headers'> {
  const [hostname = '', port] = authority.split(':')
  const content = body === null ? {} : { body }
  return { method, protocol: 'http:', hostname, port: Number(port), path: at, query, ...content }
}

/** A bare plus is a blank to this client and a plus to others, perhaps to the upstream. */
export const refusedAwsClients = ({ AwsV4Signer }: Packages, authority: string): Pick<Client, 'who' | 'sign'>[] => [
  {
    who: 'npm aws4fetch: presigned, with a blank in the query, which it writes as a plus',
    async sign() {
      const url = `http://${authority}/links${path}${asQuery(parameters())}`
      const credentials = { accessKeyId, secretAccessKey: secrets.aws }
      const signed = await new AwsV4Signer({ ...credentials, service: 's3', region, url, signQuery: true }).sign()
      return {
        method: 'GET',
        target: signed.url.pathname + signed.url.search,
        headers: { host: authority },
        body: null,
      }
    },
  },
]
