// Micro benchmark: nanoseconds of what guards ask of the limits file, from JavaScript through the addon. A person runs it
// (`node --import tsx bench/micro/limits.bench.ts`, after a build). The median of many short
// rounds, and what the quickest and the slowest of them took.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { native } from '../../ts/shared/native.ts'
import { LimitVerdict, type NativeLimits } from '../../ts/shared/native-limits.ts'

const rounds = 1000
/** Short, so that on a busy machine many rounds pass without another process between. */
const callsPerRound = 2000
const keyCount = 1024

const folder = mkdtempSync(join(tmpdir(), 'polygate-bench-'))
const limits: NativeLimits = new (native().Limits)(join(folder, 'limits'), 100_000, 8_000_000)

const rate = { kind: 'rate', limit: 1_000_000_000, periodMs: 1000, burst: 1_000_000_000 } as const
const month = { kind: 'month', limit: 60_000_000_000, periodMs: 0, burst: 0 } as const
const wide = limits.rule('wide', [rate], false)
const other = limits.rule('other', [rate], false)
const both = limits.rule('both', [rate, month], false)
const none = limits.rule('none', [{ kind: 'rate', limit: 1, periodMs: 86_400_000, burst: 1 }], false)
const places = limits.concurrency('places', 100, false)
const nonces = limits.replayWindow('nonces', 600, false)
const keys = Array.from({ length: keyCount }, (_, at) => `consumer-${at}`)
const values = Array.from({ length: keyCount }, (_, at) => Buffer.alloc(32, at & 0xff))

function measure(name: string, one: (nth: number) => void): void {
  const results: number[] = []
  for (let round = -20; round < rounds; round++) {
    const from = process.hrtime.bigint()
    for (let nth = 0; nth < callsPerRound; nth++) one(nth)
    const ns = Number(process.hrtime.bigint() - from) / callsPerRound
    if (round >= 0) results.push(ns)
  }
  results.sort((a, b) => a - b)
  const at = (share: number): string => results[Math.floor((rounds - 1) * share)]!.toFixed(1).padStart(7)
  console.log(`${name.padEnd(48)} ${at(0.5)} ns  (5 % of rounds: ${at(0.05)}, 95 %: ${at(0.95)})`)
}

measure('an empty crossing (dropRule of no rule)', () => limits.dropRule(1_000_000))
measure('admitted: one rule, one key', () => void limits.decide(wide, 'consumer-1'))
measure('admitted: one rule, 1,024 keys', nth => void limits.decide(wide, keys[nth & (keyCount - 1)]!))
measure('admitted: a rate and a quota by the same', () => void limits.decide(both, 'consumer-1'))
measure('admitted: two rules', () => void limits.decideAll(2, wide, 'consumer-1', other, '198.51.100.7'))
measure('refused: one rule', () => void limits.decide(none, 'consumer-1'))
measure('refused: the second of two rules', () => void limits.decideAll(2, wide, 'consumer-1', none, 'consumer-1'))
measure('a place, taken and given back', () => limits.release(limits.acquire(0, places, 'consumer-1')))
let nonce = 0
measure('a value of 32 bytes, new to a replay window', nth => {
  const value = values[nth & (keyCount - 1)]!
  value.writeUInt32LE(nonce++)
  limits.replay(nonces, value)
})
measure('a value of 32 bytes, seen', () => void limits.replay(nonces, values[7]!))

if (limits.decide(wide, 'consumer-1') !== LimitVerdict.admitted) throw new Error('the benchmark has used its limit up')
limits.close()
rmSync(folder, { recursive: true })
