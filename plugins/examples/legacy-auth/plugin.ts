// Authenticates clients by a service that has always done it. Answers are kept by a hash of the session, so that no memory
// dump has one, and requests that come while a session is asked for wait for the same answer. A service that is ill is
// nobody's consent: the hook fails, and the operator's `onFailure` decides.
import { createHash } from 'node:crypto'
import type { Factory } from '@polygate/plugin'

interface Config {
  readonly upstream: string
  readonly path: string
  readonly header: string
  readonly goodSeconds?: number
  readonly badSeconds?: number
}

/** What is longer is no session of the service's. */
const longestSession = 512

export default ((config, host) => {
  const { upstream, path, goodSeconds = 60, badSeconds = 5 } = config
  const asking = new Map<string, Promise<string | null>>()

  /** Null: the service does not know the session. */
  async function ask(session: string): Promise<string | null> {
    const answer = await host.fetch(upstream, {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ session }).toString(),
    })
    if (answer.status === 401 || answer.status === 403) return null
    const user = answer.status === 200 ? (answer.json() as { user?: unknown } | null)?.user : undefined
    if (typeof user !== 'string' || user === '') throw new Error(`the service answered ${answer.status} and no user`)
    return user
  }

  function userOf(session: string): Promise<string | null> | string | null {
    const key = createHash('sha256').update(session).digest('base64')
    const known = host.store.get(key) as { user: string | null } | undefined
    if (known !== undefined) return known.user
    let asked = asking.get(key)
    if (asked === undefined) {
      asked = ask(session)
        .then(user => {
          host.store.set(key, { user }, (user === null ? badSeconds : goodSeconds) * 1000)
          return user
        })
        .finally(() => asking.delete(key))
      asking.set(key, asked)
    }
    return asked
  }

  return {
    async authenticate(request) {
      const session = request.headers.get(config.header)
      if (session === undefined || session === '') return
      const user = session.length > longestSession ? null : await userOf(session)
      if (user === null) {
        return request.respond(401, { 'content-type': 'text/plain' }, 'the session is over or unknown\n')
      }
      return { consumer: user }
    },
  }
}) satisfies Factory<Config>
