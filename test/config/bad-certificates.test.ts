// Errors about client certificates: of consumers, of guards, and of listeners that ask for them.
import { badConfigurations } from './bad-configurations.ts'

const subjectForm = 'expected a subject as of RFC 4514, its last part first, as CN=alice,O=Example,C=NL'
const digest = 'ab'.repeat(32)

badConfigurations([
  {
    title: 'certificates that are none',
    text: `listen: [{ port: 8080 }]
consumers:
  alice:
    certificates:
      - { subject: /CN=alice }
      - { subject: "X=alice" }
      - { san: "*.example.com" }
      - { sha256: abc }
      - { subject: CN=a, san: a.example }
      - {}
      - CN=alice
      - { issuer: CN=ca }`,
    errors: [
      `5:20 consumers.alice.certificates[0].subject: found "/CN=alice", ${subjectForm}`,
      `6:20 consumers.alice.certificates[1].subject: found "X=alice", ${subjectForm}; a type that has no short name here is a dotted number, and its value #hexadecimal`,
      '7:16 consumers.alice.certificates[2].san: found "*.example.com", expected a host name, a URI or an e-mail address, without wildcards',
      '8:19 consumers.alice.certificates[3].sha256: found "abc", expected a SHA-256 of 64 hexadecimal digits, with or without colons between the bytes',
      '9:26 consumers.alice.certificates[4].san: found beside subject, expected exactly one of subject, san, sha256',
      '10:9 consumers.alice.certificates[5]: found none of subject, san, sha256, expected one of them',
      '11:9 consumers.alice.certificates[6]: found "CN=alice", expected a mapping with subject, san, sha256',
      '12:9 consumers.alice.certificates[7]: found none of subject, san, sha256, expected one of them',
      '12:11 consumers.alice.certificates[7].issuer: unknown key, expected one of subject, san, sha256',
    ],
  },
  {
    title: 'one certificate of two consumers, however it is written',
    text: `listen: [{ port: 8080 }]
consumers:
  alice: { certificates: [ { subject: "CN=a, O=b" }, { san: a.example }, { sha256: ${digest} }, { san: "urn:a" } ] }
  bob:
    certificates:
      - { subject: "cn=a,2.5.4.10=b" }
      - { san: A.Example }
      - { sha256: "${digest.toUpperCase().match(/../g)!.join(':')}" }
      - { san: "urn:A" }
      - { san: "urn:A" }`,
    errors: [
      '6:9 consumers.bob.certificates[0]: the same as one of consumer alice, expected one of its own',
      '7:9 consumers.bob.certificates[1]: the same as one of consumer alice, expected one of its own',
      '8:9 consumers.bob.certificates[2]: the same as one of consumer alice, expected one of its own',
      '10:9 consumers.bob.certificates[4]: the same as one of consumer bob, expected one of its own',
    ],
  },
  {
    title: 'guards that nobody could pass, or that ask twice, or for what there is not',
    text: `listen: [{ port: 8080 }]
consumers: { alice: { keys: [ alice-key-1 ] } }
routes:
  - name: a
    match: {}
    respond: {}
    guards:
      - clientCertificate: {}
      - clientCertificate: { headers: [ issuer ] }
      - clientCertificate: true
      - anyOf: [ { clientCertificate: {} }, { key: { header: a } } ]`,
    errors: [
      '8:9 routes[0].guards[0].clientCertificate: nobody could pass: no listener asks for client certificates (tls.clientCa)',
      '8:9 routes[0].guards[0].clientCertificate: nobody could pass: no consumer has a certificate',
      '9:9 routes[0].guards[1].clientCertificate: nobody could pass: no listener asks for client certificates (tls.clientCa)',
      '9:9 routes[0].guards[1].clientCertificate: nobody could pass: no consumer has a certificate',
      '9:9 routes[0].guards[1].clientCertificate: found a second clientCertificate guard, expected one: a client has one certificate',
      '9:41 routes[0].guards[1].clientCertificate.headers[0]: found "issuer", expected one of subject, san, sha256, serial, notAfter',
      '10:9 routes[0].guards[2].clientCertificate: nobody could pass: no listener asks for client certificates (tls.clientCa)',
      '10:9 routes[0].guards[2].clientCertificate: nobody could pass: no consumer has a certificate',
      '10:9 routes[0].guards[2].clientCertificate: found a second clientCertificate guard, expected one: a client has one certificate',
      '10:28 routes[0].guards[2].clientCertificate: found boolean true, expected a mapping with headers',
      '11:18 routes[0].guards[3].anyOf[0].clientCertificate: nobody could pass: no listener asks for client certificates (tls.clientCa)',
      '11:18 routes[0].guards[3].anyOf[0].clientCertificate: nobody could pass: no consumer has a certificate',
      '11:18 routes[0].guards[3].anyOf[0].clientCertificate: found a second clientCertificate guard, expected one: a client has one certificate',
    ],
  },
  {
    title: 'options of client certificates without authorities',
    text: `listen:
  - { port: 8443, tls: { certificate: a.pem, key: a.key, clientCertificate: optional, clientCrl: b.crl } }
  - { port: 8444, tls: { certificate: a.pem, key: a.key, clientCa: a.pem, clientCertificate: wanted } }`,
    errors: [
      '2:39 listen[0].tls.certificate: file "a.pem": no such file',
      '2:51 listen[0].tls.key: file "a.key": no such file',
      '2:77 listen[0].tls.clientCertificate: found "optional", expected clientCa beside it',
      '2:98 listen[0].tls.clientCrl: found "b.crl", expected clientCa beside it',
      '2:98 listen[0].tls.clientCrl: file "b.crl": no such file',
      '3:39 listen[1].tls.certificate: file "a.pem": no such file',
      '3:51 listen[1].tls.key: file "a.key": no such file',
      '3:68 listen[1].tls.clientCa: file "a.pem": no such file',
      '3:94 listen[1].tls.clientCertificate: found "wanted", expected one of required, optional',
    ],
  },
  {
    title: 'an edit of a header that the guard writes',
    text: `listen: [{ port: 8080 }]
consumers: { alice: { certificates: [ { san: a.example } ] } }
routes:
  - name: a
    match: {}
    upstream: up
    requestHeaders: { set: { X-Client-Cert-Subject: a, x-client-cert-san: b }, append: { x_client_cert_subject: c } }
    guards: [ { clientCertificate: { headers: [ subject ] } } ]
upstreams: { up: { peers: [ { url: "http://a" } ] } }`,
    errors: [
      '7:30 routes[0].requestHeaders.set.X-Client-Cert-Subject: found X-Client-Cert-Subject, which the clientCertificate guard writes, expected another header',
      '7:90 routes[0].requestHeaders.append.x_client_cert_subject: found x_client_cert_subject, which the clientCertificate guard writes, expected another header',
      '8:15 routes[0].guards[0].clientCertificate: nobody could pass: no listener asks for client certificates (tls.clientCa)',
    ],
  },
])
