// What a case expects, beside what has come of it. Only what the case names is compared.
import type { Case } from '../../config/plugins/cases.ts'
import type { HeaderPair } from '../../config/plan.ts'
import type { TrialOutcome } from './trials.ts'
import type { TrialFailure, TrialLine } from './trial-process.ts'

export interface Difference {
  /** In the words of the file: `forwards.headers.x-greeting`. */
  readonly at: string
  readonly expected: string
  readonly found: string
}

type Expect = Case['expect']
type Done = Extract<TrialOutcome, { kind: 'done' }>

export function differences({ expect }: Case, outcome: TrialOutcome): Difference[] {
  if (outcome.kind === 'impossible') return [{ at: 'request', expected: 'an answer', found: outcome.reason }]
  if (outcome.kind === 'lost') {
    const failed = failureDifferences(expect, [outcome.failure])
    // What else it expects has not come.
    const more = expect.forwards !== null || expect.answers !== null || expect.logs.length > 0
    return failed.length > 0 || !more ? failed : [{ at: 'answers', expected: 'an answer', found: 'none' }]
  }
  return [
    ...failureDifferences(expect, outcome.failures),
    ...forwardDifferences(expect.forwards, outcome),
    ...answerDifferences(expect.answers, outcome),
    ...logDifferences(expect.logs, outcome.lines),
  ]
}

function failureDifferences({ fails }: Expect, failures: readonly TrialFailure[]): Difference[] {
  const found = failures.length === 0 ? nothing : failures.map(failureText).join('\n')
  if (fails === null) return failures.length === 0 ? [] : [{ at: 'fails', expected: nothing, found }]
  const { hook, cause, reason } = fails
  const isIt = failures.some(
    failure =>
      (hook === null || failure.hook === null || failure.hook === hook) &&
      (cause === null || failure.cause === cause) &&
      (reason === null || failure.reason.includes(reason)),
  )
  if (isIt) return []
  const expected = [cause ?? 'a failure', hook === null ? '' : ` at ${hook}`, reason === null ? '' : `: ${reason}`]
  return [{ at: 'fails', expected: expected.join(''), found }]
}

const failureText = ({ hook, cause, reason }: TrialFailure): string =>
  `${cause}${hook === null ? '' : ` at ${hook}`}: ${reason}`

function forwardDifferences(expected: Expect['forwards'], { result: { forwarded } }: Done): Difference[] {
  if (expected === null) return []
  const target = forwarded === null ? nothing : `${forwarded.method} ${forwarded.target}`
  if (expected === 'nothing') {
    return forwarded === null ? [] : [{ at: 'forwards', expected: nothing, found: target }]
  }
  if (forwarded === null) return [{ at: 'forwards', expected: 'a request', found: nothing }]
  return [
    ...textDifference('forwards.method', expected.method, forwarded.method),
    ...textDifference('forwards.path', expected.path, forwarded.target),
    ...textDifference('forwards.upstream', expected.upstream, forwarded.upstream),
    ...headerDifferences('forwards', expected, forwarded.headers),
    ...textDifference('forwards.body', expected.body, textOf(forwarded.body)),
  ]
}

function answerDifferences(expected: Expect['answers'], { result: { answer } }: Done): Difference[] {
  if (expected === null) return []
  const { status } = expected
  return [
    ...(status === null || status === answer.status
      ? []
      : [{ at: 'answers.status', expected: String(status), found: String(answer.status) }]),
    ...headerDifferences('answers', expected, answer.headers),
    ...textDifference('answers.body', expected.body, textOf(answer.body)),
  ]
}

function headerDifferences(
  where: string,
  { headers, without }: Pick<NonNullable<Expect['answers']>, 'headers' | 'without'>,
  found: readonly HeaderPair[],
): Difference[] {
  const valuesOf = (name: string): string[] =>
    found.flatMap(([one, value]) => (one.toLowerCase() === name.toLowerCase() ? [value] : []))
  const unequal = [...headers].flatMap(([name, value]): Difference[] => {
    const [expected, there] = [shownValues([value].flat()), shownValues(valuesOf(name))]
    return expected === there ? [] : [{ at: `${where}.headers.${name}`, expected, found: there }]
  })
  const surplus = without.flatMap((name): Difference[] => {
    const there = shownValues(valuesOf(name))
    return there === nothing ? [] : [{ at: `${where}.without ${name}`, expected: nothing, found: there }]
  })
  return [...unequal, ...surplus]
}

function logDifferences(expected: readonly string[], lines: readonly TrialLine[]): Difference[] {
  const texts = lines.map(lineText)
  return expected
    .filter(part => !texts.some(text => text.includes(part)))
    .map(part => ({ at: 'logs', expected: part, found: texts.length === 0 ? nothing : texts.join('\n') }))
}

/** A line of a plugin's log: `info: greeted name="x"`. */
export const lineText = ({ level, message, fields }: TrialLine): string =>
  [`${level}: ${message}`, ...Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`)].join(
    ' ',
  )

function textDifference(at: string, expected: string | null, found: string): Difference[] {
  if (expected === null || expected === found) return []
  return [{ at, expected: JSON.stringify(expected), found: JSON.stringify(found) }]
}

const nothing = 'nothing'

const shownValues = (values: readonly string[]): string =>
  values.length === 0 ? nothing : values.map(value => JSON.stringify(value)).join(', ')

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
