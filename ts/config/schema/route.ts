// A route: which requests it takes, what happens to them.
import {
  headerMatch,
  headerName,
  headerNameOrAny,
  headerValue,
  hostPattern,
  method,
  name,
  origin,
  pathPattern,
  redirectTarget,
  requestHeaderName,
  responseHeaderName,
  stripPrefix,
  targetPath,
} from '../formats.ts'
import { guards } from './guard.ts'
import { bytes, either, flag, list, map, object, seconds, text, toggle, whole, type TextCheck } from '../shapes.ts'

const methodName = text('A method.', { check: method, examples: ['GET'] })

export const match = object(
  'Which requests the route takes: all that is named must hold.',
  {
    hosts: list(
      'Hosts; none means any.',
      text('A host or *.host.', { check: hostPattern, examples: ['api.example.com'] }),
      {
        default: [],
        examples: [['api.example.com', '*.example.org']],
      },
    ),
    path: text('`/exact`, `/users/{id}`, `/files/*`, or `~` and a regular expression.', {
      default: '/*',
      check: pathPattern,
      pattern: '^[/~]',
      examples: ['/hello/*', '/users/{id}', '~^/v[0-9]+/'],
    }),
    methods: list('Methods; none means any.', methodName, { default: [], examples: [['GET', 'POST']] }),
    headers: map(
      'Headers that must be there.',
      text('Name of a header.', { check: headerName, examples: ['x-version'] }),
      either(
        'true: present, with any value. A text: this value; with ~ in front a regular expression.',
        'a text (a value, or ~ and a regular expression), or true for any value',
        [
          // Before the boolean: "true" from the environment is a value here.
          { shape: text('A value.', { check: headerMatch, examples: ['2', '~^v[0-9]+$'] }), tell: 'text' },
          { shape: flag('Present.', { onlyTrue: true, examples: [true] }), tell: 'boolean' },
        ],
        { examples: ['2', true] },
      ),
      { default: {}, examples: [{ 'x-version': '2', 'x-debug': true }] },
    ),
    priority: whole('Higher is tried first. Only for what the documented order does not give.', {
      default: 0,
      min: -1000,
      max: 1000,
      examples: [0],
    }),
  },
  { examples: [{ hosts: ['api.example.com'], path: '/hello/*', methods: ['GET'] }] },
)

const value = text('A value.', { check: headerValue, examples: ['yes'] })

const responseName = text('Name of a header.', { check: responseHeaderName, examples: ['x-served-by'] })

const edits = (about: string, check: TextCheck) => {
  const key = text('Name of a header.', { check, examples: ['x-team'] })
  return object(
    about,
    {
      set: map('Replaces the header.', key, value, { default: {}, examples: [{ 'x-team': 'payments' }] }),
      append: map(
        'Adds lines, beside those that are there.',
        key,
        either(
          'A value or several.',
          'a text or a list of texts',
          [
            { shape: list('Values.', value, { min: 1, examples: [['a', 'b']] }), tell: 'list' },
            { shape: value, tell: 'text' },
          ],
          { examples: ['yes'] },
        ),
        { default: {}, examples: [{ 'x-tag': ['a', 'b'] }] },
      ),
      remove: list('Takes headers away.', key, { default: [], examples: [['x-internal']] }),
    },
    { optional: true, examples: [{ set: { 'x-team': 'payments' }, remove: ['x-internal'] }] },
  )
}

const corsHeaders = text('A header name.', { check: headerNameOrAny, examples: ['content-type'] })

const cors = toggle(
  'Answers preflights and marks answers for browsers (Fetch standard). true stands for all origins without credentials.',
  {
    origins: list(
      'Origins that are let in.',
      text('An origin.', { check: origin, examples: ['https://app.example.com'] }),
      {
        default: ['*'],
        min: 1,
        examples: [['https://app.example.com', 'https://*.example.com']],
      },
    ),
    methods: list('Methods that are let in.', methodName, {
      default: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      examples: [['GET', 'POST']],
    }),
    headers: list('Request headers that are let in; * lets in what is asked for.', corsHeaders, {
      default: ['*'],
      examples: [['content-type', 'authorization']],
    }),
    exposeHeaders: list('Response headers that scripts may read.', corsHeaders, {
      default: [],
      examples: [['x-request-id']],
    }),
    credentials: flag('Cookies and Authorization may be sent. Not together with the origin *.', {
      default: false,
      examples: [false],
    }),
    maxAgeSeconds: seconds('How long a browser may remember the preflight.', {
      default: 600,
      max: 86400,
      examples: [600],
    }),
  },
  { default: false, examples: [true, { origins: ['https://app.example.com'], credentials: true }] },
)

export const respond = object(
  'Answers by itself.',
  {
    status: whole('Status.', { default: 200, min: 200, max: 599, examples: [200] }),
    headers: map('Headers of the answer.', responseName, value, {
      default: {},
      examples: [{ 'content-type': 'text/plain' }],
    }),
    body: text('Body of the answer.', { default: '', examples: ['pong'] }),
  },
  { optional: true, examples: [{ status: 200, body: 'pong' }] },
)

const redirect = object(
  'Sends the client elsewhere.',
  {
    to: text('A path or a URL; {name} stands for captured parameters, {*} for the rest.', {
      check: redirectTarget,
      examples: ['/new', 'https://example.com/{*}'],
    }),
    status: whole('301 and 308 are for good, 302, 303 and 307 for now; 307 and 308 keep the method.', {
      choices: [301, 302, 303, 307, 308],
      default: 302,
      examples: [308],
    }),
  },
  { optional: true, examples: [{ to: '/new', status: 308 }] },
)

const route = object(
  'Requests that match are forwarded, answered or redirected: exactly one of upstream, respond and redirect.',
  {
    name: text('Unique name, for logs and metrics.', { check: name, examples: ['hello'] }),
    match,
    upstream: text('Name of the upstream that the request is forwarded to.', { optional: true, examples: ['echo'] }),
    respond,
    redirect,
    stripPrefix: text('Taken off the front of the path before it is forwarded.', {
      optional: true,
      check: stripPrefix,
      examples: ['/hello'],
    }),
    rewrite: text('The path to forward, with {name} of captured parameters, {*} for the rest; the query is kept.', {
      optional: true,
      check: targetPath,
      examples: ['/v2/users/{id}', '/{*}'],
    }),
    guards,
    plugins: list(
      'Plugins that run on its requests, in this order.',
      text('Name of a plugin.', { examples: ['hello'] }),
      {
        default: [],
        examples: [['hello']],
      },
    ),
    cors,
    requestHeaders: edits('Edits of the request that goes upstream.', requestHeaderName),
    responseHeaders: edits('Edits of the response.', responseHeaderName),
    maxBodyBytes: bytes('Request body; past it 413. 0 means no limit. Without it that of `limits`.', {
      optional: true,
      examples: ['10MiB'],
    }),
    webSocket: flag('Lets WebSocket upgrades through.', { default: true, examples: [true] }),
  },
  {
    oneOf: ['upstream', 'respond', 'redirect'],
    examples: [{ name: 'hello', match: { path: '/hello/*' }, upstream: 'echo' }],
  },
)

export const routes = list('Routes. Their order matters only between equals.', route, {
  default: [],
  examples: [[{ name: 'hello', match: { path: '/hello/*' }, upstream: 'echo' }]],
})
