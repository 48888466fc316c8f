// RFC 9421 and draft-cavage, signed by npm packages. Called by test/flow/independent-clients.test.ts.
import { constants, randomUUID, sign } from 'node:crypto'
import { contentDigest, digestHeader } from '../signers.ts'
import { asQuery, json, keyOf, keys, parameters, path, publicKeys, secret, type Client } from './known.ts'
import type { Packages } from './packages.ts'

/** This package's own PSS has a salt as long as the key allows; RFC 9421, 3.3.1, wants 64 bytes. */
const signerOf = (messages: Packages['messages'], algorithm: string): object =>
  algorithm === 'rsa-pss-sha512'
    ? {
        id: algorithm,
        alg: algorithm,
        sign: (text: Buffer) => Promise.resolve(sign('sha512', text, { ...saltOf64, key: keys.rsa.privateKey })),
      }
    : messages.createSigner(keyOf(algorithm), algorithm, algorithm)

const saltOf64 = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }

export function messageClients({ messages }: Packages, authority: string): Client[] {
  const clients: Client[] = []
  const asked = (route: string, body: string | null, headers: Readonly<Record<string, string>>) => ({
    method: body === null ? 'GET' : 'POST',
    url: `http://${authority}/${route}${path}${asQuery(parameters())}`,
    headers: {
      host: authority,
      ...(body === null ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  })
  for (const algorithm of ['hmac-sha256', ...Object.keys(publicKeys)]) {
    for (const body of [null, json]) {
      const digest = body === null ? {} : { 'content-digest': contentDigest(body) }
      const components = ['@method', '@target-uri', '@authority', '@path', '@query', '@query-param;name="q"', '@scheme']
      clients.push({
        who: `npm http-message-signatures: RFC 9421, ${algorithm}, ${body === null ? 'no body' : 'a body'}`,
        route: 'rfc9421',
        consumer: 'partner',
        async sign() {
          const request = asked('rfc9421', body, digest)
          const { headers } = await messages.httpbis.signMessage(
            {
              key: signerOf(messages, algorithm),
              fields: [...components, ...(body === null ? [] : ['content-digest', 'content-type'])],
              params: ['created', 'keyid', 'alg', 'expires', 'nonce'],
              paramValues: { nonce: randomUUID() },
            },
            request,
          )
          return { method: request.method, target: request.url.slice(`http://${authority}`.length), headers, body }
        },
        signature: /^signature: sig=:(.+):$/i,
        headers: ['host', 'signature-input', ...(body === null ? [] : ['content-digest', 'content-type'])],
        signsTarget: true,
      })
    }
  }
  // Draft -12 wants no algorithm of its elders beside (created).
  const forms = [
    { route: 'cavage', params: ['keyid', 'alg'], time: ['date'] },
    { route: 'cavage-10', params: ['keyid', 'alg'], time: ['date'] },
    { route: 'cavage', params: ['keyid', 'created', 'expires'], time: ['@created', '@expires'] },
  ]
  for (const algorithm of ['hmac-sha256', ...Object.keys(publicKeys)]) {
    for (const { route, params, time } of forms) {
      // hs2019, this package's name of PSS, came with draft -12.
      if (route === 'cavage-10' && algorithm === 'rsa-pss-sha512') continue
      clients.push({
        who: `npm http-message-signatures: ${route}, ${algorithm}, by ${time[0]}`,
        route,
        consumer: 'partner',
        async sign() {
          const request = asked(route, json, { date: new Date().toUTCString(), digest: digestHeader(json) })
          const key = signerOf(messages, algorithm)
          const fields = ['@request-target', 'host', 'digest', ...time]
          const { headers } = await messages.cavage.signMessage({ key, fields, params }, request)
          return {
            method: request.method,
            target: request.url.slice(`http://${authority}`.length),
            headers,
            body: json,
          }
        },
        signature: /^signature: .*signature="(.+)"$/i,
        headers: ['host', 'digest', ...time.filter(name => name === 'date')],
        signsTarget: true,
      })
    }
  }
  return clients
}

export function joyentClients({ joyent }: Packages, authority: string): Client[] {
  const names: Readonly<Record<string, string>> = {
    'hmac-sha1': 'hmac-sha1',
    'hmac-sha256': 'hmac-sha256',
    'hmac-sha512': 'hmac-sha512',
    'rsa-v1_5-sha256': 'rsa-sha256',
    'ecdsa-p256-sha256': 'ecdsa-sha256',
    ed25519: 'ed25519-sha512',
  }
  return ['cavage', 'cavage-10'].flatMap(route =>
    Object.entries(names).map(([keyId, algorithm]) => ({
      who: `npm http-signature: ${route}, ${algorithm}`,
      route,
      consumer: 'partner',
      sign() {
        const target = `/${route}${path}${asQuery(parameters())}`
        const headers: Record<string, string> = { host: authority, digest: digestHeader(json) }
        const request = requestLike('PUT', target, headers)
        const signed = ['(request-target)', 'host', 'date', 'digest']
        joyent.sign(request, { key: keyOf(keyId), keyId, algorithm, headers: signed, strict: true })
        return Promise.resolve({ method: 'PUT', target, headers, body: json })
      },
      signature: /^authorization: .*signature="(.+)"$/i,
      headers: ['host', 'date', 'digest'],
      signsTarget: true,
    })),
  )
}

/** What these clients can be told to sign, and the documents forbid. */
export function refusedClients({ messages, joyent }: Packages, authority: string): Pick<Client, 'who' | 'sign'>[] {
  const target = (route: string): string => `/${route}${path}${asQuery(parameters())}`
  const pss = messages.createSigner(keys.rsa.privateKey, 'rsa-pss-sha512', 'rsa-pss-sha512')
  return [
    {
      who: 'npm http-message-signatures: PSS with a salt that is not of 64 bytes (RFC 9421, 3.3.1)',
      async sign() {
        const at = target('rfc9421')
        const request = { method: 'GET', url: `http://${authority}${at}`, headers: { host: authority } }
        const config = { key: pss, fields: ['@method', '@target-uri', '@authority'] }
        const { headers } = await messages.httpbis.signMessage(config, request)
        return { method: 'GET', target: at, headers, body: null }
      },
    },
    {
      who: 'npm http-signature: (created) beside rsa-sha256 (draft-cavage-12, 2.3)',
      sign() {
        const headers: Record<string, string> = { host: authority }
        const request = requestLike('GET', target('cavage'), headers)
        const names = ['(request-target)', 'host', '(created)']
        joyent.sign(request, { key: keys.rsa.privateKey, keyId: 'rsa-v1_5-sha256', headers: names })
        return Promise.resolve({ method: 'GET', target: request.path, headers, body: null })
      },
    },
    {
      who: 'npm http-signature: what it signs by default, the date alone',
      sign() {
        const headers: Record<string, string> = { host: authority }
        const request = requestLike('GET', target('cavage'), headers)
        joyent.sign(request, { key: secret, keyId: 'hmac-sha256', algorithm: 'hmac-sha256' })
        return Promise.resolve({ method: 'GET', target: request.path, headers, body: null })
      },
    },
  ]
}

/** As much of node:http's request as http-signature calls. */
function requestLike(method: string, at: string, headers: Record<string, string>) {
  return {
    method,
    path: at,
    getHeader: (name: string) => headers[name.toLowerCase()],
    setHeader: (name: string, value: string) => (headers[name.toLowerCase()] = value),
  }
}
