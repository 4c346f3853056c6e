/** Where a build's archives are taken from: the official place, a mirror, or files that somebody brought along. */

import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Headers } from '../download/http'
import { expected, LibtorchError } from '../errors'
import { absolute } from '../files/absolute'
import { statsIfAny } from '../files/probe'
import type { Archive, Build } from './builds'
import { runtimeInstall } from './commands'

/** An archive and the one place that it is taken from. */
export interface Source {
  readonly name: string
  readonly size: number | null
  readonly sha256: string
  /** `nowhere`: it lies on Python's package index, whose files have no address of their own here. */
  readonly from:
    | { readonly file: string }
    | { readonly url: URL; readonly secrets: Headers }
    | { readonly nowhere: true }
}

interface SourceOptions {
  /** A file, a folder or an address; one that ends with a slash has all archives under their names. */
  readonly from?: string | undefined
  /** WUERSTCHEN_LIBTORCH_MIRROR: an address that has all archives under their names. */
  readonly mirror?: string | undefined
}

export function sourcesOf(archives: readonly Archive[], { from, mirror }: SourceOptions): readonly Source[] {
  return archives.map((archive) => {
    const name = nameOf(archive.url)
    const { size, sha256 } = archive
    return { name, size, sha256, from: placeOf(archive, name, archives.length, { from, mirror }) }
  })
}

function placeOf(
  { url }: Archive,
  name: string,
  count: number,
  { from, mirror }: SourceOptions,
): Source['from'] {
  if (from === undefined) {
    if (mirror) return addressOf('WUERSTCHEN_LIBTORCH_MIRROR', mirror, name)
    return URL.canParse(url) ? remote('url', new URL(url)) : { nowhere: true }
  }
  if (/^https?:/i.test(from)) {
    if (!from.endsWith('/')) refuseSeveral(from, count)
    return from.endsWith('/') ? addressOf('from', from, name) : remote('from', urlOf('from', from))
  }
  if (/^(?!file:)[a-z][a-z\d+.-]+:\/\//i.test(from))
    throw expected('from', 'a file, a folder or an http(s) address', from)
  const path = /^file:/i.test(from) ? pathOf(from) : absolute(from)
  const isFolder = statsIfAny(path)?.isDirectory() ?? false
  if (isFolder) return { file: join(path, name) }
  refuseSeveral(from, count)
  return { file: path }
}

/** Says how to bring archives along that have no address here. */
export function refuseNowhere(sources: readonly Source[], build: Build): void {
  const { flavour } = build
  const names = sources.filter(({ from }) => 'nowhere' in from).map(({ name }) => name)
  if (names.length === 0) return
  throw new LibtorchError(
    'RUNTIME_UNAVAILABLE',
    `Expected a place to download ${names.length} archives of ${flavour} from, which are on Python's package index, but ` +
      `received none: run '${runtimeInstall(build)}'; or name an address that has them with WUERSTCHEN_LIBTORCH_MIRROR`,
    { details: { flavour, archives: names } },
  )
}

function refuseSeveral(from: string, count: number): void {
  if (count === 1) return
  const what = `a folder, or an address that ends with /, with all ${count} archives of this runtime (--dry-run lists them)`
  throw expected('from', what, from)
}

function addressOf(name: string, folder: string, file: string): Source['from'] {
  const base = urlOf(name, folder.endsWith('/') ? folder : `${folder}/`)
  return remote(name, new URL(encodeURIComponent(file), base))
}

function urlOf(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw expected(name, 'an http(s) address', text)
  return url
}

/** Of a `file:` address. */
function pathOf(from: string): string {
  try {
    return fileURLToPath(from)
  } catch {
    throw expected('from', 'the address of a file on this machine', from)
  }
}

/** A name and a password in an address become a header, so that no message shows them. */
function remote(name: string, address: URL): Source['from'] {
  const url = new URL(address)
  const { username, password } = url
  url.username = ''
  url.password = ''
  if (username === '' && password === '') return { url, secrets: {} }
  const [user, secret] = [username, password].map(decoded)
  if (user == null || secret == null)
    throw expected(name, 'an address whose name and password have no % but of a %25', url.href)
  const login = `${user}:${secret}`
  return { url, secrets: { authorization: `Basic ${Buffer.from(login).toString('base64')}` } }
}

function nameOf(url: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : url
  return basename(decoded(path) ?? path)
}

/** Null where a % is no part of an escape. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
