// Status -> the text that `writeStatus` wants ("404 Not Found"), made once for all statuses.
import { STATUS_CODES } from 'node:http'

/** By status. */
export const statusLines: readonly string[] = Array.from(
  { length: 1000 },
  (_, status) => `${status} ${STATUS_CODES[status] ?? 'Unknown'}`,
)

export const statusLine = (status: number): string => statusLines[status] ?? '500 Internal Server Error'

/** No body and no Content-Length may follow these (RFC 9110 6.4.1, 8.6). */
export const isBodiless = (status: number): boolean => status === 204 || status === 304 || status < 200
