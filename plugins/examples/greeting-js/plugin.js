// The greeting plugin in JavaScript.

/** @type {import('@polygate/plugin').Factory<{ greeting: string }>} */
export default config => ({
  request(request) {
    if (request.headers.get('x-block') !== undefined) {
      return request.respond(403, { 'content-type': 'text/plain' }, 'blocked')
    }
    request.headers.set('x-greeting', config.greeting)
    request.headers.delete('x-internal')
  },
  response(response) {
    response.headers.append('x-greeted', 'yes')
  },
})
