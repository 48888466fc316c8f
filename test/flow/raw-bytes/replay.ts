// Sends one raw byte string through a gateway to a recording upstream and says what was wrong with the outcome. Knows
// no gateway in particular; called by raw-bytes.test.ts and fuzz.test.ts.
import type { Recorded, Recorder } from '../../helpers/recorder.ts'
import { RawClient, type Answers } from '../../helpers/raw-client.ts'
import { within, type Scope } from '../../helpers/scope.ts'
import { methodOf, readRequest, statusOf, valuesOf } from '../../helpers/wire.ts'

export interface RawCase {
  readonly id: string
  /**
   * forward: all its requests reach the upstream and are answered. reject: the gateway refuses and closes. wait: the
   * end of the request has not come, so it is waited for or refused. any: forwarded or refused, but never half of each.
   */
  readonly expect: 'forward' | 'reject' | 'wait' | 'any'
  /** Latin-1: a character is a byte. `{HOST}` stands for the gateway's authority. */
  readonly raw: string
  /** Requests that may reach the upstream: by default 1, and none for reject and wait. */
  readonly max?: number
  /** Offsets at which the sending pauses until the gateway has read what was sent. */
  readonly split?: readonly number[]
  /** What the upstream must see of the first request: its body, and fields that must not be there. */
  readonly body?: string
  readonly absent?: readonly string[]
}

export interface Target {
  readonly port: number
  readonly tls: boolean
  readonly recorder: Recorder
}

export interface Outcome {
  readonly faults: string[]
  readonly seen: readonly Recorded[]
  readonly answers: Answers
  readonly closed: boolean
}

export const open = (scope: Scope, { port, tls }: Target): Promise<RawClient> =>
  tls ? RawClient.connectTls(scope, port) : RawClient.connect(scope, port)

const hangMs = 5000
const probePrefix = '/probe/'
let probes = 0

/**
 * Another client's request, on a connection of its own. When it has been answered, the gateway (one worker, one loop)
 * has dealt with all bytes that were sent before: this is how a test waits for "nothing more will come" without time.
 */
