// Certificates for tests, made by the openssl command: an authority, and server or client certificates that it signs.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
}

export interface IssueOptions {
  /** Names and IP addresses; by default the name alone. */
  readonly names?: readonly string[]
  /** Its time ended in 2001. */
  readonly expired?: boolean
  /** What openssl's `-newkey` takes, by default a key on P-256. */
  readonly newKey?: readonly string[]
}

function openssl(args: readonly string[], folder: string): void {
  const run = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
  if (run.error) throw new Error(`the openssl command is needed for this test: ${run.error.message}`)
  if (run.status !== 0) throw new Error(`openssl ${args.join(' ')}: ${run.stderr}`)
}

const p256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

/** A new authority in a folder of its own, removed with the test. */
export function makeAuthority(scope: Scope): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-certificates-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  const root = ['-x509', '-subj', '/CN=Polygate Test Authority', '-days', '30', '-keyout', 'ca.key', '-out', 'ca.pem']
  openssl(['req', '-newkey', ...p256, '-nodes', ...root], folder)
  return {
    folder,
    certificate: join(folder, 'ca.pem'),
    key: join(folder, 'ca.key'),
    issue: (name, { names = [name], expired = false, newKey = p256 } = {}) => {
      const file = name.replace(/[^a-z0-9.-]/gi, '_') + (expired ? '-expired' : '')
      const isAddress = (one: string): boolean => /^[\d.]+$|:/.test(one)
      const alternatives = names.map(one => `${isAddress(one) ? 'IP' : 'DNS'}:${one}`).join(',')
      const files = ['-keyout', `${file}.key`, '-out', `${file}.csr`]
      openssl(['req', '-newkey', ...newKey, '-nodes', '-subj', `/CN=${name}`, ...files], folder)
      writeFileSync(join(folder, `${file}.ext`), `subjectAltName=${alternatives}\n`)
      // `x509` knows no dates before today: `ca` does, but needs an index of its own.
      if (expired) signExpired(folder, file)
      else {
        const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', `${file}.ext`]
        openssl(['x509', '-req', '-in', `${file}.csr`, ...by, '-out', `${file}.pem`], folder)
      }
      return { certificate: join(folder, `${file}.pem`), key: join(folder, `${file}.key`) }
    },
  }
}

function signExpired(folder: string, file: string): void {
  writeFileSync(join(folder, 'index.txt'), '')
  writeFileSync(join(folder, 'serial'), '1000\n')
  writeFileSync(
    join(folder, 'ca.cnf'),
    `[ca]\ndefault_ca=one\n[one]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n`,
  )
  const dates = ['-startdate', '20000101000000Z', '-enddate', '20010101000000Z']
  const by = ['-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key', '-extfile', `${file}.ext`]
  openssl(['ca', '-batch', '-notext', ...by, ...dates, '-in', `${file}.csr`, '-out', `${file}.pem`], folder)
}
