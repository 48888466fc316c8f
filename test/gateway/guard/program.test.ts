// Pins how the guards of a route run: alternatives in their order, lists as a whole, and that a guard which answers
// later goes on exactly where it stood, whichever way it decides.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Exchange, Verdict } from '../../../ts/gateway/exchange.ts'
import { compileProgram, nextStep, refuse, refused, runProgram } from '../../../ts/gateway/guard/program.ts'
import type { Stage } from '../../../ts/gateway/pipeline.ts'

const ignore = (): void => {}
const newExchange = (): Exchange =>
  new Exchange(0, { aborted: ignore, body: ignore, writable: () => true, corked: ignore, requestId: () => '' })

/** A guard a letter: those of `pass` let the request in, those of `wait` answer later. It tells which were asked. */
function guards(pass: string, wait: string, asked: string[]): (letter: string) => Stage {
  return letter => exchange => {
    asked.push(letter)
    if (wait.includes(letter)) return Verdict.later
    return pass.includes(letter) ? Verdict.next : exchange.refuse('forbidden', letter)
  }
}

/** anyOf [ A, allOf [ B, C ], D ], E */
function run(pass: string, wait = ''): { verdict: string; asked: string } {
  const asked: string[] = []
  const guard = guards(pass, wait, asked)
  const program = compileProgram([[[guard('A')], [guard('B'), guard('C')], [guard('D')]], [[guard('E')]]])
  const exchange = newExchange()
  let verdict: Verdict = runProgram(program, exchange, 0)
  while (verdict === Verdict.later) {
    const letter = asked.at(-1)!
    const decided = pass.includes(letter) ? Verdict.next : exchange.refuse('forbidden', letter)
    const next = nextStep(program, exchange, decided)
    verdict = next === refused ? refuse(exchange) : runProgram(program, exchange, next)
  }
  assert.equal(exchange.answer === null, verdict === Verdict.next, 'a refusal that was set aside is no answer')
  return { verdict: verdict === Verdict.next ? 'next' : `answer ${exchange.detail}`, asked: asked.join('') }
}

const cases: [pass: string, verdict: string, asked: string][] = [
  ['AE', 'next', 'AE'],
  ['BCE', 'next', 'ABCE'],
  ['BDE', 'next', 'ABCDE'],
  ['DE', 'next', 'ABDE'],
  ['CE', 'answer D', 'ABD'],
  ['', 'answer D', 'ABD'],
  ['A', 'answer E', 'AE'],
  ['BC', 'answer E', 'ABCE'],
]

for (const [pass, verdict, asked] of cases) {
  for (const wait of ['', 'A', 'BC', 'D', 'ABCDE']) {
    test(`${pass || 'none'} would let it in, ${wait || 'none'} answer later`, () =>
      assert.deepEqual(run(pass, wait), { verdict, asked }))
  }
}
