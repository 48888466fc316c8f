// Errors in upstreams: peers, balance, health, TLS.
import { badConfigurations } from './bad-configurations.ts'

badConfigurations([
  {
    title: 'a list',
    text: `listen: [{ port: 8080 }]
upstreams: []`,
    errors: ['2:12 upstreams: found an empty list, expected a mapping'],
  },
  {
    title: 'a name with a blank',
    text: `listen: [{ port: 8080 }]
upstreams: { "a b": { peers: [{ url: "http://x" }] } }`,
    errors: [
      '2:14 upstreams["a b"]: found "a b", expected a name of letters, digits, ".", "_" and "-" that begins with a letter or digit, at most 128 long',
    ],
  },
  {
    title: 'no peers',
    text: `listen: [{ port: 8080 }]
upstreams: { a: {} }`,
    errors: ['2:17 upstreams.a: peers is missing (The servers)'],
  },
  {
    title: 'an empty list of peers',
    text: `listen: [{ port: 8080 }]
upstreams: { a: { peers: [] } }`,
    errors: ['2:26 upstreams.a.peers: found an empty list, expected a list of at least 1'],
  },
  {
    title: 'urls',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers:
      - { url: "127.0.0.1:9000" }
      - { url: "http://x/y" }
      - { url: "http://x?y" }
      - { url: "http://1" }
      - { url: "http://1.2.3.400" }
      - { url: "http://u:p@x" }
      - { url: "http://x:0" }
      - { url: "http://x:99999" }
      - { url: "http://x:" }
      - { url: "http://" }
      - { url: "ftp://x" }
      - { url: "unix://x" }
      - { url: "unix:" }
      - { url: "http://[::g]" }
      - { url: "http://a b" }
      - { url: "http://a\\r\\nb" }`,
    errors: [
      '5:16 upstreams.a.peers[0].url: found "127.0.0.1:9000", expected a URL, as http://127.0.0.1:9000, https://name or unix:///run/app.sock',
      '6:16 upstreams.a.peers[1].url: found "http://x/y", expected a URL without path, query and user (a path is what `rewrite` is for)',
      '7:16 upstreams.a.peers[2].url: found "http://x?y", expected a URL without path, query and user (a path is what `rewrite` is for)',
      '8:16 upstreams.a.peers[3].url: found "http://1", expected a host name or IP address behind ://',
      '9:16 upstreams.a.peers[4].url: found "http://1.2.3.400", expected a host name or IP address behind ://',
      '10:16 upstreams.a.peers[5].url: found "http://u:p@x", expected a URL without path, query and user (a path is what `rewrite` is for)',
      '11:16 upstreams.a.peers[6].url: found "http://x:0", expected a port from 1 to 65535',
      '12:16 upstreams.a.peers[7].url: found "http://x:99999", expected a port from 1 to 65535',
      '13:16 upstreams.a.peers[8].url: found "http://x:", expected a port from 1 to 65535',
      '14:16 upstreams.a.peers[9].url: found "http://", expected a host name or IP address behind ://',
      '15:16 upstreams.a.peers[10].url: found "ftp://x", expected a URL, as http://127.0.0.1:9000, https://name or unix:///run/app.sock',
      '16:16 upstreams.a.peers[11].url: found "unix://x", expected unix:// and an absolute path, as unix:///run/app.sock',
      '17:16 upstreams.a.peers[12].url: found "unix:", expected unix:// and an absolute path, as unix:///run/app.sock',
      '18:16 upstreams.a.peers[13].url: found "http://[::g]", expected a host name or IP address behind ://',
      '19:16 upstreams.a.peers[14].url: found "http://a b", expected a host name or IP address behind ://',
      '20:16 upstreams.a.peers[15].url: found "http://a\\r\\nb", expected a host name or IP address behind ://',
    ],
  },
  {
    title: 'a peer twice',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }, { url: "HTTP://X:80/" }]`,
    errors: [
      '4:41 upstreams.a.peers[1].url: found "HTTP://X:80/", which is a peer already; a larger weight gives it more',
    ],
  },
  {
    title: 'no weight at all',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x", weight: 0 }]`,
    errors: ['4:12 upstreams.a.peers: found only weights of 0, expected one of at least 1'],
  },
  {
    title: 'a weight below 0',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x", weight: -1 }]`,
    errors: ['4:40 upstreams.a.peers[0].weight: found number -1, expected a whole number from 0 to 1000'],
  },
  {
    title: 'balance',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    balance: roundrobin`,
    errors: [
      '5:14 upstreams.a.balance: found "roundrobin", expected round-robin, least-connections, or a mapping with kind: consistent-hash; did you mean round-robin?',
    ],
  },
  {
    title: 'balance is a list',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    balance: []`,
    errors: [
      '5:14 upstreams.a.balance: found an empty list, expected round-robin, least-connections, or a mapping with kind: consistent-hash',
    ],
  },
  {
    title: 'hashing nothing',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    balance: { kind: consistent-hash, on: {} }`,
    errors: ['5:43 upstreams.a.balance.on: found none of header, cookie, address, expected one of them'],
  },
  {
    title: 'hashing two things',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    balance: { kind: consistent-hash, on: { header: a, cookie: b, address: false } }`,
    errors: [
      '5:56 upstreams.a.balance.on.cookie: found beside header, expected exactly one of header, cookie, address',
      '5:67 upstreams.a.balance.on.address: found beside header, expected exactly one of header, cookie, address',
      '5:76 upstreams.a.balance.on.address: found boolean false, expected true',
    ],
  },
  {
    title: 'another kind',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    balance: { kind: random, on: { header: "a b" } }`,
    errors: [
      '5:22 upstreams.a.balance.kind: found "random", expected consistent-hash',
      '5:44 upstreams.a.balance.on.header: found "a b", expected a header name (letters, digits and any of !#$%&\'*+-.^_`|~)',
    ],
  },
  {
    title: 'numbers',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    retries: 11
    retryBudget: { ratio: 1.5 }
    timeouts: { connectMs: 0, connect: 5 }
    pool: { maxConnections: 0 }`,
    errors: [
      '5:14 upstreams.a.retries: found number 11, expected a whole number from 0 to 10',
      '6:27 upstreams.a.retryBudget.ratio: found number 1.5, expected a number from 0 to 1',
      '7:28 upstreams.a.timeouts.connectMs: found number 0, expected a whole number from 1 to 86400000 milliseconds',
      '7:31 upstreams.a.timeouts.connect: unknown key, expected one of connectMs, responseMs, idleMs',
      '8:29 upstreams.a.pool.maxConnections: found number 0, expected a whole number from 1 to 65535',
    ],
  },
  {
    title: 'hostHeader',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    hostHeader: "a b"`,
    errors: [
      '5:17 upstreams.a.hostHeader: found "a b", expected preserve, peer, or a host with or without port, as api.example.com',
    ],
  },
  {
    title: 'TLS for nobody',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x", tls: {} }]
    tls: { verify: true }`,
    errors: [
      '4:32 upstreams.a.peers[0].tls: found tls without an https:// url',
      '5:5 upstreams.a.tls: found tls without a peer with an https:// url',
    ],
  },
  {
    title: 'half a client certificate',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "https://x" }]
    tls: { certificate: no.pem, serverName: "a b" }`,
    errors: [
      '5:12 upstreams.a.tls.certificate: found without key, expected both or none',
      '5:25 upstreams.a.tls.certificate: file "no.pem": no such file',
      '5:45 upstreams.a.tls.serverName: found "a b", expected a host name',
    ],
  },
  {
    title: 'a missing authority',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "https://x" }]
    tls: { ca: ./no.pem }`,
    errors: ['5:16 upstreams.a.tls.ca: file "./no.pem": no such file'],
  },
  {
    title: 'health',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    health: { active: { path: x, timeoutMs: 6000, statuses: [99, "200-100", abc] }, passive: { ejectMs: 400000, failures: 0 } }`,
    errors: [
      '5:31 upstreams.a.health.active.path: found "x", expected a path that begins with /, of printable ASCII without blanks and #',
      '5:45 upstreams.a.health.active.timeoutMs: found number 6000, expected at most the intervalMs of 5000',
      '5:62 upstreams.a.health.active.statuses[0]: found number 99, expected a whole number from 100 to 599',
      '5:66 upstreams.a.health.active.statuses[1]: found "200-100", expected a status or a range of them, as 204 or "200-299"',
      '5:77 upstreams.a.health.active.statuses[2]: found "abc", expected a status or a range of them, as 204 or "200-299"',
      '5:94 upstreams.a.health.passive.maxEjectMs: found number 300000, expected at least the ejectMs of 400000',
      '5:123 upstreams.a.health.passive.failures: found number 0, expected a whole number from 1 to 1000',
    ],
  },
  {
    title: 'breaker',
    text: `listen: [{ port: 8080 }]
upstreams:
  a:
    peers: [{ url: "http://x" }]
    breaker: 5`,
    errors: [
      '5:14 upstreams.a.breaker: found number 5, expected true, false, or a mapping with errorRatio, minRequests, windowMs, openMs',
    ],
  },
])
