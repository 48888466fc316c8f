// Suite `signing`: nanoseconds of one verification, from JavaScript through the addon as a worker asks, each against its
// limit, beside what node:crypto takes. One process on core 0 measures (signing/measure.ts).
import { join } from 'node:path'
import { noiseBetween, takeSnapshot } from '../measure/cpu.ts'
import { noisy, verdict, writeJson } from '../measure/report.ts'
import { table } from '../measure/statistics.ts'
import type { SigningOptions } from '../options.ts'
import { Processes } from '../processes.ts'
import type { CaseResult, SigningResult } from '../signing/case.ts'
import { manyKeys } from '../signing/mashery-cases.ts'

const measuringCore = '0'
const limitBytesPerKey = 4096

export async function signingSuite(options: SigningOptions, json: string | null): Promise<void> {
  const processes = new Processes()
  const before = takeSnapshot()
  const measuring = processes.start({
    name: 'signing',
    command: process.execPath,
    args: [...process.execArgv, join(import.meta.dirname, '..', 'signing', 'measure.ts'), String(options.rounds)],
    cores: measuringCore,
  })
  const code = await measuring.exited
  const noise = noiseBetween([], before, takeSnapshot())
  if (code !== 0) throw new Error(measuring.errorText())
  const result = JSON.parse(measuring.outputText()) as SigningResult
  if (result.tables !== manyKeys) throw new Error(`INVALID: ${result.tables} of ${manyKeys} keys had a table`)
  print(result, options.rounds)
  if (noise.foreignShare > noisy) {
    console.log(`NOISE: other processes used ${(noise.foreignShare * 100).toFixed(0)} % of a core (${noise.worst})`)
  }
  writeJson(json, { suite: 'signing', options, noise, ...result })
}

function print({ cases, kernels, bytesPerKey }: SigningResult, rounds: number): void {
  const cells = ({ name, medianNs, lowNs, highNs }: CaseResult): string[] => [
    name,
    ...[medianNs, lowNs, highNs].map(ns => ns.toFixed(0)),
  ]
  console.log(table([['case', 'ns', '5 %', '95 %'], ...cases.map(cells)]))
  console.log(`\nmedians of ${rounds} rounds; paths of this processor: ${kernels.join(', ')}\n`)
  for (const { name, limitNs, medianNs } of cases) if (limitNs !== null) verdict(name, medianNs, limitNs, 'ns')
  verdict(`memory of a key, ${manyKeys} of them`, bytesPerKey, limitBytesPerKey, 'bytes')
  if (!kernels.includes('sha-ni')) console.log('no SHA-NI: its cold window was not measured')
}
