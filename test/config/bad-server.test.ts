// Errors in listen, workers, admin, limits, timeouts, accessLog and forwarded.
import { badConfigurations } from './bad-configurations.ts'

badConfigurations([
  {
    title: 'no listen',
    text: 'workers: 1',
    errors: ['1:1: listen is missing (Where to listen. Each worker listens on all of them)'],
  },
  {
    title: 'no listener',
    text: 'listen: []',
    errors: ['1:9 listen: found an empty list, expected a list of at least 1'],
  },
  {
    title: 'listen is a mapping',
    text: 'listen: { port: 1 }',
    errors: ['1:9 listen: found a mapping, expected a list'],
  },
  {
    title: 'listen without value',
    text: 'listen:',
    errors: ['1:8 listen: found nothing, expected a list'],
  },
  {
    title: 'a listener without port',
    text: 'listen: [{}]',
    errors: ['1:10 listen[0]: port is missing (TCP port; 0 lets the system choose)'],
  },
  {
    title: 'a listener that is a number',
    text: 'listen: [8080]',
    errors: ['1:10 listen[0]: found number 8080, expected a mapping with port, or with unix'],
  },
  {
    title: 'ports',
    text: 'listen: [{ port: 80a }, { port: 70000 }, { port: "8080" }, { port: 80.5 }, { port: -1 }]',
    errors: [
      '1:18 listen[0].port: found "80a", expected a whole number from 0 to 65535',
      '1:33 listen[1].port: found number 70000, expected a whole number from 0 to 65535',
      '1:50 listen[2].port: found "8080", expected a whole number from 0 to 65535',
      '1:68 listen[3].port: found number 80.5, expected a whole number from 0 to 65535',
      '1:84 listen[4].port: found number -1, expected a whole number from 0 to 65535',
    ],
  },
  {
    title: 'an unknown key',
    text: 'listen: [{ port: 1, adress: 1.2.3.4 }]',
    errors: ['1:21 listen[0].adress: unknown key, expected one of address, port, tls; did you mean address?'],
  },
  {
    title: 'a host name to listen on',
    text: 'listen: [{ port: 1, address: localhost }]',
    errors: [
      '1:30 listen[0].address: found "localhost", expected an IP address, as 127.0.0.1 or ::1 (0.0.0.0 for all)',
    ],
  },
  {
    title: 'unix sockets',
    text: `listen: [{ unix: "" }, { unix: a.sock, port: 1 }, { unix: ${'x'.repeat(108)} }, { unix: ./missing/a.sock }, { unix: . }]`,
    errors: [
      '1:18 listen[0].unix: found "", expected the path of a unix socket',
      '1:40 listen[1].port: unknown key, expected one of unix',
      '1:59 listen[2].unix: found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...", expected the path of a unix socket of at most 107 bytes',
      '1:179 listen[3].unix: file "./missing/a.sock": lies in a folder that does not exist',
      '1:207 listen[4].unix: file ".": is a folder, expected a file',
    ],
  },
  {
    title: 'a listener twice',
    text: 'listen: [{ port: 1 }, { address: 0.0.0.0, port: 1 }, { unix: a.sock }, { unix: a.sock }, { port: 0 }, { port: 0 }]',
    errors: [
      '1:23 listen[1]: the same place as listen[0], expected one of its own',
      '1:72 listen[3]: the same place as listen[2], expected one of its own',
    ],
  },
  {
    title: 'admin on a listener',
    text: `listen: [{ port: 9901, address: 127.0.0.1 }]
admin: {}`,
    errors: ['2:8 admin: the same place as listen[0], expected one of its own'],
  },
  {
    title: 'tls',
    text: 'listen: [{ port: 1, tls: {} }, { port: 2, tls: { certificate: no.pem, key: no.key, minVersion: 1.1 } }]',
    errors: [
      '1:26 listen[0].tls: certificate is missing (PEM file: the certificate, then its chain)',
      '1:26 listen[0].tls: key is missing (PEM file: the private key, not encrypted)',
      '1:63 listen[1].tls.certificate: file "no.pem": no such file',
      '1:76 listen[1].tls.key: file "no.key": no such file',
      '1:96 listen[1].tls.minVersion: found number 1.1, expected one of 1.2, 1.3',
    ],
  },
  {
    title: 'a server name twice',
    text: 'listen: [{ port: 1, tls: { certificate: no.pem, key: no.key, sni: [{ hosts: [a.example], certificate: no.pem, key: no.key }, { hosts: [b.example, A.example], certificate: no.pem, key: no.key }] } }]',
    errors: [
      '1:41 listen[0].tls.certificate: file "no.pem": no such file',
      '1:54 listen[0].tls.key: file "no.key": no such file',
      '1:103 listen[0].tls.sni[0].certificate: file "no.pem": no such file',
      '1:116 listen[0].tls.sni[0].key: file "no.key": no such file',
      '1:147 listen[0].tls.sni[1].hosts[1]: found "A.example", which has a certificate already',
      '1:172 listen[0].tls.sni[1].certificate: file "no.pem": no such file',
      '1:185 listen[0].tls.sni[1].key: file "no.key": no such file',
    ],
  },
  {
    title: 'workers',
    text: `listen: [{ port: 8080 }]
workers: Auto`,
    errors: ['2:10 workers: found "Auto", expected auto or a whole number from 1 to 256; did you mean auto?'],
  },
  {
    title: 'no workers',
    text: `listen: [{ port: 8080 }]
workers: 0`,
    errors: ['2:10 workers: found number 0, expected a whole number from 1 to 256'],
  },
  {
    title: 'half a worker',
    text: `listen: [{ port: 8080 }]
workers: 1.5`,
    errors: ['2:10 workers: found number 1.5, expected a whole number from 1 to 256'],
  },
  {
    title: 'admin for everybody',
    text: `listen: [{ port: 8080 }]
admin: { address: 0.0.0.0 }`,
    errors: ['2:19 admin.address: found "0.0.0.0", expected a loopback address, or a token beside it'],
  },
  {
    title: 'a short token',
    text: `listen: [{ port: 8080 }]
admin: { token: abc }`,
    errors: ['2:17 admin.token: found "abc", expected a token of at least 8 printable ASCII characters without blanks'],
  },
  {
    title: 'admin: true',
    text: `listen: [{ port: 8080 }]
admin: true`,
    errors: ['2:8 admin: found boolean true, expected a mapping with address, port, token'],
  },
  {
    title: 'limits',
    text: `listen: [{ port: 8080 }]
limits: { maxHeadBytes: 64MB, maxHeaders: 99, maxBodyBytes: -1, maxConcurrentRequests: 1KiB, maxBodySize: 1 }`,
    errors: [
      '2:25 limits.maxHeadBytes: found "64MB", expected a size in bytes, as 65536 or 64KiB, from 1024 to 65536',
      '2:43 limits.maxHeaders: found number 99, expected a whole number from 1 to 98',
      '2:61 limits.maxBodyBytes: found number -1, expected a size in bytes, as 65536 or 64KiB, of at least 0',
      '2:88 limits.maxConcurrentRequests: found "1KiB", expected a whole number from 0 to 1000000',
      '2:94 limits.maxBodySize: unknown key, expected one of maxHeadBytes, maxHeaders, maxBodyBytes, maxRequestsPerConnection, maxConcurrentRequests',
    ],
  },
  {
    title: 'limits without value',
    text: `listen: [{ port: 8080 }]
limits:`,
    errors: [
      '2:8 limits: found nothing, expected a mapping with maxHeadBytes, maxHeaders, maxBodyBytes, maxRequestsPerConnection, maxConcurrentRequests',
    ],
  },
  {
    title: 'timeouts',
    text: `listen: [{ port: 8080 }]
timeouts: { drainMs: 0, idleMs: 99999999999, idle: 1s }`,
    errors: [
      '2:22 timeouts.drainMs: found number 0, expected a whole number from 1 to 86400000 milliseconds',
      '2:33 timeouts.idleMs: found number 99999999999, expected a whole number from 0 to 86400000 milliseconds',
      '2:46 timeouts.idle: unknown key, expected one of drainMs, idleMs',
    ],
  },
  {
    title: 'access log',
    text: `listen: [{ port: 8080 }]
accessLog: { sample: 2, target: ./missing/x.log }`,
    errors: [
      '2:22 accessLog.sample: found number 2, expected a number from 0 to 1',
      '2:33 accessLog.target: file "./missing/x.log": lies in a folder that does not exist',
    ],
  },
  {
    title: 'access log: yes',
    text: `listen: [{ port: 8080 }]
accessLog: yes`,
    errors: ['2:12 accessLog: found "yes", expected true, false, or a mapping with target, sample'],
  },
  {
    title: 'another spelling',
    text: `listen: [{ port: 8080 }]
accesslog: true`,
    errors: [
      '2:1 accesslog: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes; did you mean accessLog?',
    ],
  },
  {
    title: 'trusted proxies',
    text: `listen: [{ port: 8080 }]
forwarded: { trustedProxies: [10.0.0.0/33, "fd00::/129", example.com, 1.2.3.4/8/9, ""], via: 1 }`,
    errors: [
      '2:31 forwarded.trustedProxies[0]: found "10.0.0.0/33", expected at most /32',
      '2:44 forwarded.trustedProxies[1]: found "fd00::/129", expected at most /128',
      '2:58 forwarded.trustedProxies[2]: found "example.com", expected an address block, as 10.0.0.0/8, fd00::/8 or 192.168.1.7',
      '2:71 forwarded.trustedProxies[3]: found "1.2.3.4/8/9", expected an address block, as 10.0.0.0/8, fd00::/8 or 192.168.1.7',
      '2:84 forwarded.trustedProxies[4]: found "", expected an address block, as 10.0.0.0/8, fd00::/8 or 192.168.1.7',
      '2:94 forwarded.via: found number 1, expected true or false',
    ],
  },
  {
    title: 'capabilities that are not there',
    text: `listen: [{ port: 8080 }]
stores: {}`,
    errors: [
      '2:1 stores: unknown key, expected one of listen, workers, admin, limits, counting, timeouts, accessLog, forwarded, upstreams, consumers, plugins, routes',
    ],
  },
])
