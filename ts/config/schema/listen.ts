// Where the gateway listens, and with which certificates.
import { fileName, hostPattern, ipAddress, socketPath } from '../formats.ts'
import { either, list, object, text, whole, word } from '../shapes.ts'

const file = (about: string, example: string) => text(about, { check: fileName, examples: [example] })

const certificateFile = file('PEM file: the certificate, then its chain.', './tls/site.pem')
const keyFile = file('PEM file: the private key, not encrypted.', './tls/site.key')

const tls = object(
  'HTTPS. Files are relative to the configuration file, and are read again at each reload.',
  {
    certificate: certificateFile,
    key: keyFile,
    minVersion: word('Oldest TLS version that is spoken.', ['1.2', '1.3'], { default: '1.2', examples: ['1.2'] }),
    clientCa: text(
      'PEM file of authorities: a client needs a certificate of one of them. Without it none is asked for.',
      {
        optional: true,
        check: fileName,
        examples: ['./tls/clients-ca.pem'],
      },
    ),
    clientCertificate: word(
      'Whether a client must have a certificate to connect, or may have one: then guards tell who has. Needs clientCa.',
      ['required', 'optional'],
      { default: 'required', examples: ['required'] },
    ),
    clientCrl: text(
      'PEM file of revocation lists: one of each authority in the chain of a client, in force, or the client is refused.',
      {
        optional: true,
        check: fileName,
        examples: ['./tls/clients-revoked.pem'],
      },
    ),
    sni: list(
      'Further certificates, chosen by the server name that the client asks for.',
      object(
        'A certificate and the names that it answers for.',
        {
          hosts: list(
            'Server names.',
            text('A host name or *.name.', { check: hostPattern, examples: ['api.example.com'] }),
            { min: 1, examples: [['api.example.com', '*.example.org']] },
          ),
          certificate: certificateFile,
          key: keyFile,
        },
        { examples: [{ hosts: ['api.example.com'], certificate: './tls/api.pem', key: './tls/api.key' }] },
      ),
      { default: [], examples: [[{ hosts: ['api.example.com'], certificate: './tls/api.pem', key: './tls/api.key' }]] },
    ),
  },
  { optional: true, examples: [{ certificate: './tls/site.pem', key: './tls/site.key' }] },
)

export const tcp = object(
  'A TCP listener.',
  {
    address: text('IP address; 0.0.0.0 and :: are all of the machine.', {
      default: '0.0.0.0',
      check: ipAddress,
      examples: ['127.0.0.1', '::'],
    }),
    port: whole('TCP port; 0 lets the system choose.', { max: 65535, examples: [8080] }),
    tls,
  },
  { examples: [{ address: '127.0.0.1', port: 8080 }] },
)

const unix = object(
  'A unix socket. It is served by the first worker alone, and by its successor where that is lost.',
  { unix: text('Path of the socket.', { check: socketPath, examples: ['./polygate.sock'] }) },
  { examples: [{ unix: './polygate.sock' }] },
)

export const listen = list(
  'Where to listen. Each worker listens on all of them.',
  either(
    'A TCP listener or a unix socket.',
    'a mapping with port, or with unix',
    [
      { shape: unix, tell: { mapWith: 'unix' } },
      { shape: tcp, tell: 'map' },
    ],
    { examples: [{ address: '127.0.0.1', port: 8080 }] },
  ),
  { min: 1, examples: [[{ address: '127.0.0.1', port: 8080 }]] },
)
