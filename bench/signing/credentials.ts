// Keys and secrets of a gateway with many clients, for the addon's verifiers. Made up here, the same in every run; called
// by the cases of the suite `signing` and by the suite `guards`.
import { createHash } from 'node:crypto'
import type { SignatureCredential, SignatureVerifierOptions } from '../../ts/shared/native-signing.ts'

export interface Client {
  readonly key: string
  readonly secret: string
}

/** A key of 32 characters and a secret of 10, as Hotelbeds gives them: with the second it is one block of SHA-256. */
export function makeClients(count: number): Client[] {
  return Array.from({ length: count }, (_, at) => {
    const text = createHash('sha256').update(`client ${at}`).digest('hex')
    return { key: text.slice(0, 32), secret: text.slice(32, 42) }
  })
}

export function credentialOf(keyId: string, secret: string | Buffer, algorithm = ''): SignatureCredential {
  const isPublic = algorithm === 'ed25519'
  return {
    owner: keyId,
    keyId,
    key: Buffer.from(secret),
    public: isPublic,
    algorithm,
    notBeforeSeconds: 0,
    notAfterSeconds: Infinity,
  }
}

export const verifierOptions = (
  scheme: string,
  credentials: readonly SignatureCredential[],
  more: Partial<SignatureVerifierOptions> = {},
): SignatureVerifierOptions => ({
  scheme,
  skewSeconds: 300,
  keyHeader: scheme.startsWith('mashery') ? 'api-key' : '',
  header: scheme.startsWith('mashery') ? 'x-signature' : '',
  keyParameter: '',
  parameter: '',
  dialect: scheme === 'cavage' ? 'draft-10' : '',
  required: [],
  unsignedBody: false,
  tag: '',
  region: scheme === 'sigv4' ? 'us-east-1' : '',
  service: scheme === 'sigv4' ? 'execute-api' : '',
  asSent: false,
  presigned: false,
  credentials,
  ...more,
})
