// Checks of single texts: hosts, addresses, URLs, header names and values. Each says null, or what was expected. Used
// by the schema; must not repeat the checked value, which may be a secret.
import { BlockList, isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { isKeyText, maxKeyChars } from '../shared/api-key.ts'
import { compileExpression, literalProblem, readPathPattern, readTarget } from './path-pattern.ts'

/** RFC 9110 5.6.2. */
export const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
const hostName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`, 'i')
/** Digits and dots only: an address, and if it is none, a slip. */
const numeric = /^[0-9.]+$/

const isHost = (text: string): boolean => (numeric.test(text) ? isIP(text) === 4 : hostName.test(text))

export const name = (text: string): string | null =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text)
    ? null
    : 'a name of letters, digits, ".", "_" and "-" that begins with a letter or digit, at most 128 long'

export const ipAddress = (text: string): string | null =>
  isIP(text) > 0 ? null : 'an IP address, as 127.0.0.1 or ::1 (0.0.0.0 for all)'

export function cidr(text: string): string | null {
  const expected = 'an address block, as 10.0.0.0/8, fd00::/8 or 192.168.1.7'
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return expected
  if (bits === undefined) return null
  if (!/^\d{1,3}$/.test(bits)) return expected
  const most = family === 4 ? 32 : 128
  if (Number(bits) > most) return `at most /${most}`
  const block = new BlockList()
  block.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  return null
}

/** Host of a route: a name, `*.name`, an IPv4 address, `[IPv6]`; no port. */
export function hostPattern(text: string): string | null {
  if (text === '*') return 'a host, or no hosts at all for any'
  if (/^\[.*\]$/.test(text)) return isIP(text.slice(1, -1)) === 6 ? null : 'an IPv6 address in brackets, as [::1]'
  if (/:\d*$/.test(text)) return 'a host without port'
  const plain = text.startsWith('*.') ? text.slice(2) : text
  if (isHost(plain) && !(numeric.test(plain) && plain !== text)) return null
  const ascii = /[^\u0000-\u007f]/.test(plain) ? domainToASCII(plain) : ''
  if (ascii !== '') return 'the ASCII form of an international name (xn--...)'
  return 'a host name, as api.example.com or *.example.com'
}

export const serverName = (text: string): string | null => (isHost(text) || isIP(text) > 0 ? null : 'a host name')

export interface PeerUrl {
  readonly scheme: 'http' | 'https' | 'unix'
  /** '' for unix sockets. */
  readonly host: string
  readonly port: number
  /** Path of the socket. */
  readonly path: string
}

/** By hand and not with `URL`, which takes `http://1` for 0.0.0.1 and drops what it does not like. */
export function readPeerUrl(text: string): PeerUrl | string {
  if (text.startsWith('unix:')) {
    const path = /^unix:(?:\/\/)?(\/(?!\/).*)$/s.exec(text)?.[1]
    return path === undefined ? 'unix:// and an absolute path, as unix:///run/app.sock' : socket(path)
  }
  if (text.includes('@')) return noMore
  const parts = /^(https?):\/\/(?:\[([^\]/]*)\]|([^/:?#@[\]]*))(?::(\d*))?(.*)$/i.exec(text)
  if (!parts) return 'a URL, as http://127.0.0.1:9000, https://name or unix:///run/app.sock'
  const [, schemeText = '', six, plain = '', portText, tail] = parts
  const scheme = schemeText.toLowerCase() as 'http' | 'https'
  if (six === undefined ? !isHost(plain) : isIP(six) !== 6) return 'a host name or IP address behind ://'
  const port = portText === undefined ? (scheme === 'http' ? 80 : 443) : Number(portText || NaN)
  if (!(port >= 1 && port <= 65535)) return 'a port from 1 to 65535'
  if (tail !== '' && tail !== '/') return noMore
  return { scheme, host: (six ?? plain).toLowerCase(), port, path: '' }
}

const noMore = 'a URL without path, query and user (a path is what `rewrite` is for)'

const socket = (path: string): PeerUrl | string => socketPath(path) ?? { scheme: 'unix', host: '', port: 0, path }

/** sun_path has 108 bytes with the final zero. */
export function socketPath(path: string): string | null {
  if (path === '' || path.includes('\0')) return 'the path of a unix socket'
  return Buffer.byteLength(path) > 107 ? 'the path of a unix socket of at most 107 bytes' : null
}

export const peerUrl = (text: string): string | null => {
  const url = readPeerUrl(text)
  return typeof url === 'string' ? url : null
}

export const fileName = (text: string): string | null =>
  text === '' || text.includes('\0') ? 'the name of a file' : null

export const headerName = (text: string): string | null =>
  token.test(text) ? null : "a header name (letters, digits and any of !#$%&'*+-.^_`|~)"

/** RFC 9110 5.5, and no character that latin-1 lacks: heads are written as bytes. */
export function headerValue(text: string): string | null {
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text))
    return 'a header value without line breaks and control characters'
  if (/[^\u0000-\u00ff]/.test(text)) return 'a header value of latin-1 characters'
  return text.trim() === text ? null : 'a header value without blanks at its ends'
}

const hopByHop = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const framing = 'another header: this one belongs to the connection, and the gateway writes it itself'

/** Names that `requestHeaders` may edit. */
export function requestHeaderName(text: string): string | null {
  const lower = text.toLowerCase()
  if (lower === 'host') return 'another header: Host is what hostHeader of the upstream is for'
  return headerName(text) ?? (hopByHop.has(lower) || lower === 'expect' ? framing : null)
}

/** Names that `responseHeaders` and `respond` may set. */
export function responseHeaderName(text: string): string | null {
  const lower = text.toLowerCase()
  return headerName(text) ?? (hopByHop.has(lower) || lower === 'date' ? framing : null)
}

/** A value to compare with, or `~` and a regular expression. */
export function headerMatch(text: string): string | null {
  if (!text.startsWith('~')) return headerValue(text)
  const expression = compileExpression(text.slice(1))
  return typeof expression === 'string' ? expression : null
}

export function hostHeader(text: string): string | null {
  if (text === 'preserve' || text === 'peer') return null
  const [, host = '', port] = /^(.*?)(?::(\d{1,5}))?$/s.exec(text) ?? []
  const good = /^\[.*\]$/.test(host) ? isIP(host.slice(1, -1)) === 6 : isHost(host)
  return good && (port === undefined || (Number(port) >= 1 && Number(port) <= 65535))
    ? null
    : 'preserve, peer, or a host with or without port, as api.example.com'
}

export function method(text: string): string | null {
  if (/^[A-Z][A-Z-]{0,31}$/.test(text)) return null
  return 'a method in capital letters, as GET'
}

export const pathPattern = (text: string): string | null => {
  const pattern = readPathPattern(text)
  return typeof pattern === 'string' ? pattern : null
}

/** Printable ASCII without blanks: what may stand in a request line or a Location. */
const urlCharacters = /^[\x21-\x7e]*$/

export function targetPath(text: string): string | null {
  if (!text.startsWith('/')) return 'a path that begins with /'
  const names = readTarget(text)
  return literalProblem(text) ?? (typeof names === 'string' ? names : null)
}

export function redirectTarget(text: string): string | null {
  if (!/^\/(?![/\\])/.test(text) && !/^https?:\/\/[^/?#@{}\\]+(?:[/?#]|$)/i.test(text)) {
    return 'a path that begins with one /, or a URL that begins with http:// or https:// and a host'
  }
  if (!urlCharacters.test(text) || text.includes('\\')) return 'a URL of printable ASCII without blanks and backslashes'
  const names = readTarget(text)
  if (typeof names === 'string') return names
  return /#.*[{}]/.test(text) ? 'a fragment without {name}' : null
}

/** A path and query that is sent as it is. */
export const requestTarget = (text: string): string | null =>
  text.startsWith('/') && urlCharacters.test(text) && !text.includes('#')
    ? null
    : 'a path that begins with /, of printable ASCII without blanks and #'

export function stripPrefix(text: string): string | null {
  if (!text.startsWith('/')) return 'a path that begins with /'
  return literalProblem(text) ?? (text.endsWith('/') || /[*{}]/.test(text) ? 'a plain path without / at its end' : null)
}

export function origin(text: string): string | null {
  if (text === '*') return null
  const [, host = '', port] = /^https?:\/\/(?:\*\.)?(.*?)(?::(\d{1,5}))?$/.exec(text) ?? []
  const good = /^\[.*\]$/.test(host) ? isIP(host.slice(1, -1)) === 6 : isHost(host)
  return good && (port === undefined || Number(port) <= 65535) && text === text.toLowerCase()
    ? null
    : 'an origin in lower case, as https://app.example.com or https://*.example.com, or *'
}

export const headerNameOrAny = (text: string): string | null => (text === '*' ? null : headerName(text))

/** `204` or `200-299`, as first and last status. */
export function readStatuses(text: string): readonly [number, number] | string {
  const parts = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(text)
  const [first, last] = [Number(parts?.[1]), Number(parts?.[2] ?? parts?.[1])]
  return first <= last ? [first, last] : 'a status or a range of them, as 204 or "200-299"'
}

export const statuses = (text: string): string | null => {
  const range = readStatuses(text)
  return typeof range === 'string' ? range : null
}

export const logTarget = (text: string): string | null =>
  text === 'stdout' || text === 'stderr' ? null : text === '' || text.includes('\0') ? 'stdout, stderr or a file' : null

/** Sent as `Authorization: Bearer`, so it must be able to stand in a header. */
export const adminToken = (text: string): string | null =>
  text.length >= 8 && /^[\x21-\x7e]+$/.test(text)
    ? null
    : 'a token of at least 8 printable ASCII characters without blanks'

/** What the gateway compares as bytes of a header, a parameter or a cookie. */
export const apiKey = (text: string): string | null =>
  text.length >= 8 && isKeyText(text) ? null : `a key of 8 to ${maxKeyChars} printable ASCII characters without blanks`

export const sha256 = (text: string): string | null =>
  /^[0-9a-fA-F]{64}$/.test(text) ? null : 'a SHA-256 of 64 hexadecimal digits'

/** RFC 3339 with a zone, or a day (its first moment in UTC). */
export const instant = (text: string): string | null =>
  /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?$/.test(text) && !Number.isNaN(Date.parse(text))
    ? null
    : 'a moment as 2027-01-01T00:00:00Z, or a day as 2027-01-01'

/** It stands in a header, in logs and in labels of metrics. */
export const consumerName = (text: string): string | null =>
  /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/.test(text)
    ? null
    : 'a name of letters, digits, ".", "_", "@", "+" and "-" that begins with a letter or digit, at most 128 long'

/** RFC 7617 section 2. Bytes count: the client sends UTF-8. */
export const username = (text: string): string | null =>
  /^[^:\u0000-\u001f\u007f\ud800-\udfff]+$/u.test(text) && Buffer.byteLength(text) <= 256
    ? null
    : 'a username of 1 to 256 bytes, without colon and control characters'

/** It stands in quotes in a challenge. */
export const realm = (text: string): string | null =>
  /^[\x20-\x7e]{1,128}$/.test(text) && !/["\\]/.test(text)
    ? null
    : 'a realm of 1 to 128 printable ASCII characters without " and \\'

export const parameterName = (text: string): string | null =>
  /^[A-Za-z0-9._~-]{1,64}$/.test(text) ? null : 'a name of letters, digits, ".", "_", "~" and "-", at most 64 long'

export const cookieName = (text: string): string | null => (token.test(text) ? null : 'the name of a cookie')

/** `10s`, `1m`, `1h`, as milliseconds; at most a day. */
export function readPeriod(text: string): number | string {
  const [, count, unit] = /^([1-9]\d{0,4})([smh])$/.exec(text) ?? []
  const periodMs = Number(count) * ({ s: 1000, m: 60_000, h: 3_600_000 }[unit ?? ''] ?? NaN)
  return periodMs <= 86_400_000 ? periodMs : 'a period as 1s, 10s, 1m or 1h, at most 24h'
}

export const period = (text: string): string | null => {
  const periodMs = readPeriod(text)
  return typeof periodMs === 'string' ? periodMs : null
}

export const limitedBy = (text: string): string | null =>
  text === 'address' ||
  text === 'consumer' ||
  text === 'key' ||
  text === 'route' ||
  /^header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(text)
    ? null
    : 'address, consumer, key, route, or header: and the name of one'

/** It stands in quotes, in paths of SigV4's scopes, and between blanks. */
export const signatureKeyId = (text: string): string | null =>
  /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(text)
    ? null
    : 'a key id of 1 to 256 printable ASCII characters without blanks, " and \\'

export const signatureTag = (text: string): string | null =>
  /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(text) ? null : 'printable ASCII without " and \\, at most 256 long'

/** One part of `key/day/region/service/aws4_request`. */
export const sigV4Name = (text: string): string | null =>
  /^[A-Za-z0-9_.-]{1,64}$/.test(text) ? null : 'a name of letters, digits, ".", "_" and "-", at most 64 long'

/** A header, or what a scheme derives from a request: `@authority`, `(created)`. */
export const componentName = (text: string): string | null =>
  /^(?:@[a-z-]+|\([a-z-]+\)|[!#$%&'*+.^_`|~0-9a-z-]+)$/.test(text)
    ? null
    : 'a header or component in lower case, as host, content-digest or @authority'

/** The URL of a key set. Whoever it is shown to (logs, metrics) must learn no password from it. */
export function jwksUrl(text: string): string | null {
  const expected = 'a URL, as https://login.example.com/.well-known/jwks.json'
  if (!urlCharacters.test(text) || !/^https?:\/\/[^/?#\\]+(?:[/?#]|$)/i.test(text) || !URL.canParse(text))
    return expected
  const { username, password, hash } = new URL(text)
  return username !== '' || password !== '' || hash !== '' ? 'a URL without user and fragment' : null
}

/** Of a URL, as `URL` gives it: this machine. */
export const isLoopbackHost = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d+){3}$/.test(host)

/** A text that two sides compare. */
export const oneLine = (text: string): string | null =>
  text !== '' && text.length <= 4096 && !/[\u0000-\u001f\u007f]/.test(text)
    ? null
    : 'a text of 1 to 4096 characters without line breaks'

/** A name, or a JSON pointer (RFC 6901). */
export const claimName = (text: string): string | null =>
  oneLine(text) === null && !(text.startsWith('/') && (text.endsWith('/') || /~(?![01])/.test(text)))
    ? null
    : 'the name of a claim, as sub, or a pointer to one inside another, as /realm_access/roles'

export const mediaType = (text: string): string | null =>
  /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$/.test(text) ? null : 'a media type, as at+jwt'

/** A plugin's folder. */
export const pluginPath = (text: string): string | null =>
  text === '' || text.includes('\0') ? 'the name of a folder' : null

/** https://semver.org, 2.0.0. */
export const semanticVersion = (text: string): string | null =>
  /^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$/.test(text) ? null : 'a version as 1.0.0'
