// Finds a uWebSockets.js that loads here and, where it can be, has native/downstream watch it. The worker calls it once,
// before anything else imports the front end. Must not fall back to anything that is not native: the pure-JavaScript
// stand-in of the last resort's package is never loaded.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as UwsModule from 'uWebSockets.js'
import { native, packageRoot } from '../../shared/native.ts'

type Uws = typeof UwsModule

export interface FrontEnd {
  readonly uws: Uws
  /** For the start line: `uWebSockets.js 20.57.0 (symbol-edited)`. */
  readonly name: string
  /**
   * native/downstream sees the bytes of all connections, and does TLS and timeouts. Without it: heads come from
   * uWebSockets.js's own parser, the address costs a system call, a request that arrives while another is pending closes
   * its connection, malformed requests are answered in HTML, and client certificates cannot be insisted on.
   */
  readonly hooked: boolean
}

interface Candidate {
  readonly file: string
  readonly packageFolder: string
  readonly remark: string
}

/** Until a plan sets its own with `native().frontEndLimits`. */
const defaultLimits = { maxHeadBytes: 16 * 1024, maxHeaders: 100 }

/** The newest first. A package that is not installed (it is optional, or of another platform) is no candidate. */
function candidates(): Candidate[] {
  const { platform, arch, versions } = process
  const packaged = `uws_${platform}_${arch}_${versions.modules}.node`
  const resolver = createRequire(import.meta.url)
  const folderOf = (name: string, entry: string): string | null => {
    try {
      return join(dirname(resolver.resolve(name)), entry)
    } catch {
      return null
    }
  }
  const current = folderOf('uWebSockets.js', '.')
  const fallback = folderOf('uws-fallback', '..')
  const list: Candidate[] = []
  if (current !== null) {
    const edited = join(packageRoot, 'dist', 'native', `uws_${arch}_${versions.modules}.node`)
    list.push({ file: join(current, packaged), packageFolder: current, remark: '' })
    // Made by ts/build/front-end-binary.ts where the C library is too old for the original.
    list.push({ file: edited, packageFolder: current, remark: ' (symbol-edited)' })
  }
  if (fallback !== null) {
    list.push({ file: join(fallback, 'binaries', packaged), packageFolder: fallback, remark: ' (fallback)' })
  }
  return list.filter(candidate => existsSync(candidate.file))
}

/** The binding's own setting, absent from its types: 'silent' drops the `uWebSockets: 20` response header. */
interface Settings {
  _cfg?(setting: string): void
}

function isNative(loaded: Partial<Uws>): loaded is Uws {
  return typeof loaded.App === 'function' && typeof loaded.us_listen_socket_close === 'function'
}

/**
 * Loads the front end. Throws one Error that says what was tried and what is needed. `hooks: false` leaves it as it is, as
 * it must be left elsewhere than on Linux.
 *
 * What uWebSockets.js 20.57 does by itself, as measured (it is not documented), and what the hooks change:
 *
 * - `app.setIdleTimeout(seconds)`, 30 by default, 0 = never: the time from a connection's opening to its first whole
 *   head, and for a body that is slower than 16 KiB/s on average over that time (8 s closed one of 20 KB/s: timers have
 *   steps of 4 s). Bytes of an unfinished head do not prolong it. Hooked: 0, see native/downstream's patience.
 * - `app.setResponseTimeout(seconds)`, 30 by default, 0 = never: the idle time of a keep-alive connection after a
 *   response, and how long a client may take no byte of one whose end is known to it (not of one that is still being
 *   written: that has no timer, nor has a handler that is still to answer). Hooked: 0.
 * - `UWS_HTTP_MAX_HEADERS_SIZE`, read when it loads, 4096 by default: bytes of a head, whole or in pieces; past it 431.
 *   At most 98 header lines. The hooks refuse past the plan's limits before; the variable must not be below those.
 * - `Expect: 100-continue` is answered with 100 when the handler returns. Hooked: not where it has answered by then.
 * - A client that closes its side counts as gone (abort); hooked: after what it had sent before.
 * - HEAD, 204, 304: `end(body)` sends the body also to HEAD, `end()` sends `Content-Length: 0` also with 204;
 *   `endWithoutBody(length)` and `endWithoutBody()` are right. `endWithoutBody(undefined, true)` sends a length of 2^63.
 * - Only a `Connection` value of five characters closes, so `close, te` does not, nor does `end(body, true)` where the
 *   next request is in the same segment. Hooked: nothing reaches it behind a request, so `end(body, true)` closes.
 * - Trailers after a `Trailer` header are read as the next request. Hooked: it sees no trailers.
 * - Two `Content-Length`: the first counts. An empty header name hides the headers after it. Chunk sizes may have `G`.
 *   Absolute-form targets and `OPTIONS *` are refused. Hooked: 400 for the former, the latter reach the handler.
 * - TLS: `SSLApp` takes certificates by file name only, has 1.2 as its fixed minimum, asks for client certificates without
 *   insisting, and has no way to exchange a certificate. Hooked: it is not used; TLS is done below (rustls).
 */
export function loadFrontEnd({ hooks = true } = {}): FrontEnd {
  const load = createRequire(import.meta.url)
  const failures: string[] = []
  for (const { file, packageFolder, remark } of candidates()) {
    // Before it is loaded: the front end creates its loop while it loads. A file that does not load is not watched.
    const hooked = hooks && native().frontEndWatch(file, defaultLimits.maxHeadBytes, defaultLimits.maxHeaders)
    try {
      const uws = load(file) as Partial<Uws> & Settings
      if (!isNative(uws)) throw new Error('not uWebSockets.js')
      uws._cfg?.('silent')
      const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string }
      return { uws, name: `uWebSockets.js ${version.split('-')[0]}${remark}`, hooked }
    } catch (error) {
      failures.push(`  ${file}: ${(error as Error).message.split('\n')[0]}`)
    }
  }
  throw new Error(
    [
      `no uWebSockets.js loads in Node ${process.version} on ${process.platform} ${process.arch}.`,
      'Needed: Node 20, 22 or 24 with glibc 2.36 or newer (below 2.38 after `npm run build`), or Node 20 with glibc 2.27.',
      ...(failures.length > 0 ? ['Tried:', ...failures] : ['The package has no file for this platform.']),
    ].join('\n'),
  )
}