export async function probe(scope: Scope, target: Target): Promise<void> {
  const path = `${probePrefix}${++probes}`
  const client = await open(scope, target)
  await client.send(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nConnection: close\r\n\r\n`)
  const [answer] = (await within(hangMs, 'another client', client.finals(1))).finals
  client.destroy()
  const got = answer && valuesOf(answer, 'x-target')[0]
  if (got !== path) throw new Error(`another client got ${answer ? `${answer.startLine} for ${got}` : 'no answer'}`)
}

const seenBy = (recorder: Recorder): Recorded[] => recorder.requests.filter(one => !one.target.startsWith(probePrefix))

/** Probes until two in a row find that nothing has changed: neither what the upstream saw nor what `client` got. */
async function settle(scope: Scope, target: Target, client: RawClient): Promise<void> {
  const state = (): string => `${seenBy(target.recorder).length} ${client.bytes.length} ${client.closed}`
  for (let [before, calm] = [state(), 0]; calm < 2;) {
    await probe(scope, target)
    const now = state()
    calm = now === before ? calm + 1 : 0
    before = now
  }
}

/** Methods of the requests, to know which answers have no body. Ends with the first ill-formed one. */
function methodsIn(raw: string): string[] {
  const bytes = Buffer.from(raw, 'latin1')
  const methods: string[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] === 13 && bytes[at + 1] === 10) {
      at += 2
      continue
    }
    const { whole, partial } = readRequest(bytes, at)
    const startLine = whole?.startLine ?? partial?.startLine ?? null
    if (startLine === null) break
    methods.push(methodOf({ startLine }))
    if (!whole || whole.faults.length > 0) break
    at += whole.size
  }
  return methods
}

/** Sends and settles; checks what must hold for every byte string, whatever it is. */
export async function send(
  scope: Scope,
  target: Target,
  one: RawCase,
): Promise<Outcome & { readonly client: RawClient }> {
  const { recorder } = target
  recorder.reset()
  const raw = one.raw.replaceAll('{HOST}', `127.0.0.1:${target.port}`)
  const client = await open(scope, target)
  let at = 0
  for (const offset of [...(one.split ?? []), raw.length]) {
    await client.send(raw.slice(at, offset))
    at = offset
    if (offset < raw.length) await probe(scope, target)
  }
  const methods = methodsIn(raw)
  const expected = one.expect === 'forward' ? (one.max ?? 1) : 0
  if (expected > 0) await within(hangMs, `${expected} answers`, client.finals(expected, methods))
  await settle(scope, target, client)
  const mustEnd = one.expect === 'reject' && seenBy(recorder).length <= (one.max ?? 0)
  if (mustEnd) await within(hangMs, 'the end of the connection', client.ended())
  const answers = client.answers(methods)
  const seen = seenBy(recorder)
  return {
    client,
    answers,
    seen,
    closed: client.closed,
    faults: invariantFaults(answers, seen, client.closed, methods),
  }
}

/** The upstream sees nothing, or exactly well-framed requests that the client's answers correspond to. */
function invariantFaults(
  answers: Answers,
  seen: readonly Recorded[],
  closed: boolean,
  methods: readonly string[],
): string[] {
  const faults: string[] = []
  for (const one of seen)
    for (const fault of [...one.message.faults, ...one.message.trailerFaults])
      faults.push(`the upstream got an ill-formed request: ${fault}`)
  for (const one of [...answers.finals, ...answers.interims]) {
    for (const fault of one.faults) faults.push(`the client got an ill-formed answer: ${fault}`)
  }
  const answered = answers.finals.flatMap(one => valuesOf(one, 'x-sequence')).map(Number)
  const wanted = seen.map(one => one.sequence)
  // A connection that the gateway closed may lack the last answers; it never has others or another order.
  const comparable = closed ? wanted.slice(0, answered.length) : wanted
  if (answered.join() !== comparable.join())
    faults.push(`answers to [${answered.join()}], but the upstream saw [${wanted.join()}]`)
  // An ill-formed HEAD may be refused with a body or without: the connection is closed either way.
  const refusedHead = closed && methods[answers.finals.length - 1] === 'HEAD'
  if (answers.rest.length > 0 && !refusedHead) {
    faults.push(`stray bytes to the client: ${JSON.stringify(answers.rest.toString('latin1', 0, 60))}`)
  }
  return faults
}

/** The whole check of one case: the invariants, its expectation, and a second request on the same connection. */
export async function replay(scope: Scope, target: Target, one: RawCase): Promise<string[]> {
  const { client, answers, seen, closed, faults } = await send(scope, target, one)
  const forwarded = answers.finals.filter(answer => valuesOf(answer, 'x-sequence').length > 0)
  const limit = one.max ?? (one.expect === 'reject' || one.expect === 'wait' ? 0 : 1)
  if (seen.length > limit)
    faults.push(`the upstream saw ${seen.length} requests: ${seen.map(r => r.message.startLine).join(' | ')}`)
  if (one.expect === 'forward' && forwarded.length !== limit) {
    faults.push(
      `${forwarded.length} of ${limit} requests were answered: ${answers.finals.map(a => a.startLine).join(' | ')}`,
    )
  }
  if (one.expect === 'reject') faults.push(...rejectFaults(answers, forwarded.length, closed))
  const own = answers.finals.filter(answer => valuesOf(answer, 'x-sequence').length === 0)
  for (const answer of own) if (statusOf(answer) < 400) faults.push(`answered by itself: ${answer.startLine}`)
  const first = seen[0]?.message
  if (first && one.body !== undefined && first.body.toString('latin1') !== one.body) {
    faults.push(`the upstream got the body ${JSON.stringify(first.body.toString('latin1', 0, 100))}`)
  }
  for (const name of one.absent ?? []) {
    if (first && valuesOf(first, name).length > 0)
      faults.push(`the upstream got the field ${name}: ${valuesOf(first, name).join()}`)
  }
  const idle = one.expect !== 'wait' && forwarded.length > 0 && forwarded.length === answers.finals.length && !closed
  if (idle) {
    faults.push(...(await canaryFaults(target, client, answers.finals.length, methodsIn(one.raw))))
  }
  client.destroy()
  await settle(scope, target, client)
  const late = seenBy(target.recorder).slice(seen.length)
  for (const request of late)
    if (request.target !== '/canary') faults.push(`the upstream saw later: ${request.message.startLine}`)
  const bodies = [...seenBy(target.recorder).map(request => request.message.body), ...target.recorder.unfinished()]
  if (bodies.some(body => body.includes('GET /canary ')))
    faults.push('the next request on the connection became part of a body')
  return faults
}

function rejectFaults(answers: Answers, forwarded: number, closed: boolean): string[] {
  const own = answers.finals.slice(forwarded)
  const [refusal] = own
  if (own.length > 1) return [`refused ${own.length} times`]
  if (!refusal) return [closed ? 'closed without an answer' : 'not refused']
  const status = statusOf(refusal)
  return status >= 400 && status !== 404 ? [] : [`answered ${refusal.startLine}`]
}

/** A plain request on the same connection must get its own answer, a refusal, or the end of the connection. */
async function canaryFaults(
  target: Target,
  client: RawClient,
  before: number,
  methods: readonly string[],
): Promise<string[]> {
  await client.send(`GET /canary HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\n\r\n`)
  const { finals } = await within(
    hangMs,
    'the next request on the connection',
    client.finals(before + 1, [...methods.slice(0, before), 'GET']),
  )
  const [answer] = finals.slice(before)
  if (!answer || statusOf(answer) >= 400) return []
  const got = valuesOf(answer, 'x-target')[0]
  return got === '/canary' ? [] : [`the next request on the connection got the answer to ${got}`]
}
