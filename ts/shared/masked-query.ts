// Replaces the values of query parameters that are known to carry credentials: a log is read by more people than they.
// Called by the access log and `explain`.

const credentialParameters = new Set(
  (
    'access_token api-key api_key apikey auth authorization client_secret code id_token jwt key passwd password ' +
    'refresh_token secret sig signature token x-amz-signature x-amz-security-token'
  ).split(' '),
)

/** `more`: further names, in lower case. */
export function masked(path: string, more: ReadonlySet<string>): string {
  const query = path.indexOf('?')
  if (query < 0) return path
  const parameters = path.slice(query + 1).split('&')
  for (let i = 0; i < parameters.length; i++) {
    const parameter = parameters[i]!
    const equals = parameter.indexOf('=')
    const name = equals > 0 ? decoded(parameter.slice(0, equals)).toLowerCase() : ''
    if (credentialParameters.has(name) || more.has(name)) {
      parameters[i] = `${parameter.slice(0, equals)}=*`
    }
  }
  return `${path.slice(0, query)}?${parameters.join('&')}`
}

/** `%61pikey` names the same parameter to most servers. */
function decoded(name: string): string {
  if (!name.includes('%')) return name
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
