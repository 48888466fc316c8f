// Cases about Mashery's window: warm, with many keys, and cold, on the fastest path and on the one of any processor.
import type { Native, NativeExchanges } from '../../ts/shared/native.ts'
import type { RequestHeads } from '../../ts/shared/native-heads.ts'
import { replayUnwanted, signatureRefusals } from '../../ts/shared/native-signing.ts'
import { mashery, nowSeconds } from '../../test/helpers/signers.ts'
import type { Case } from './case.ts'
import { credentialOf, makeClients, verifierOptions, type Client } from './credentials.ts'

export const manyKeys = 10_000
const bad = -1 - signatureRefusals.indexOf('bad-signature')

interface Requests {
  readonly keys: readonly string[]
  readonly valid: readonly string[]
  readonly forged: readonly string[]
}

/** As from a socket: a flat string of its own. */
const fresh = (text: string): string => Buffer.from(text, 'latin1').latin1Slice()

const withAnotherDigit = (text: string): string => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0')

function requestsOf(clients: readonly Client[]): Requests {
  const valid = clients.map(({ key, secret }) => mashery(key, secret))
  return {
    keys: clients.map(({ key }) => fresh(key)),
    valid: valid.map(fresh),
    // The last digit alone is wrong, and the first is right: the tag is found, and then the digest differs. And of
    // something else altogether: no tag is found. In turn.
    forged: valid.map((text, at) => fresh(at % 2 === 0 ? withAnotherDigit(text) : mashery(text, 'forged'))),
  }
}

/** In a random order, each once, the same in every run. */
function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, at) => at)
  let state = 1
  for (let at = count - 1; at > 0; at--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const other = state % (at + 1)
    const kept = order[at]!
    order[at] = order[other]!
    order[other] = kept
  }
  return order
}

const credentialsOf = (clients: readonly Client[]) => clients.map(({ key, secret }) => credentialOf(key, secret))

/** One key, warm: as texts, and out of a head as the guard asks. */
export function warmCases(exchanges: NativeExchanges, heads: RequestHeads): Case[] {
  const clients = makeClients(16)
  const cases: Case[] = []
  for (const [scheme, algorithm, limitNs] of [
    ['mashery-sha256', 'sha256', 400],
    ['mashery-md5', 'md5', null],
  ] as const) {
    const verifier = exchanges.signatureVerifier(verifierOptions(scheme, credentialsOf(clients)))
    const { key, secret } = clients[0]!
    const valid = fresh(mashery(key, secret, nowSeconds(), algorithm))
    const forgeries = [fresh(withAnotherDigit(valid)), fresh(mashery(valid, 'forged', nowSeconds(), algorithm))]
    const first = scheme === 'mashery-sha256' ? 1 : 4
    for (const [at, signature] of [valid, ...forgeries].entries()) {
      const problem = heads.takeText(
        first + at,
        `GET /hotels?from=1&to=20 HTTP/1.1\r\nHost: api.example.com\r\nAccept: application/json\r\nApi-Key: ${key}\r\nX-Signature: ${signature}\r\n\r\n`,
      )
      if (problem !== 0) throw new Error(`INVALID: a head was refused: ${problem}`)
    }
    cases.push(
      {
        name: `${scheme}, valid, two texts`,
        limitNs,
        calls: 1000,
        run: () => exchanges.verifyMashery(verifier, key, valid) === 0,
      },
      {
        name: `${scheme}, forged, two texts`,
        limitNs,
        calls: 1000,
        run: nth => exchanges.verifyMashery(verifier, key, forgeries[nth & 1]!) === bad,
      },
      {
        name: `${scheme}, valid, out of a head`,
        limitNs,
        calls: 1000,
        run: () => exchanges.verifySignature(verifier, first, replayUnwanted) === 0,
      },
      {
        name: `${scheme}, forged, out of a head`,
        limitNs,
        calls: 1000,
        run: nth => exchanges.verifySignature(verifier, first + 1 + (nth & 1), replayUnwanted) === bad,
      },
    )
  }
  return cases
}

export interface ManyKeys {
  readonly cases: readonly Case[]
  readonly tables: number
  readonly bytesPerKey: number
}

/** 10,000 keys in random order, and what each takes: to be made before anything else, while memory is quiet. */
export function manyKeysCases(exchanges: NativeExchanges): ManyKeys {
  const clients = makeClients(manyKeys)
  const { keys, valid, forged } = requestsOf(clients)
  const order = shuffled(manyKeys)
  const credentials = credentialsOf(clients)
  const before = process.memoryUsage.rss()
  const verifier = exchanges.signatureVerifier(verifierOptions('mashery-sha256', credentials))
  const at = nowSeconds()
  for (const [place, key] of keys.entries()) {
    if (exchanges.verifyMashery(verifier, key, valid[place]!) !== place)
      throw new Error(`INVALID: key ${place} at ${at}`)
  }
  const bytesPerKey = (process.memoryUsage.rss() - before) / manyKeys
  let next = 0
  const place = (): number => order[(next = next + 1 === manyKeys ? 0 : next + 1)]!
  const cases: Case[] = [
    {
      name: 'mashery-sha256, valid, 10,000 keys in random order',
      limitNs: 800,
      calls: manyKeys,
      warmUpCalls: manyKeys,
      run: () => {
        const one = place()
        return exchanges.verifyMashery(verifier, keys[one]!, valid[one]!) === one
      },
    },
    {
      name: 'mashery-sha256, forged, 10,000 keys in random order',
      limitNs: 800,
      calls: manyKeys,
      warmUpCalls: manyKeys,
      run: () => {
        const one = place()
        return exchanges.verifyMashery(verifier, keys[one]!, forged[one]!) === bad
      },
    },
  ]
  return { cases, tables: exchanges.signatureTables(verifier), bytesPerKey }
}

/** A table is built anew whenever the clock jumps past it: so each call pays for the whole window. */
export function coldCases(addon: Native, exchanges: NativeExchanges): Case[] {
  const [client] = makeClients(1)
  const { key, secret } = client!
  const kernels = addon.signatureKernels()
  return kernels.map((kernel, index) => {
    const credentials = [credentialOf(key, secret)]
    const verifier = exchanges.signatureVerifier(verifierOptions('mashery-sha256', credentials, { kernel }))
    const signature = mashery(key, secret, 1)
    let now = 1_700_000_000
    const isBest = index === kernels.length - 1
    return {
      name: `a cold window of 601, SHA-256, ${kernel}`,
      // AVX2 is no bar of its own: it is the fastest only where SHA-NI is missing.
      limitNs: kernel === 'portable' ? 150_000 : isBest && kernel === 'sha-ni' ? 15_000 : null,
      calls: kernel === 'portable' ? 10 : 50,
      run: () => exchanges.verifyMashery(verifier, key, signature, (now += 2000)) === bad,
    }
  })
}
