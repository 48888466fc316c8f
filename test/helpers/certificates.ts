// Certificates for tests, made by the openssl command: an authority, server or client certificates that it signs, and
// its lists of revoked ones.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from './scope.ts'

export interface Certificate {
  /** PEM file names. */
  readonly certificate: string
  readonly key: string
}

export interface Authority extends Certificate {
  readonly folder: string
  issue(name: string, options?: IssueOptions): Certificate
  /** A PEM file. `ended`: its time ended in 2001. */
  revoke(certificates: readonly Certificate[], options?: { readonly ended?: boolean }): string
}

export interface IssueOptions {
  /** Names and IP addresses; by default the name alone. */
  readonly names?: readonly string[]
  /** Alternative names as openssl writes them (`URI:urn:a`), in place of those made of `names`. */
  readonly alternatives?: readonly string[]
  /** As openssl writes it, from the first part to the last, in place of `/CN=name`. */
  readonly subject?: string
  /** Its time ended in 2001. */
  readonly expired?: boolean
  /** Its time ends so many seconds from now. Its subject is its common name alone. */
  readonly lastsSeconds?: number
  /** What openssl's `-newkey` takes, by default a key on P-256. */
  readonly newKey?: readonly string[]
}

/** What node:tls takes. */
export const pairOf = ({ certificate, key }: Certificate): { cert: Buffer; key: Buffer } => ({
  cert: readFileSync(certificate),
  key: readFileSync(key),
})

export function openssl(args: readonly string[], folder: string): string {
  const run = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
  if (run.error) throw new Error(`the openssl command is needed for this test: ${run.error.message}`)
  if (run.status !== 0) throw new Error(`openssl ${args.join(' ')}: ${run.stderr}`)
  return run.stdout
}

const p256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

/** A new authority in a folder of its own, removed with the test. */
export function makeAuthority(scope: Scope): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-certificates-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  const root = ['-x509', '-subj', '/CN=Polygate Test Authority', '-days', '30', '-keyout', 'ca.key', '-out', 'ca.pem']
  openssl(['req', '-newkey', ...p256, '-nodes', ...root], folder)
  let lists = 0
  return {
    folder,
    certificate: join(folder, 'ca.pem'),
    key: join(folder, 'ca.key'),
    issue: (name, options = {}) => {
      const { expired = false, lastsSeconds, newKey = p256, subject = `/CN=${name}` } = options
      const file = name.replace(/[^a-z0-9.-]/gi, '_') + (expired ? '-expired' : '')
      const files = ['-keyout', `${file}.key`, '-out', `${file}.csr`]
      openssl(['req', '-utf8', '-newkey', ...newKey, '-nodes', '-subj', subject, ...files], folder)
      const alternatives = alternativesOf(name, options)
      // With no extension at all it would be of version 1.
      const named = alternatives === '' ? '' : `subjectAltName=${alternatives}\n`
      writeFileSync(join(folder, `${file}.ext`), `basicConstraints=CA:FALSE\n${named}`)
      // `x509` knows no dates before today, and none but days: `ca` does, but needs an index of its own.
      if (expired) signFor(folder, file, '20000101000000Z', '20010101000000Z')
      else if (lastsSeconds !== undefined) signFor(folder, file, momentIn(-60), momentIn(lastsSeconds))
      else {
        const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', `${file}.ext`]
        openssl(['x509', '-req', '-in', `${file}.csr`, ...by, '-out', `${file}.pem`], folder)
      }
      return { certificate: join(folder, `${file}.pem`), key: join(folder, `${file}.key`) }
    },
    revoke: (certificates, { ended = false } = {}) => {
      const by = configureIndex(folder)
      for (const { certificate } of certificates) openssl(['ca', ...by, '-revoke', certificate], folder)
      const list = `revoked-${++lists}.crl`
      const times = ended
        ? ['-crl_lastupdate', '20000101000000Z', '-crl_nextupdate', '20010101000000Z']
        : ['-crldays', '30']
      openssl(['ca', ...by, '-gencrl', ...times, '-out', list], folder)
      return join(folder, list)
    },
  }
}

function alternativesOf(name: string, { names = [name], alternatives }: IssueOptions): string {
  const isAddress = (one: string): boolean => /^[\d.]+$|:/.test(one)
  return (alternatives ?? names.map(one => `${isAddress(one) ? 'IP' : 'DNS'}:${one}`)).join(',')
}

/** As openssl writes moments. */
const momentIn = (seconds: number): string =>
  `${new Date(Date.now() + seconds * 1000)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')}`

/** An empty index for `openssl ca`; its arguments. */
function configureIndex(folder: string): readonly string[] {
  writeFileSync(join(folder, 'index.txt'), '')
  writeFileSync(join(folder, 'serial'), '1000\n')
  writeFileSync(join(folder, 'crlnumber'), '01\n')
  const files = 'database=index.txt\nserial=serial\ncrlnumber=crlnumber\nnew_certs_dir=.'
  writeFileSync(
    join(folder, 'ca.cnf'),
    `[ca]\ndefault_ca=one\n[one]\n${files}\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n`,
  )
  return ['-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key']
}

function signFor(folder: string, file: string, start: string, end: string): void {
  const by = [...configureIndex(folder), '-extfile', `${file}.ext`]
  const dates = ['-startdate', start, '-enddate', end]
  openssl(['ca', '-batch', '-notext', ...by, ...dates, '-in', `${file}.csr`, '-out', `${file}.pem`], folder)
}
