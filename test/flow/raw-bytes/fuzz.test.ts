// Pins: randomly damaged requests never make the upstream see anything but a prefix of the well-formed requests that a
// strict reader finds in the same bytes, and each of those gets its own answer. POLYGATE_FUZZ_SEED repeats a run,
// POLYGATE_FUZZ_RUNS lengthens it.
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway } from '../../helpers/gateway.ts'
import { startRecorder, type Recorded } from '../../helpers/recorder.ts'
import { methodOf, readRequest, targetOf, type WireMessage } from '../../helpers/wire.ts'
import { seededRandom } from '../../helpers/random.ts'
import { mutate } from './mutate.ts'
import { send, type RawCase, type Target } from './replay.ts'

const runs = Number(process.env['POLYGATE_FUZZ_RUNS'] ?? 5000)
const seed = Number(process.env['POLYGATE_FUZZ_SEED'] ?? randomInt(2 ** 31))

const folder = join(import.meta.dirname, 'cases')
const seeds = readdirSync(folder)
  .flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean))
  .map(line => JSON.parse(line) as RawCase)
  .filter(one => one.expect !== 'reject' && one.raw.length < 2000)
  .map(one => one.raw)

type Request = Pick<WireMessage, 'startLine' | 'body'>

/**
 * The well-formed requests at the beginning of the bytes, up to the first fault or unfinished one. The
 * gateway forwards no trailers, so they may be unfinished or at fault.
 */
function strictlyRead(bytes: Buffer): Request[] {
  const requests: Request[] = []
  for (let at = 0; at < bytes.length;) {
    // RFC 9112 section 2.2: empty lines before a request line may be skipped.
    if (bytes[at] === 13 && bytes[at + 1] === 10) {
      at += 2
      continue
    }
    const { whole, partial } = readRequest(bytes, at)
    if (!whole) {
      const { startLine, body, faults } = partial
      if (startLine !== null && body && faults.length === 0) requests.push({ startLine, body })
      break
    }
    if (whole.faults.length > 0) break
    requests.push(whole)
    at += whole.size
  }
  return requests
}

/** Targets may be forwarded with the scheme and authority left out, and with percent-encoding in its normal form. */
const comparable = (target: string): string =>
  unescape(target.replace(/^https?:\/\/[^/?]*(?=([/?]?))/i, (_, next: string) => (next === '/' ? '' : '/')))

/** As JSON, in ASCII: what is printed must be what was sent. */
const printable = (raw: string): string =>
  JSON.stringify(raw).replace(/[\x7f-\xff]/g, byte => `\\u00${byte.charCodeAt(0).toString(16)}`)

function differences(seen: readonly Recorded[], strict: readonly Request[]): string[] {
  const faults: string[] = []
  if (seen.length > strict.length)
    faults.push(`the upstream saw ${seen.length} requests, a strict reader finds ${strict.length}`)
  for (const [i, one] of seen.entries()) {
    const expected = strict[i]
    if (!expected) break
    if (one.method !== methodOf(expected)) faults.push(`request ${i + 1} has the method ${one.method}`)
    const [got, wanted] = [comparable(one.target), comparable(targetOf(expected))]
    if (got !== wanted && !wanted.includes('/.')) faults.push(`request ${i + 1} has the target ${one.target}`)
    if (!one.message.body.equals(expected.body)) faults.push(`request ${i + 1} has another body`)
  }
  return faults
}

async function tryOne(target: Target, raw: string, split: readonly number[]): Promise<string[]> {
  // A scope for each: thousands of ends on one test would be kept until it is over.
  const ends: (() => unknown)[] = []
  try {
    const outcome = await send({ after: end => void ends.push(end) }, target, { id: 'fuzz', expect: 'any', raw, split })
    const bytes = Buffer.from(raw.replaceAll('{HOST}', `127.0.0.1:${target.port}`), 'latin1')
    return [...outcome.faults, ...differences(outcome.seen, strictlyRead(bytes))]
  } catch (error) {
    return [(error as Error).message]
  } finally {
    for (const end of ends) await end()
  }
}

test(`${runs} damaged requests (POLYGATE_FUZZ_SEED=${seed})`, async t => {
  const recorder = await startRecorder(t)
  const gateway = await startGateway(
    t,
    `upstreams: { recorder: { peers: [ { url: "${recorder.url}" } ] } }
routes: [ { name: everything, match: { path: "/*" }, upstream: recorder, webSocket: false } ]`,
  )
  const target = { port: gateway.port, tls: false, recorder }
  const random = seededRandom(seed)
  for (let run = 0; run < runs; run++) {
    const raw = mutate(random, seeds)
    const split = random() < 0.2 ? [Math.floor(random() * raw.length)] : []
    const faults = await tryOne(target, raw, split)
    assert.deepEqual(faults, [], `run ${run} of POLYGATE_FUZZ_SEED=${seed}: ${printable(raw)} ${split.join()}`)
  }
  assert.equal(gateway.workers().length, 1)
})
