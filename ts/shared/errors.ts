// The one table of answers that Polygate gives by itself: code -> status, title, source. Everything that refuses or
// fails a request names a code from here; `respond` turns it into application/problem+json (RFC 9457). The README has the
// same table for those who read the answers, and a test compares the two.

/** Who is to blame: the client, the upstream, a plugin, or the gateway itself. */
export type ErrorSource = 'client' | 'upstream' | 'plugin' | 'gateway'

export interface ErrorKind {
  readonly status: number
  readonly title: string
  readonly source: ErrorSource
  /** Whether the same request may succeed when it is simply sent again. */
  readonly retryable: boolean
}

const kind = (status: number, title: string, source: ErrorSource, retryable = false): ErrorKind => ({
  status,
  title,
  source,
  retryable,
})

export const errorKinds = {
  bad_request: kind(400, 'Bad Request', 'client'),
  unauthorized: kind(401, 'Unauthorized', 'client'),
  forbidden: kind(403, 'Forbidden', 'client'),
  no_route: kind(404, 'No Route', 'client'),
  method_not_allowed: kind(405, 'Method Not Allowed', 'client'),
  /** Of the admin server: the configuration, or a worker, refused. */
  reload_refused: kind(409, 'Reload Refused', 'client'),
  request_timeout: kind(408, 'Request Timeout', 'client', true),
  expectation_failed: kind(417, 'Expectation Failed', 'client'),
  body_too_large: kind(413, 'Content Too Large', 'client'),
  head_too_large: kind(431, 'Request Header Fields Too Large', 'client'),
  rate_limited: kind(429, 'Rate Limited', 'client', true),
  quota_exceeded: kind(429, 'Quota Exceeded', 'client'),
  plugin_failed: kind(500, 'Plugin Failed', 'plugin'),
  plugin_timeout: kind(504, 'Plugin Timeout', 'plugin', true),
  upstream_failed: kind(502, 'Upstream Failed', 'upstream', true),
  no_peer: kind(503, 'No Healthy Peer', 'upstream', true),
  upstream_timeout: kind(504, 'Upstream Timeout', 'upstream', true),
  overloaded: kind(503, 'Overloaded', 'gateway', true),
  store_unavailable: kind(503, 'Store Unavailable', 'gateway', true),
  internal: kind(500, 'Internal Error', 'gateway'),
  version_not_supported: kind(505, 'HTTP Version Not Supported', 'client'),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

/** Several kinds that a client need not tell apart by more than the status have one code in its answer. */
const publicCodes: Readonly<Partial<Record<ErrorCode, string>>> = {
  body_too_large: 'too_large',
  head_too_large: 'too_large',
  version_not_supported: 'bad_request',
}

/** What the client reads. */
export const publicCode = (code: ErrorCode): string => publicCodes[code] ?? code
