/** Where a build's archives are taken from: the official place, a mirror, or files that somebody brought along. */

import { statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Headers } from '../download/http'
import { expected } from '../errors'
import type { Archive } from './builds'

/** An archive and the one place that it is taken from. */
export interface Source {
  readonly name: string
  readonly size: number | null
  readonly sha256: string
  readonly from: { readonly file: string } | { readonly url: URL; readonly secrets: Headers }
}

export interface SourceOptions {
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
  if (from === undefined)
    return mirror ? addressOf('WUERSTCHEN_LIBTORCH_MIRROR', mirror, name) : remote(new URL(url))
  if (/^https?:/i.test(from)) {
    if (!from.endsWith('/')) refuseSeveral(from, count)
    return from.endsWith('/') ? addressOf('from', from, name) : remote(urlOf('from', from))
  }
  const path = /^file:/i.test(from) ? fileURLToPath(from) : resolve(from)
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  if (isFolder) return { file: join(path, name) }
  refuseSeveral(from, count)
  return { file: path }
}

function refuseSeveral(from: string, count: number): void {
  if (count === 1) return
  const what = `a folder, or an address that ends with /, with all ${count} archives of this runtime (--dry-run lists them)`
  throw expected('from', what, from)
}

function addressOf(name: string, folder: string, file: string): Source['from'] {
  const base = urlOf(name, folder.endsWith('/') ? folder : `${folder}/`)
  return remote(new URL(encodeURIComponent(file), base))
}

function urlOf(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw expected(name, 'an http(s) address', text)
  return url
}

/** A name and a password in an address become a header, so that no message shows them. */
function remote(address: URL): Source['from'] {
  const url = new URL(address)
  const { username, password } = url
  url.username = ''
  url.password = ''
  if (username === '' && password === '') return { url, secrets: {} }
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { url, secrets: { authorization: `Basic ${Buffer.from(login).toString('base64')}` } }
}

function nameOf(url: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : url
  return basename(decodeURIComponent(path))
}
