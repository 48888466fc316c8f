// Pins: a body that is written while the client reads slowly arrives whole, chunk by chunk, also where the kernel has
// room for the data of one chunk and not for the size line of the next. Through unix sockets, where that happens all
// the time: uWebSockets.js by itself loses the chunk's data then (uWebSockets 6b7f354).
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { test } from 'node:test'
import type { HttpResponse } from 'uWebSockets.js'
import { makeAuthority } from '../../helpers/certificates.ts'
import { within, type Scope } from '../../helpers/scope.ts'
import { readResponse } from '../../helpers/wire.ts'
import { startApp } from './front-end-app.ts'

const options = {
  skip: process.platform === 'linux' ? false : 'the front end is hooked on Linux only',
  timeout: 60_000,
}
const bodyBytes = 3_000_000
const rounds = 8
const pattern = Buffer.from(Array.from({ length: bodyBytes }, (_, i) => (i * 7) % 251))

/** Writes the body in pieces of random size, each in a cork of its own, and waits whenever `write` says so. */
function stream(response: HttpResponse): void {
  let sent = 0
  const more = (): boolean => {
    for (let ok = true; ok && sent < bodyBytes;) {
      const piece = pattern.subarray(sent, sent + 1 + randomInt(randomInt(2) === 0 ? 60_000 : 260_000))
      sent += piece.length
      response.cork(() => (ok = response.write(piece)))
    }
    if (sent === bodyBytes) response.cork(() => response.end())
    return true
  }
  response.onWritable(() => {
    response.cork(() => {})
    return more()
  })
  more()
}

/** All that came until the last chunk; reading stops for a moment now and then. */
async function readSlowly(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of socket as AsyncIterable<Buffer>) {
    parts.push(part)
    if (part.subarray(-5).toString('latin1') === '0\r\n\r\n') break
    if (randomInt(3) === 0) await new Promise(resolve => setTimeout(resolve, 1))
  }
  return Buffer.concat(parts)
}

async function check(scope: Scope, open: () => Socket): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const socket = open()
    scope.after(() => socket.destroy())
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    const bytes = await within(5_000, `round ${round}`, readSlowly(socket))
    const { whole } = readResponse(bytes, 0, 'GET', false)
    assert.ok(whole, `round ${round}: the body is cut or its framing broken`)
    assert.deepEqual([whole.size, whole.faults], [bytes.length, []])
    assert.ok(whole.body.equals(pattern), `round ${round}: ${whole.body.length} bytes came`)
    socket.destroy()
  }
}

function socketPath(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-streams-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'front-end.sock')
}

const answer = (response: HttpResponse): boolean => {
  setImmediate(() => stream(response))
  return true
}

test('plain', options, async t => {
  const unix = socketPath(t)
  startApp(t, { unix, onHead: answer })
  await check(t, () => connect(unix))
})

test('TLS', options, async t => {
  const unix = socketPath(t)
  startApp(t, { unix, onHead: answer, tls: makeAuthority(t).issue('localhost') })
  await check(t, () => connectTls({ path: unix, rejectUnauthorized: false }))
})
