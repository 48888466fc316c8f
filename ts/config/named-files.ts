// Reads the files that a configuration names (certificates, keys, authorities, key sets) and checks them: they exist, parse, fit
// together and are in force. Called by load; works on the written tree, so that one pass shows these errors too. Must
// not print what a file holds.
import { createHash, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { native } from '../shared/native.ts'
import { readFailure } from './files.ts'
import { socketPath } from './formats.ts'
import { child, describe, entriesOf, itemsOf, textOf, type Node } from './nodes.ts'
import { trailOf, under, type Problems, type Trail } from './problems.ts'
import { placedChecks } from './rules/placed-checks.ts'
import { readableByAll } from './secret-files.ts'

export interface NamedFile {
  /** SHA-256 of the content, hex. */
  readonly hash: string
  /** A character a byte. */
  readonly text: string
}

/** By absolute name. */
export type NamedFiles = ReadonlyMap<string, NamedFile>

type Keys = readonly (string | number)[]

/** `folder` is what relative names start from. */
export function loadNamedFiles(root: Node, folder: string, problems: Problems): NamedFiles {
  const reader = new FileReader(folder, problems)
  for (const [index, listener] of itemsOf(child(root, 'listen')).entries()) {
    const tls = child(listener, 'tls')
    const keys: Keys = ['listen', index, 'tls']
    reader.pair(tls, keys)
    reader.authorities(child(tls, 'clientCa'), trailOf(...keys, 'clientCa'))
    reader.revocationLists(child(tls, 'clientCrl'), trailOf(...keys, 'clientCrl'))
    for (const [at, entry] of itemsOf(child(tls, 'sni')).entries()) reader.pair(entry, [...keys, 'sni', at])
    reader.socket(child(listener, 'unix'), trailOf('listen', index, 'unix'))
  }
  for (const [name, { node: upstream }] of entriesOf(child(root, 'upstreams'))) {
    reader.peerTls(child(upstream, 'tls'), ['upstreams', name, 'tls'])
    for (const [index, peer] of itemsOf(child(upstream, 'peers')).entries()) {
      reader.peerTls(child(peer, 'tls'), ['upstreams', name, 'peers', index, 'tls'])
    }
    for (const file of ['secretFile', 'privateKeyFile']) {
      reader.whole(child(child(upstream, 'sign'), file), trailOf('upstreams', name, 'sign', file))
    }
  }
  for (const [name, { node: consumer }] of entriesOf(child(root, 'consumers'))) {
    for (const [index, key] of itemsOf(child(consumer, 'signing')).entries()) {
      const trail = trailOf('consumers', name, 'signing', index)
      reader.secret(child(key, 'secretFile'), under(trail, 'secretFile'))
      reader.whole(child(key, 'publicKeyFile'), under(trail, 'publicKeyFile'))
    }
  }
  for (const [index, route] of itemsOf(child(root, 'routes')).entries()) {
    for (const { kind, node, trail } of placedChecks(route, index)) {
      if (kind !== 'jwt') continue
      reader.whole(child(node, 'jwksFile'), under(trail, 'jwksFile'))
      for (const [at, key] of itemsOf(child(node, 'keys')).entries()) {
        const place = under(under(trail, 'keys'), at)
        reader.secret(child(key, 'secretFile'), under(place, 'secretFile'))
        reader.whole(child(key, 'publicKeyFile'), under(place, 'publicKeyFile'))
      }
    }
  }
  const target = child(child(root, 'accessLog'), 'target')
  if (!['stdout', 'stderr'].includes(textOf(target) ?? '')) reader.folderOf(target, trailOf('accessLog', 'target'))
  return reader.files
}

class FileReader {
  readonly files = new Map<string, NamedFile>()
  readonly #folder: string
  readonly #problems: Problems

  constructor(folder: string, problems: Problems) {
    this.#folder = folder
    this.#problems = problems
  }

  /** Certificate and key of one owner. */
  pair(owner: Node | undefined, keys: Keys): void {
    const certificateNode = child(owner, 'certificate')
    const keyNode = child(owner, 'key')
    const certificate = this.#certificates(certificateNode, trailOf(...keys, 'certificate'))?.[0]
    const key = this.#key(keyNode, trailOf(...keys, 'key'))
    if (certificate && certificateNode) this.#inForce(certificate, certificateNode, trailOf(...keys, 'certificate'))
    if (!certificate || !key || !keyNode || certificate.checkPrivateKey(key)) return
    this.#wrong(keyNode, trailOf(...keys, 'key'), 'is not the key of the certificate beside it')
  }

  peerTls(tls: Node | undefined, keys: Keys): void {
    this.authorities(child(tls, 'ca'), trailOf(...keys, 'ca'))
    this.pair(tls, keys)
  }

  authorities(node: Node | undefined, trail: Trail | null): void {
    this.#certificates(node, trail)
  }

  /** Node reads none: the addon does, as TLS will. */
  revocationLists(node: Node | undefined, trail: Trail | null): void {
    const pem = this.#read(node, trail)
    if (!node || pem === null) return
    try {
      const untilMs = native().revocationListsUntil(pem)
      if (untilMs === null || untilMs >= Date.now()) return
      this.#wrong(node, trail, `holds a revocation list that ended on ${new Date(untilMs).toISOString()}`)
    } catch (error) {
      this.#wrong(node, trail, (error as Error).message)
    }
  }

  /** The schema has looked at the name as written; the system counts the absolute one. */
  socket(node: Node | undefined, trail: Trail | null): void {
    const name = textOf(node)
    if (!node || !name || socketPath(name) !== null) return
    if (socketPath(resolve(this.#folder, name)) === null) this.folderOf(node, trail)
    else this.#wrong(node, trail, 'is longer than 107 bytes with its folder, which is all that a socket may have')
  }

  /** What is in it, rules say. */
  whole(node: Node | undefined, trail: Trail | null): void {
    this.#read(node, trail)
  }

  /** The same, with a warning where everybody may read it. */
  secret(node: Node | undefined, trail: Trail | null): void {
    if (!node || this.#read(node, trail) === null) return
    const status = statSync(resolve(this.#folder, textOf(node)!), { throwIfNoEntry: false })
    const warning = readableByAll(`file ${describe(node)}`, status?.mode ?? 0)
    if (warning !== null) this.#problems.warn(node.offset, trail, warning)
  }

  /** A file that the gateway makes itself needs a folder. */
  folderOf(node: Node | undefined, trail: Trail | null): void {
    const name = textOf(node)
    if (!node || !name || name.includes('\0')) return
    const file = resolve(this.#folder, name)
    if (!isFolder(dirname(file))) this.#wrong(node, trail, 'lies in a folder that does not exist')
    else if (isFolder(file)) this.#wrong(node, trail, 'is a folder, expected a file')
  }

  #read(node: Node | undefined, trail: Trail | null): string | null {
    const name = textOf(node)
    if (!node || !name || name.includes('\0')) return null
    const file = resolve(this.#folder, name)
    try {
      const content = readFileSync(file)
      const text = content.toString('latin1')
      this.files.set(file, { hash: createHash('sha256').update(content).digest('hex'), text })
      return text
    } catch (error) {
      this.#wrong(node, trail, readFailure(error))
      return null
    }
  }

  #certificates(node: Node | undefined, trail: Trail | null): readonly X509Certificate[] | null {
    const pem = this.#read(node, trail)
    if (!node || pem === null) return null
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
    if (blocks.length === 0) {
      this.#wrong(node, trail, 'holds no certificate, expected PEM (-----BEGIN CERTIFICATE-----)')
      return null
    }
    const certificates: X509Certificate[] = []
    for (const [index, block] of blocks.entries()) {
      try {
        certificates.push(new X509Certificate(block))
      } catch {
        this.#wrong(node, trail, `holds a certificate that does not parse: the ${index + 1}. of ${blocks.length}`)
        return null
      }
    }
    return certificates
  }

  #key(node: Node | undefined, trail: Trail | null): KeyObject | null {
    const pem = this.#read(node, trail)
    if (!node || pem === null) return null
    try {
      const key = createPrivateKey(pem)
      const kind = keyKind(key)
      const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
      if (supportedKinds.has(kind) || (key.asymmetricKeyType === 'rsa' && bits >= 2048 && bits <= 4096)) return key
      this.#wrong(node, trail, `holds a key of ${kind}, expected RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519`)
      return null
    } catch (error) {
      const encrypted = (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE' || pem.includes('ENCRYPTED')
      const reason = encrypted
        ? 'holds an encrypted key, expected one without passphrase'
        : 'holds no private key that parses, expected PEM'
      this.#wrong(node, trail, reason)
      return null
    }
  }

  #inForce(certificate: X509Certificate, node: Node, trail: Trail | null): void {
    const now = Date.now()
    const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)]
    if (to.getTime() < now) this.#wrong(node, trail, `expired on ${to.toISOString()}`)
    else if (from.getTime() > now) this.#wrong(node, trail, `is not valid before ${from.toISOString()}`)
  }

  #wrong(node: Node, trail: Trail | null, message: string): void {
    this.#problems.add(node.offset, trail, `file ${describe(node)}: ${message}`)
  }
}

/** What native/downstream and native/upstream (rustls with ring) can sign with, beside RSA of 2048 to 4096 bits. */
const supportedKinds = new Set(['prime256v1', 'secp384r1', 'ed25519'])

/** `RSA of 1024 bits`, `secp521r1`, `dsa`. */
function keyKind({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string {
  if (type === 'rsa') return `RSA of ${details?.modulusLength} bits`
  return (type === 'ec' ? details?.namedCurve : type) ?? 'an unknown kind'
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false
}
