// What one call of a plugin of the addon costs, beyond the reading of the head that it is called with.
import type { NativeExchanges } from '../../ts/shared/native.ts'
import type { RequestHeads } from '../../ts/shared/native-heads.ts'

const rounds = 7
const callsPerRound = 20_000

/** Seven fields. */
const head = Buffer.from(
  'GET /p?q=1 HTTP/1.1\r\nHost: a.example\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n' +
    'X-Internal: 1\r\nCookie: a=b; c=d\r\nX-Request-Id: abcdef\r\n\r\n',
)

function bestOf(work: () => void): number {
  let best = Infinity
  for (let round = 0; round < rounds; round++) {
    const began = process.hrtime.bigint()
    for (let nth = 0; nth < callsPerRound; nth++) work()
    best = Math.min(best, Number(process.hrtime.bigint() - began) / callsPerRound)
  }
  return best
}

/** Nanoseconds of a call of the hook `request` in slot 0, the best of some rounds; the last call's edits lie in the slot. */
export function callCost(exchanges: NativeExchanges, heads: RequestHeads, plugin: number): number {
  const without = bestOf(() => heads.takeText(0, head))
  const withCall = bestOf(() => {
    heads.takeText(0, head)
    exchanges.callPlugin(plugin, 0, 0, 100, 'route')
  })
  return withCall - without
}
