// Fetches a small text over HTTP for control: bounded in time and size, no redirect followed, nothing sent but the
// request. Whatever is not a plain 200 is an Error whose message an operator can read. Knows not what the text is.
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { packageVersion } from '../shared/native.ts'

export interface FetchBounds {
  /** Until the last byte. */
  readonly timeoutMs: number
  readonly maxBytes: number
}

export interface FetchedText {
  readonly text: string
  /** How much longer it is fresh, by Cache-Control and Age (RFC 9111 section 4.2); null: nothing is said. */
  readonly freshSeconds: number | null
}

export function fetchText(url: string, { timeoutMs, maxBytes }: FetchBounds): Promise<FetchedText> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      agent: false,
      headers: { accept: 'application/jwk-set+json, application/json', 'user-agent': `polygate/${packageVersion}` },
    }
    const asked = url.startsWith('https:') ? requestHttps(url, options) : requestHttp(url, options)
    const timer = setTimeout(() => fail(new Error(`no whole answer within ${timeoutMs} ms`)), timeoutMs)
    function fail(error: Error): void {
      clearTimeout(timer)
      asked.destroy()
      reject(error)
    }
    asked.on('error', fail)
    asked.on('response', response => {
      receive(response, maxBytes).then(text => {
        clearTimeout(timer)
        resolve({ text, freshSeconds: freshSeconds(response) })
      }, fail)
    })
    asked.end()
  })
}

async function receive(response: IncomingMessage, maxBytes: number): Promise<string> {
  const { statusCode = 0, headers } = response
  if (statusCode >= 300 && statusCode < 400) throw new Error(`status ${statusCode}: redirects are not followed`)
  if (statusCode !== 200) throw new Error(`status ${statusCode}`)
  const coding = headers['content-encoding'] ?? 'identity'
  if (coding !== 'identity') throw new Error(`content coding ${coding}, which was not asked for`)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('the answer broke off')
  return Buffer.concat(chunks).toString()
}

function freshSeconds({ headers }: IncomingMessage): number | null {
  const directives = (headers['cache-control'] ?? '').toLowerCase().split(',')
  const named = directives.map(one => one.trim())
  if (named.includes('no-store') || named.includes('no-cache')) return 0
  const [, seconds] = /(?:^|[\s,])max-age="?(\d{1,10})(?!\d)/.exec(named.join(',')) ?? []
  if (seconds === undefined) return null
  const age = Number(headers.age ?? 0)
  return Math.max(0, Number(seconds) - (age >= 0 ? age : 0))
}
