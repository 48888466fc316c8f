// Signed requests as bytes, so that a test can send them from any address, change what it likes, and send them again.
// Called by the flow tests of the signature guard.
import { RawClient } from './raw-client.ts'
import { within, type Scope } from './scope.ts'
import { cavage, digestHeader, nowSeconds } from './signers.ts'
import { statusOf, valuesOf } from './wire.ts'

export interface Sent {
  /** POST where it is left out. */
  readonly method?: string
  readonly target: string
  /** Header lines, without Content-Length. */
  readonly lines: readonly string[]
  readonly body: string | null
}

export interface Answered {
  readonly status: number
  readonly text: string
  /** Of the problem that a refusal says; ''. */
  readonly code: string
  readonly retryAfter: string
}

export const linesOf = (headers: Readonly<Record<string, string>>): string[] =>
  Object.entries(headers).map(([name, value]) => `${name}: ${value}`)

/** With more lines behind its own. */
export const more = (sent: Sent, ...lines: string[]): Sent => ({ ...sent, lines: [...sent.lines, ...lines] })

/** The whole request, as it goes out. */
export function bytesOf({ method = 'POST', target, lines, body }: Sent): Buffer {
  const bytes = Buffer.from(body ?? '')
  const length = body === null ? [] : [`content-length: ${bytes.length}`]
  const head = [`${method} ${target} HTTP/1.1`, ...lines, ...length, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes])
}

/** The answer on a connection of its own. `from`: the client's address. */
export async function ask(scope: Scope, port: number, sent: Sent, from?: string): Promise<Answered> {
  const client = await RawClient.connect(scope, port, from)
  await client.send(bytesOf(sent))
  const answered = await answerOf(client, sent.target)
  client.destroy()
  return answered
}

/** The first answer on a connection. */
export async function answerOf(client: RawClient, what: string): Promise<Answered> {
  const { finals } = await within(10_000, what, client.finals(1))
  const final = finals[0]
  if (final === undefined) throw new Error(`${what}: the connection ended without an answer`)
  const text = final.body.toString()
  const isProblem = valuesOf(final, 'content-type').join() === 'application/problem+json'
  return {
    status: statusOf(final),
    text,
    code: isProblem ? (JSON.parse(text) as { code: string }).code : '',
    retryAfter: valuesOf(final, 'retry-after').join(),
  }
}

export interface Signer {
  readonly keyId: string
  readonly secret: string
  readonly host: string
}

/** draft-cavage: target, host, date and the digest of a body. */
export function cavageRequest(
  { keyId, secret, host }: Signer,
  target: string,
  body: string | null = null,
  seconds = nowSeconds(),
): Sent {
  const headers: Record<string, string> = { host }
  if (body !== null) headers['digest'] = digestHeader(body)
  const names = ['(request-target)', 'host', 'date', ...(body === null ? [] : ['digest'])]
  const signed = cavage({ method: 'POST', target, headers }, keyId, secret, names, { seconds })
  return { target, body, lines: linesOf({ ...headers, ...signed }) }
}
