// Pins that clients of others (npm and PyPI packages, installed in test/clients) sign requests that a whole gateway
// accepts, and that it refuses them with any one byte changed: in the signature, in a signed header, in path or query,
// in the body. Tokens have their own such test, with jose: jwt-guard.test.ts.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { awsClients, refusedAwsClients } from '../helpers/clients/amazon.ts'
import { configuration, type Client, type SignedRequest } from '../helpers/clients/known.ts'
import { joyentClients, messageClients, refusedClients } from '../helpers/clients/messages.ts'
import { loadPackages, signWithPython } from '../helpers/clients/packages.ts'
import { pythonRequests } from '../helpers/clients/python.ts'
import { webhookClients } from '../helpers/clients/webhooks.ts'
import { startGateway, type RunningGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { within } from '../helpers/scope.ts'
import { startEcho } from '../helpers/upstream.ts'
import { statusOf } from '../helpers/wire.ts'

/** One byte of a text is another one. It is a digit in every notation that signatures have, so only its value is wrong. */
function changed(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === '7' ? '3' : '7') + text.slice(at + 1)
}

const withHeader = (signed: SignedRequest, name: string, value: string): SignedRequest => ({
  ...signed,
  headers: { ...signed.headers, [name]: value },
})

/** The request as it was signed, with one byte changed in each of the places that count. */
function* changes(
  { signature, headers, signsTarget }: Client,
  signed: SignedRequest,
): Generator<[string, SignedRequest]> {
  const places = (text: string): number[] => [0, text.length >> 1, text.length - 3]
  let found = 0
  for (const [name, value] of Object.entries(signed.headers)) {
    const prefix = `${name}: `
    const text = signature.exec(prefix + value)?.[1]
    if (text === undefined) continue
    found++
    const from = (prefix + value).lastIndexOf(text) - prefix.length
    for (const at of places(text)) yield [`the signature at ${at}`, withHeader(signed, name, changed(value, from + at))]
  }
  const inTarget = signature.exec(signed.target)?.[1]
  if (inTarget !== undefined) {
    found++
    const from = signed.target.indexOf(inTarget)
    for (const at of places(inTarget)) {
      yield [`the signature at ${at}`, { ...signed, target: changed(signed.target, from + at) }]
    }
  }
  assert.equal(found, 1, 'where the signature is')
  for (const name of headers) {
    const [sent = '', value = ''] =
      Object.entries(signed.headers).find(([one]) => one.toLowerCase() === name.toLowerCase()) ?? []
    assert.notEqual(value, '', name)
    // A digit, where there is one: of a date, a length, a port.
    const at = Math.max(value.search(/\d\D*$/), 0)
    yield [`the header ${name}`, withHeader(signed, sent, changed(value, at))]
  }
  const queryAt = signed.target.indexOf('?')
  if (signsTarget) {
    const end = queryAt < 0 ? signed.target.length : queryAt
    yield ['the path', { ...signed, target: changed(signed.target, end - 1) }]
  }
  if (queryAt >= 0) {
    yield [
      'the first parameter',
      { ...signed, target: changed(signed.target, signed.target.indexOf('=', queryAt) + 1) },
    ]
    yield ['the name of the first parameter', { ...signed, target: changed(signed.target, queryAt + 1) }]
  }
  if (signed.body !== null) {
    const { body } = signed
    for (const at of [0, body.length - 1]) yield [`the body at ${at}`, { ...signed, body: changed(body, at) }]
  }
}

describe('clients of others', { timeout: 120_000 }, () => {
  const ends: (() => unknown)[] = []
  const scope = { after: (end: () => unknown) => void ends.push(end) }
  let gateway: RunningGateway
  let clients: Client[]
  let refused: Pick<Client, 'who' | 'sign'>[]

  before(async () => {
    const packages = await loadPackages()
    const echo = await startEcho(scope)
    gateway = await startGateway(scope, configuration(echo.url))
    const authority = `127.0.0.1:${gateway.port}`
    const fromPython = pythonRequests(authority)
    const signed = await signWithPython(fromPython.map(([asked]) => asked))
    refused = [...refusedClients(packages, authority), ...refusedAwsClients(packages, authority)]
    clients = [
      ...[messageClients, joyentClients, awsClients, webhookClients].flatMap(of => of(packages, authority)),
      ...fromPython.map(([{ method, body }, client], n): Client => {
        const { url, headers } = signed[n]!
        const target = url.slice(url.indexOf('/', 'http://'.length))
        return { ...client, sign: () => Promise.resolve({ method, target, headers, body }) }
      }),
    ]
  })
  after(async () => {
    for (const end of ends.reverse()) await end()
  })

  async function send(
    client: RawClient,
    count: number,
    { method, target, headers, body }: SignedRequest,
  ): Promise<{ status: number; text: string }> {
    const bytes = Buffer.from(body ?? '')
    const lines = Object.entries(headers)
      .filter(([name]) => !/^(content-length|connection)$/i.test(name))
      .map(([name, value]) => `${name}: ${value}`)
    if (!Object.keys(headers).some(name => name.toLowerCase() === 'host')) lines.unshift('Host: 127.0.0.1')
    if (body !== null) lines.push(`Content-Length: ${bytes.length}`)
    await client.send(
      Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), bytes]),
    )
    const { finals } = await within(10_000, target, client.finals(count))
    const final = finals[count - 1]
    assert.ok(final, 'the connection ended')
    return { status: statusOf(final), text: final.body.toString() }
  }

  test('each is accepted as it signs, and refused with one byte changed', async t => {
    for (const client of clients) {
      await t.test(client.who, async () => {
        const signed = await client.sign()
        if (client.agrees !== undefined) assert.equal(await client.agrees(signed), true, 'the package agrees')
        const connection = await RawClient.connect(scope, gateway.port)
        let count = 0
        // The untouched one is the last: what was changed is not refused for having been there before.
        for (const [what, request] of changes(client, signed)) {
          const { status } = await send(connection, ++count, request)
          assert.equal(status, 401, `${what}: ${JSON.stringify(request)}`)
          if (client.agrees !== undefined) assert.equal(await client.agrees(request), false, `the package, ${what}`)
        }
        assert.ok(count >= 4, 'changes')
        const { status, text } = await send(connection, ++count, signed)
        assert.equal(status, 200, JSON.stringify(signed))
        const seen = JSON.parse(text) as { headers: Record<string, string>; body: string }
        assert.equal(seen.headers['x-consumer-name'], client.consumer)
        assert.equal(Buffer.from(seen.body, 'latin1').toString(), signed.body ?? '')
        connection.destroy()
      })
    }
  })

  test('signed by a client, and refused for a reason', async t => {
    for (const { who, sign } of refused) {
      await t.test(who, async () => {
        const connection = await RawClient.connect(scope, gateway.port)
        assert.equal((await send(connection, 1, await sign())).status, 401)
        connection.destroy()
      })
    }
  })

  test('what was refused was refused for what was changed', async () => {
    await gateway.stop()
    const lines = readFileSync(join(gateway.folder, 'access.log'), 'utf8').trim().split('\n')
    const reasons = new Set(lines.map(line => (JSON.parse(line) as { reason: string }).reason))
    // Not one of them was missing, of an unknown key, or a replay.
    assert.deepEqual([...reasons].sort(), [
      '',
      ...['bad-signature', 'malformed', 'not-covered', 'wrong-algorithm', 'wrong-digest'].map(
        reason => `signature ${reason}`,
      ),
    ])
  })
})
