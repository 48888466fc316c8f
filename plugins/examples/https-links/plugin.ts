// Turns links of HTML pages from http:// into https://: in attributes that hold a URL and in url() of styles, so that
// texts, scripts and names such as xmlns stay as they are. Works on bytes: good for every charset that extends ASCII.
import type { Factory, Response } from '@polygate/plugin'

const attribute =
  /([\s"'/](?:href|src|srcset|action|formaction|poster|data|cite|background|content)\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/gi
const style = /(url\(\s*["']?)(http:\/\/[^\s"')]*)/gi
const link = /\bhttp:\/\/([^\s"'<>/?#,]*)/gi
/** What these say of a body is no longer true of the changed one. */
const digests = ['content-md5', 'digest', 'content-digest', 'repr-digest', 'last-modified']

export default (config => {
  const hosts = config.hosts?.map(host => host.toLowerCase())

  const isOurs = (host: string): boolean =>
    hosts === undefined || hosts.some(one => host === one || host.endsWith(`.${one}`))

  const secured = (text: string): string =>
    text.replace(link, (whole, authority: string) => {
      const [, host = '', port = ''] = /^(?:[^@]*@)?(.*?)(?::(\d*))?$/.exec(authority) ?? []
      // Nobody knows by which port another service speaks TLS.
      if (host === '' || !(port === '' || port === '80') || !isOurs(host.toLowerCase())) return whole
      return `https://${port === '' ? authority : authority.slice(0, authority.lastIndexOf(':'))}`
    })

  const inMarkup = (html: string): string =>
    html
      .replace(attribute, (_, before: string, value: string) => before + secured(value))
      .replace(style, (_, before: string, value: string) => before + secured(value))

  return {
    request(request) {
      // The page has to come whole, and as text.
      for (const name of ['accept-encoding', 'range', 'if-range']) request.headers.delete(name)
    },
    response(response) {
      if (!isHtml(response) || response.body === null) return
      const page = Buffer.from(response.body).toString('latin1')
      const changed = outsideScripts(page, inMarkup)
      if (changed === page) return
      response.body = Buffer.from(changed, 'latin1')
      for (const name of digests) response.headers.delete(name)
      const tag = response.headers.get('etag')
      if (tag?.startsWith('"') === true) response.headers.set('etag', `W/${tag}`)
    },
  }
}) satisfies Factory<{ hosts?: string[] }>

function isHtml({ headers }: Response): boolean {
  const type = headers.get('content-type') ?? ''
  return (
    /^(?:text\/html|application\/xhtml\+xml)\s*(?:;|$)/i.test(type) && headers.get('content-encoding') === undefined
  )
}

/** Changes a page but for what stands inside its scripts. */
function outsideScripts(page: string, change: (html: string) => string): string {
  const lower = page.toLowerCase()
  const parts: string[] = []
  for (let at = 0; at < page.length;) {
    const tag = lower.indexOf('<script', at)
    const code = tag < 0 ? page.length : endOfTag(page, tag)
    parts.push(change(page.slice(at, code)))
    const end = code < page.length ? lower.indexOf('</script', code) : page.length
    at = end < 0 ? page.length : end
    parts.push(page.slice(code, at))
  }
  return parts.join('')
}

function endOfTag(page: string, tag: number): number {
  const end = page.indexOf('>', tag)
  return end < 0 ? page.length : end + 1
}
