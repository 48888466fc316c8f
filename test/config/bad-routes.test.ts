// Errors in routes: matches, actions, targets, headers, CORS.
import { badConfigurations } from './bad-configurations.ts'

badConfigurations([
  {
    title: 'no name, no match',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - upstream: echo`,
    errors: [
      '4:5 routes[0]: name is missing (Unique name, for logs and metrics)',
      '4:5 routes[0]: match is missing (Which requests the route takes: all that is named must hold)',
    ],
  },
  {
    title: 'no action',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}`,
    errors: ['4:5 routes[0]: found none of upstream, respond, redirect, expected one of them'],
  },
  {
    title: 'two actions',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: echo
    redirect: { to: /x }`,
    errors: ['7:5 routes[0].redirect: found beside upstream, expected exactly one of upstream, respond, redirect'],
  },
  {
    title: 'three actions',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    redirect: { to: /x }
    respond: {}
    upstream: echo`,
    errors: [
      '6:5 routes[0].redirect: found beside upstream, expected exactly one of upstream, respond, redirect',
      '7:5 routes[0].respond: found beside upstream, expected exactly one of upstream, respond, redirect',
    ],
  },
  {
    title: 'an unknown upstream',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: eco`,
    errors: ['6:15 routes[0].upstream: found "eco", expected one of the upstreams echo; did you mean echo?'],
  },
  {
    title: 'an upstream where there are none',
    text: `listen: [{ port: 8080 }]
routes: [{ name: a, match: {}, upstream: echo }]`,
    errors: ['2:42 routes[0].upstream: found "echo", expected upstreams to have it; it has none'],
  },
  {
    title: 'a mistyped key',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { pth: /x }
    upstream: echo`,
    errors: [
      '5:14 routes[0].match.pth: unknown key, expected one of hosts, path, methods, headers, priority; did you mean path?',
    ],
  },
  {
    title: 'a plugin that is not there',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: echo
    plugins: [x]`,
    errors: ['7:15 routes[0].plugins[0]: found "x", expected plugins to have it; it has none'],
  },
  {
    title: 'paths',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - { name: r0, match: { path: "x" }, upstream: echo }
  - { name: r1, match: { path: "" }, upstream: echo }
  - { name: r2, match: { path: "/a/*/b" }, upstream: echo }
  - { name: r3, match: { path: "/a*" }, upstream: echo }
  - { name: r4, match: { path: "/{a}/{a}" }, upstream: echo }
  - { name: r5, match: { path: "/x{a}" }, upstream: echo }
  - { name: r6, match: { path: "/{}" }, upstream: echo }
  - { name: r7, match: { path: "/{a" }, upstream: echo }
  - { name: r8, match: { path: "/a?b" }, upstream: echo }
  - { name: r9, match: { path: "/a#b" }, upstream: echo }
  - { name: r10, match: { path: "/a b" }, upstream: echo }
  - { name: r11, match: { path: "/a/../b" }, upstream: echo }
  - { name: r12, match: { path: "/a%zz" }, upstream: echo }
  - { name: r13, match: { path: "~" }, upstream: echo }
  - { name: r14, match: { path: "~(" }, upstream: echo }
  - { name: r15, match: { path: "~[z-a]" }, upstream: echo }`,
    errors: [
      '4:32 routes[0].match.path: found "x", expected a path that begins with / (or ~ for a regular expression)',
      '5:32 routes[1].match.path: found "", expected a path that begins with / (or ~ for a regular expression)',
      '6:32 routes[2].match.path: found "/a/*/b", expected * only as the whole last segment, as in /files/*',
      '7:32 routes[3].match.path: found "/a*", expected * only as the whole last segment, as in /files/*',
      '8:32 routes[4].match.path: found "/{a}/{a}", expected each parameter once, not {a} twice',
      '9:32 routes[5].match.path: found "/x{a}", expected a parameter as a whole segment, as in /users/{id}',
      '10:32 routes[6].match.path: found "/{}", expected a parameter as a whole segment, as in /users/{id}',
      '11:32 routes[7].match.path: found "/{a", expected a parameter as a whole segment, as in /users/{id}',
      '12:32 routes[8].match.path: found "/a?b", expected a path without ? and #',
      '13:32 routes[9].match.path: found "/a#b", expected a path without ? and #',
      '14:33 routes[10].match.path: found "/a b", expected a path without blanks and control characters; write them as %XX',
      '15:33 routes[11].match.path: found "/a/../b", expected a path without . and .. segments',
      '16:33 routes[12].match.path: found "/a%zz", expected two hexadecimal digits behind each %',
      '17:33 routes[13].match.path: found "~", expected a regular expression behind ~',
      '18:33 routes[14].match.path: found "~(", expected a regular expression (JavaScript\'s syntax): Unterminated group',
      '19:33 routes[15].match.path: found "~[z-a]", expected a regular expression (JavaScript\'s syntax): Range out of order in character class',
    ],
  },
  {
    title: 'hosts',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { hosts: ["*", "a:80", "bücher.de", "1.2.3", "*.1.2.3.4", "a..b", "http://x", "[::g]", "a.*", "*.*.b"] }
    upstream: echo`,
    errors: [
      '5:22 routes[0].match.hosts[0]: found "*", expected a host, or no hosts at all for any',
      '5:27 routes[0].match.hosts[1]: found "a:80", expected a host without port',
      '5:35 routes[0].match.hosts[2]: found "bücher.de", expected the ASCII form of an international name (xn--...)',
      '5:48 routes[0].match.hosts[3]: found "1.2.3", expected a host name, as api.example.com or *.example.com',
      '5:57 routes[0].match.hosts[4]: found "*.1.2.3.4", expected a host name, as api.example.com or *.example.com',
      '5:70 routes[0].match.hosts[5]: found "a..b", expected a host name, as api.example.com or *.example.com',
      '5:78 routes[0].match.hosts[6]: found "http://x", expected a host name, as api.example.com or *.example.com',
      '5:90 routes[0].match.hosts[7]: found "[::g]", expected an IPv6 address in brackets, as [::1]',
      '5:99 routes[0].match.hosts[8]: found "a.*", expected a host name, as api.example.com or *.example.com',
      '5:106 routes[0].match.hosts[9]: found "*.*.b", expected a host name, as api.example.com or *.example.com',
    ],
  },
  {
    title: 'methods',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { methods: [get, "G T", "", 5] }
    upstream: echo`,
    errors: [
      '5:24 routes[0].match.methods[0]: found "get", expected a method in capital letters, as GET',
      '5:29 routes[0].match.methods[1]: found "G T", expected a method in capital letters, as GET',
      '5:36 routes[0].match.methods[2]: found "", expected a method in capital letters, as GET',
      '5:40 routes[0].match.methods[3]: found number 5, expected a text; put it in quotes',
    ],
  },
  {
    title: 'headers to match',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { headers: { "x y": "1", x-a: false, x-b: 2, x-c: "~[", X-D: "1", x-d: "2", x-e: "a\\nb" } }
    upstream: echo`,
    errors: [
      '5:25 routes[0].match.headers["x y"]: found "x y", expected a header name (letters, digits and any of !#$%&\'*+-.^_`|~)',
      '5:42 routes[0].match.headers.x-a: found boolean false, expected true',
      '5:54 routes[0].match.headers.x-b: found number 2, expected a text (a value, or ~ and a regular expression), or true for any value',
      '5:62 routes[0].match.headers.x-c: found "~[", expected a regular expression (JavaScript\'s syntax): Unterminated character class',
      '5:78 routes[0].match.headers.x-d: duplicate header: capitals make no difference',
      '5:93 routes[0].match.headers.x-e: found "a\\nb", expected a header value without line breaks and control characters',
    ],
  },
  {
    title: 'names that the path does not capture',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { path: "/u/{id}" }
    upstream: echo
    rewrite: "/v/{ident}/{*}"`,
    errors: [
      '7:14 routes[0].rewrite: match.path captures no {ident}, expected one of {id}',
      '7:14 routes[0].rewrite: {*} stands for the rest of a path that ends in /*, and match.path does not',
    ],
  },
  {
    title: 'names without path',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    redirect: { to: "/{name}" }`,
    errors: ['6:21 routes[0].redirect.to: match.path captures no {name}, expected one of {*}'],
  },
  {
    title: 'braces',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { path: "/u/{id}" }
    upstream: echo
    rewrite: "/v/{id"`,
    errors: ['7:14 routes[0].rewrite: found "/v/{id", expected {name} of a captured parameter, or {*}'],
  },
  {
    title: 'rewrites',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: echo
    rewrite: "/a?b"`,
    errors: ['7:14 routes[0].rewrite: found "/a?b", expected a path without ? and #'],
  },
  {
    title: 'prefixes',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { path: "/u/*" }
    upstream: echo
    stripPrefix: /v`,
    errors: ['7:18 routes[0].stripPrefix: found "/v", expected a prefix of match.path'],
  },
  {
    title: 'a prefix with slash',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { path: "/u/*" }
    upstream: echo
    stripPrefix: /u/`,
    errors: ['7:18 routes[0].stripPrefix: found "/u/", expected a plain path without / at its end'],
  },
  {
    title: 'a prefix longer than the path',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { path: "/u" }
    upstream: echo
    stripPrefix: /u/v`,
    errors: ['7:18 routes[0].stripPrefix: found "/u/v", expected a prefix of match.path'],
  },
  {
    title: 'both',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: { path: "/u/*" }
    upstream: echo
    stripPrefix: /u
    rewrite: /x`,
    errors: ['8:5 routes[0].rewrite: found beside stripPrefix, expected one of them: a rewrite names the whole path'],
  },
  {
    title: 'keys of another action',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    respond: { status: 204, body: x }
    stripPrefix: /u
    rewrite: /y
    webSocket: true
    requestHeaders: {}`,
    errors: [
      '6:35 routes[0].respond.body: found "x", expected no body: a 204 has none (RFC 9110)',
      '7:5 routes[0].stripPrefix: found beside respond, expected only with upstream',
      '8:5 routes[0].rewrite: found beside respond, expected only with upstream',
      '8:5 routes[0].rewrite: found beside stripPrefix, expected one of them: a rewrite names the whole path',
      '9:5 routes[0].webSocket: found beside respond, expected only with upstream',
      '10:5 routes[0].requestHeaders: found beside respond, expected only with upstream',
    ],
  },
  {
    title: 'answers',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    respond: { status: 100, headers: { content-length: "5", Date: now, x: "a\\r\\nb", "é": "1", y: "\\u20ac", X-Z: "1", x-z: "2" } }`,
    errors: [
      '6:24 routes[0].respond.status: found number 100, expected a whole number from 200 to 599',
      '6:40 routes[0].respond.headers.content-length: found "content-length", expected another header: this one belongs to the connection, and the gateway writes it itself',
      '6:61 routes[0].respond.headers.Date: found "Date", expected another header: this one belongs to the connection, and the gateway writes it itself',
      '6:75 routes[0].respond.headers.x: found "a\\r\\nb", expected a header value without line breaks and control characters',
      '6:85 routes[0].respond.headers["é"]: found "é", expected a header name (letters, digits and any of !#$%&\'*+-.^_`|~)',
      '6:98 routes[0].respond.headers.y: found "€", expected a header value of latin-1 characters',
      '6:118 routes[0].respond.headers.x-z: duplicate header: capitals make no difference',
    ],
  },
  {
    title: 'redirects',
    text: `listen: [{ port: 8080 }]
routes:
  - { name: r0, match: { path: "/r0/{a}" }, redirect: { to: "//evil.example" } }
  - { name: r1, match: { path: "/r1/{a}" }, redirect: { to: "/\\\\evil.example" } }
  - { name: r2, match: { path: "/r2/{a}" }, redirect: { to: "javascript:alert(1)" } }
  - { name: r3, match: { path: "/r3/{a}" }, redirect: { to: "new" } }
  - { name: r4, match: { path: "/r4/{a}" }, redirect: { to: "https://{a}/x" } }
  - { name: r5, match: { path: "/r5/{a}" }, redirect: { to: "https://u@x/" } }
  - { name: r6, match: { path: "/r6/{a}" }, redirect: { to: "/a b" } }
  - { name: r7, match: { path: "/r7/{a}" }, redirect: { to: "/a\\r\\nb" } }`,
    errors: [
      '3:61 routes[0].redirect.to: found "//evil.example", expected a path that begins with one /, or a URL that begins with http:// or https:// and a host',
      '4:61 routes[1].redirect.to: found "/\\\\evil.example", expected a path that begins with one /, or a URL that begins with http:// or https:// and a host',
      '5:61 routes[2].redirect.to: found "javascript:alert(1)", expected a path that begins with one /, or a URL that begins with http:// or https:// and a host',
      '6:61 routes[3].redirect.to: found "new", expected a path that begins with one /, or a URL that begins with http:// or https:// and a host',
      '7:61 routes[4].redirect.to: found "https://{a}/x", expected a path that begins with one /, or a URL that begins with http:// or https:// and a host',
      '8:61 routes[5].redirect.to: found "https://u@x/", expected a path that begins with one /, or a URL that begins with http:// or https:// and a host',
      '9:61 routes[6].redirect.to: found "/a b", expected a URL of printable ASCII without blanks and backslashes',
      '10:61 routes[7].redirect.to: found "/a\\r\\nb", expected a URL of printable ASCII without blanks and backslashes',
    ],
  },
  {
    title: 'a status that is no redirection',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    redirect: { to: /x, status: 304 }`,
    errors: ['6:33 routes[0].redirect.status: found number 304, expected one of 301, 302, 303, 307, 308'],
  },
  {
    title: 'cors with credentials for all',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: echo
    cors: { credentials: true, maxAgeSeconds: 100000 }`,
    errors: [
      '7:26 routes[0].cors.credentials: found true for all origins, expected origins to be named: any site could act as the user',
      '7:47 routes[0].cors.maxAgeSeconds: found number 100000, expected a whole number from 0 to 86400 seconds',
    ],
  },
  {
    title: 'origins',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: echo
    cors: { origins: [app.example.com, "https://A.b", "https://a.b/", "null"] }`,
    errors: [
      '7:23 routes[0].cors.origins[0]: found "app.example.com", expected an origin in lower case, as https://app.example.com or https://*.example.com, or *',
      '7:40 routes[0].cors.origins[1]: found "https://A.b", expected an origin in lower case, as https://app.example.com or https://*.example.com, or *',
      '7:55 routes[0].cors.origins[2]: found "https://a.b/", expected an origin in lower case, as https://app.example.com or https://*.example.com, or *',
      '7:71 routes[0].cors.origins[3]: found "null", expected an origin in lower case, as https://app.example.com or https://*.example.com, or *',
    ],
  },
  {
    title: 'header edits',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: echo
    requestHeaders: { set: { Host: x, Connection: close, x-a: 5, x-n: " a" }, append: { x-b: [], Transfer-Encoding: chunked }, remove: [Content-Length, X-A] }
    responseHeaders: { set: { x-c: "1", X-C: "2" }, remove: ["a b"] }`,
    errors: [
      '7:30 routes[0].requestHeaders.set.Host: found "Host", expected another header: Host is what hostHeader of the upstream is for',
      '7:39 routes[0].requestHeaders.set.Connection: found "Connection", expected another header: this one belongs to the connection, and the gateway writes it itself',
      '7:63 routes[0].requestHeaders.set.x-a: found number 5, expected a text; put it in quotes',
      '7:71 routes[0].requestHeaders.set.x-n: found " a", expected a header value without blanks at its ends',
      '7:94 routes[0].requestHeaders.append.x-b: found an empty list, expected a list of at least 1',
      '7:98 routes[0].requestHeaders.append.Transfer-Encoding: found "Transfer-Encoding", expected another header: this one belongs to the connection, and the gateway writes it itself',
      '7:137 routes[0].requestHeaders.remove[0]: found "Content-Length", expected another header: this one belongs to the connection, and the gateway writes it itself',
      '7:153 routes[0].requestHeaders.remove[1]: found "X-A", which is also set; set replaces by itself',
      '8:41 routes[0].responseHeaders.set.X-C: duplicate header: capitals make no difference',
      '8:62 routes[0].responseHeaders.remove[0]: found "a b", expected a header name (letters, digits and any of !#$%&\'*+-.^_`|~)',
    ],
  },
  {
    title: 'a name twice, a match twice',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - { name: a, match: { path: /x, methods: [GET, PUT], hosts: [A.example] }, upstream: echo }
  - { name: a, match: { path: /x, methods: [PUT, GET], hosts: [a.example] }, upstream: echo }`,
    errors: [
      '5:13 routes[1].name: found "a", expected a name of its own: routes[0] has it already',
      '5:23 routes[1].match: never reached: routes[0] takes the same requests',
    ],
  },
  {
    title: 'sizes',
    text: `listen: [{ port: 8080 }]
upstreams: { echo: { peers: [{ url: "http://127.0.0.1:9000" }] } }
routes:
  - name: a
    match: {}
    upstream: echo
    maxBodyBytes: 10MB`,
    errors: ['7:19 routes[0].maxBodyBytes: found "10MB", expected a size in bytes, as 65536 or 64KiB, of at least 0'],
  },
])
