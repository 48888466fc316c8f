// Masks fields of JSON. The text is changed token by token and never written anew: numbers keep their digits, the rest its
// bytes. What is no JSON although it says so fails, for nobody could know what it shows.
import type { Factory, Response } from '@polygate/plugin'

/** A text, with the colon behind it where it is a name; a bracket or comma; a number or word. */
const token = /("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\],]|[^\s"{}[\]:,]+/g

export default (config => {
  const fields = new Set(config.fields.map(name => name.toLowerCase()))
  const keepLast = config.keepLast ?? 0

  function mask(value: string): string {
    if (value === 'null') return value
    const characters = [...(value.startsWith('"') ? (JSON.parse(value) as string) : value)]
    const isLong = characters.length >= 2 * keepLast
    return JSON.stringify(`***${isLong && keepLast > 0 ? characters.slice(-keepLast).join('') : ''}`)
  }

  /** Takes JSON and gives JSON. */
  function masked(text: string): string {
    let depth = 0
    /** Of the brackets that are masked with all that is in them; 0: none. */
    let maskedDepth = 0
    let isNamed = false
    return text.replace(token, (found, name?: string, colon?: string) => {
      const isDue = isNamed || maskedDepth > 0
      isNamed = false
      if (colon !== undefined) {
        isNamed = fields.has((JSON.parse(name!) as string).toLowerCase())
      } else if (found === '{' || found === '[') {
        depth++
        if (isDue && maskedDepth === 0) maskedDepth = depth
      } else if (found === '}' || found === ']') {
        if (maskedDepth === depth) maskedDepth = 0
        depth--
      } else if (found !== ',' && isDue) {
        return mask(found)
      }
      return found
    })
  }

  return {
    request(request) {
      // The text has to come whole, and uncompressed.
      for (const name of ['accept-encoding', 'range', 'if-range']) request.headers.delete(name)
    },
    response(response) {
      if (!saysJson(response) || response.body === null || response.body.length === 0) return
      if (response.headers.get('content-encoding') !== undefined) return response.fail('the response is compressed')
      let text: string
      try {
        text = new TextDecoder('utf-8', { fatal: true }).decode(response.body)
        JSON.parse(text)
      } catch {
        return response.fail('the response is no JSON')
      }
      const changed = masked(text)
      if (changed === text) return
      response.body = changed
      for (const name of ['etag', 'content-md5', 'digest', 'content-digest', 'repr-digest'])
        response.headers.delete(name)
    },
  }
}) satisfies Factory<{ fields: string[]; keepLast?: number }>

const saysJson = ({ headers }: Response): boolean =>
  /^application\/(?:[\w.!#$&^-]+\+)?json\s*(?:;|$)/i.test(headers.get('content-type') ?? '')
