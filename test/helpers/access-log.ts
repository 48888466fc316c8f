// What a running gateway has written to its access log (`accessLog: { target: access.log }`), for tests. Lines are written a
// moment after their requests, so they are waited for.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { within } from './scope.ts'

export interface LoggedRequest {
  readonly route: string
  readonly path: string
  readonly status: number
  readonly code: string | null
  readonly reason: string
  readonly consumer: string
}

/** Waits until there are so many lines of those that are wanted; gives these, in their order. */
export async function untilLogged(
  { folder }: { readonly folder: string },
  count: number,
  wanted: (line: LoggedRequest) => boolean = () => true,
): Promise<LoggedRequest[]> {
  const file = join(folder, 'access.log')
  const reading = async (): Promise<LoggedRequest[]> => {
    for (;;) {
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
      const found = lines.map(line => JSON.parse(line) as LoggedRequest).filter(wanted)
      if (found.length >= count) return found
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  return within(10_000, `${count} lines of the access log`, reading())
}
