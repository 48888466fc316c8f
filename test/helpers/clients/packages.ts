// The clients of others in test/clients, each with the few functions that tests call: their types are not installed
// where only types are checked. Nothing here signs by itself. Called by test/flow/independent-clients.test.ts.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = join(import.meta.dirname, '..', '..', 'clients')
const python = join(folder, 'node_modules', '.python', 'bin', 'python')

/** What the packages' own documents call a request. */
export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

type SignMessage = (config: object, message: Asked) => Promise<{ headers: Record<string, string> }>

interface HttpMessageSignatures {
  createSigner(key: string | Buffer, algorithm: string, id: string): object
  readonly httpbis: { readonly signMessage: SignMessage }
  readonly cavage: { readonly signMessage: SignMessage }
}

interface HttpSignature {
  sign(request: object, options: object): boolean
}

interface Aws4 {
  sign(
    request: object,
    credentials: object,
  ): { readonly path: string; readonly headers: Readonly<Record<string, string | number>> }
}

interface AwsV4Signer {
  sign(): Promise<{ url: URL; headers: Headers }>
}

export interface SmithyRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port: number
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

interface Smithy {
  sign(request: SmithyRequest): Promise<SmithyRequest>
  presign(request: SmithyRequest, options: { expiresIn: number }): Promise<SmithyRequest>
}

interface StandardWebhook {
  sign(id: string, at: Date, body: string): string
}

interface Twilio {
  getExpectedTwilioSignature(token: string, url: string, fields: Readonly<Record<string, string | string[]>>): string
  getExpectedBodyHash(body: string): string
  validateRequest(token: string, signature: string, url: string, fields: Readonly<Record<string, unknown>>): boolean
}

interface ShopifyValidator {
  generateLocalHmac(
    config: object,
  ): (query: Readonly<Record<string, string | string[]>>, signator: string) => Promise<string>
  validateHmacString(config: object, body: string, signature: string, format: 'base64'): Promise<boolean>
}

export interface Packages {
  readonly messages: HttpMessageSignatures
  readonly joyent: HttpSignature
  readonly aws4: Aws4
  readonly AwsV4Signer: new (options: object) => AwsV4Signer
  readonly SignatureV4: new (options: object) => Smithy
  readonly stripe: { readonly webhooks: { generateTestHeaderString(options: object): string } }
  readonly Svix: new (secret: string) => StandardWebhook
  readonly StandardWebhook: new (secret: string) => StandardWebhook
  readonly octokit: { sign(secret: string, body: string): Promise<string> }
  readonly twilio: Twilio
  readonly shopify: ShopifyValidator
  readonly isValidSlackRequest: (options: object) => boolean
}

export async function loadPackages(): Promise<Packages> {
  if (!existsSync(join(folder, 'node_modules')) || !existsSync(python)) {
    throw new Error('the clients are not installed: POLYGATE_TEST_STEPS=clients .config/test.sh')
  }
  const load = createRequire(join(folder, 'package.json'))
  const file = (path: string): string => join(folder, 'node_modules', ...path.split('/'))
  const named = <T>(name: string): T => load(name) as T
  // Shopify's package keeps for itself what its own verifier computes.
  load('@shopify/shopify-api/adapters/node')
  return {
    messages: named('http-message-signatures'),
    joyent: named('http-signature'),
    aws4: named('aws4'),
    AwsV4Signer: named<Pick<Packages, 'AwsV4Signer'>>('aws4fetch').AwsV4Signer,
    SignatureV4: named<Pick<Packages, 'SignatureV4'>>('@smithy/signature-v4').SignatureV4,
    stripe: named('stripe'),
    Svix: named<{ Webhook: Packages['Svix'] }>('svix').Webhook,
    StandardWebhook: named<{ Webhook: Packages['StandardWebhook'] }>('standardwebhooks').Webhook,
    octokit: (await import(
      pathToFileURL(file('@octokit/webhooks-methods/dist-node/index.js')).href
    )) as Packages['octokit'],
    twilio: named(file('twilio/lib/webhooks/webhooks.js')),
    shopify: named(file('@shopify/shopify-api/dist/cjs/lib/utils/hmac-validator.js')),
    isValidSlackRequest: named<Pick<Packages, 'isValidSlackRequest'>>(
      file('@slack/bolt/dist/receivers/verify-request.js'),
    ).isValidSlackRequest,
  }
}

/** What sign.py reads. */
export interface PythonAsked extends Asked {
  readonly client: 'http-message-signatures' | 'requests-http-signature' | 'botocore'
  readonly body: string | null
  readonly keyId: string
  readonly key: string
  readonly [option: string]: unknown
}

/** All at once: starting Python and its packages takes most of the time. */
export async function signWithPython(asked: readonly PythonAsked[]): Promise<Asked[]> {
  const child = spawn(python, [join(folder, 'sign.py')], { stdio: ['pipe', 'pipe', 'pipe'] })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (part: string) => (output += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => (errors += part))
  child.stdin.end(JSON.stringify(asked))
  const code = await new Promise(resolve => child.once('close', resolve))
  if (code !== 0) throw new Error(`sign.py: ${errors}`)
  const signed = JSON.parse(output) as { url: string; headers: Record<string, string> }[]
  return signed.map(({ url, headers }, n) => ({ method: asked[n]!.method, url, headers }))
}
