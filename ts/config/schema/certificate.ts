// Client certificates: by what a consumer's is known, and the guard that asks whose one is.
import { alternativeName, fingerprint, subject } from '../certificate-names.ts'
import { list, object, text, word } from '../shapes.ts'

const certificate = object(
  'A client certificate by one thing that it says.',
  {
    subject: text('Its whole subject as of RFC 4514, the last part first. Compared exactly, with case.', {
      optional: true,
      check: subject,
      examples: ['CN=alice,O=Example,C=NL'],
    }),
    san: text('One of its alternative names: a host name, a URI or an e-mail address.', {
      optional: true,
      check: alternativeName,
      examples: ['spiffe://example.com/alice', 'alice.example.com'],
    }),
    sha256: text('The SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it.', {
      optional: true,
      check: fingerprint,
      examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
    }),
  },
  { oneOf: ['subject', 'san', 'sha256'], examples: [{ subject: 'CN=alice,O=Example,C=NL' }] },
)

export const certificates = list(
  'Client certificates; what one of them says must belong to one consumer alone.',
  certificate,
  { default: [], examples: [[{ san: 'spiffe://example.com/alice' }]] },
)

export const clientCertificate = object(
  'The client has connected with a certificate of a consumer. Needs a listener with tls.clientCa.',
  {
    headers: list(
      'What the upstream is told: X-Client-Cert-Subject, -San, -Sha256, -Serial, -Not-After. Never what a client sends so.',
      word('A part of the certificate.', ['subject', 'san', 'sha256', 'serial', 'notAfter'], { examples: ['subject'] }),
      { default: [], examples: [['subject', 'san']] },
    ),
  },
  { optional: true, examples: [{}, { headers: ['subject'] }] },
)
