// The process that measures for the suite `signing`, on a core of its own: argv is the number of rounds, standard output
// one line of JSON. Cases take turns within a round, so that a slow moment of the machine meets all of them.
import { join } from 'node:path'
import { native } from '../../ts/shared/native.ts'
import { scratchFolder } from '../rivals/template.ts'
import { median } from '../measure/statistics.ts'
import type { Case, CaseResult, SigningResult } from './case.ts'
import { coldCases, manyKeysCases, warmCases } from './mashery-cases.ts'
import { keyAndLimitCases, nodeCases, openLimits, schemeCases, tokenCases } from './other-cases.ts'

const warmUpRounds = 5

function once({ name, calls, warmUpCalls = calls / 10, run }: Case): number {
  for (let nth = 0; nth < warmUpCalls; nth++) run(nth)
  let good = 0
  const from = process.hrtime.bigint()
  for (let nth = 0; nth < calls; nth++) if (run(nth)) good++
  const ns = Number(process.hrtime.bigint() - from) / calls
  if (good !== calls) throw new Error(`INVALID: ${name}: ${calls - good} of ${calls} calls had another answer`)
  return ns
}

function measure(cases: readonly Case[], rounds: number): CaseResult[] {
  const taken = cases.map(() => [] as number[])
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const [at, one] of cases.entries()) {
      const ns = once(one)
      if (round >= 0) taken[at]!.push(ns)
    }
  }
  return cases.map(({ name, limitNs }, at) => {
    const sorted = taken[at]!.sort((a, b) => a - b)
    const share = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)]!
    return { name, limitNs, medianNs: median(sorted), lowNs: share(0.05), highNs: share(0.95) }
  })
}

const addon = native()
const heads = new addon.RequestHeads({ slots: 64, maxHeadBytes: 0, maxHeaders: 0 })
const exchanges = new addon.Exchanges(heads.id)
const limits = openLimits(join(scratchFolder('signing'), 'limits'))
// First, because it measures the memory that they take.
const many = manyKeysCases(exchanges)
const cases: Case[] = [
  ...warmCases(exchanges, heads),
  ...many.cases,
  ...coldCases(addon, exchanges),
  ...schemeCases(exchanges, heads),
  ...tokenCases(exchanges, heads),
  ...keyAndLimitCases(exchanges, heads, limits),
  ...nodeCases(),
]
const result: SigningResult = {
  kernels: addon.signatureKernels(),
  cases: measure(cases, Number(process.argv[2])),
  tables: many.tables,
  bytesPerKey: many.bytesPerKey,
}
limits.close()
console.log(JSON.stringify(result))
