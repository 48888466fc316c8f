// Status -> the text that `writeStatus` wants ("404 Not Found"), made once for all statuses.
import { STATUS_CODES } from 'node:http'

const lines: string[] = []
for (let status = 0; status < 1000; status++) lines.push(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`)

export const statusLine = (status: number): string => lines[status] ?? '500 Internal Server Error'

/** No body and no Content-Length may follow these (RFC 9110 6.4.1, 8.6). */
export const isBodiless = (status: number): boolean => status === 204 || status === 304 || status < 200
