/** Brings the archives of a build here: downloaded and verified, or verified where they lie. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename, join } from 'node:path'
import { download, type Wanted } from '../download/download'
import { HttpClient } from '../download/http'
import { LibtorchError } from '../errors'
import { openRegular } from '../files/open'
import { shownPath } from '../files/shown-path'
import { notRead, reading } from './archive'
import type { Installation } from './job'
import { DOWNLOADS } from './runtimes'
import type { Source } from './source'

const SILENCE_MS = 30_000

/** Paths of the archives, in their order. Each has the hash that it should have. */
export async function bring(sources: readonly Source[], job: Installation): Promise<readonly string[]> {
  await verifyFiles(sources, job)
  const downloaded = await downloadAll(
    sources.filter(({ from }) => 'url' in from),
    job,
  )
  return sources.map((source) => ('file' in source.from ? source.from.file : (downloaded.get(source) ?? '')))
}

async function downloadAll(sources: readonly Source[], job: Installation): Promise<Map<Source, string>> {
  if (sources.length === 0) return new Map()
  const { folder, onProgress, silenceMs = SILENCE_MS } = job
  const stop = new AbortController()
  const abort = () => stop.abort(job.signal.reason)
  job.signal.throwIfAborted()
  job.signal.addEventListener('abort', abort)
  const client = new HttpClient(silenceMs, stop.signal)
  try {
    const wanted = new Map<Source, Wanted>()
    for (const source of sources) wanted.set(source, await wantedOf(source, folder, client))
    const secrets = new Map(
      sources.map(({ from }) => ('url' in from ? [from.url.href, from.secrets] : ['', {}])),
    )
    await download([...wanted.values()], {
      folder: join(folder, DOWNLOADS),
      open: (url, headers) => client.open(url, headers, secrets.get(url.href)),
      persist: (attempt, progress) => client.persist(attempt, progress),
      onProgress: ({ receivedTotal, total }) =>
        onProgress({ type: 'runtime', step: 'download', done: receivedTotal, total }),
      abort: () => stop.abort(),
      freeBytes: job.freeBytes,
    })
    return new Map([...wanted].map(([source, { target }]) => [source, target]))
  } finally {
    job.signal.removeEventListener('abort', abort)
    stop.abort()
    await client.close()
  }
}

/** A finished download's name says its hash, so that one of another version is never taken for it. */
async function wantedOf(
  { name, size, sha256, from }: Source,
  folder: string,
  client: HttpClient,
): Promise<Wanted> {
  const { url, secrets } = from as Extract<Source['from'], { url: URL }>
  const target = join(folder, DOWNLOADS, `${sha256.slice(0, 16)}-${name}`)
  return { url, name, size: size ?? (await client.sizeOf(url, secrets)), hash: sha256, target }
}

/** Where archives lie here, and what they must be. */
type FileOf = Pick<Source, 'size' | 'sha256'> & { readonly file: string }

/**
 * Archives that somebody brought along are read where they are; a dry run reads them, too. Sizes come first: they cost nothing.
 * @returns all sources, with the sizes that files have.
 * @throws WuerstchenError for one that cannot be read; LibtorchError for one that is another.
 */
export async function verifyFiles(
  sources: readonly Source[],
  { signal, onProgress }: Installation,
): Promise<readonly Source[]> {
  const files = sources.flatMap(({ from, size, sha256 }) =>
    'file' in from ? [{ file: from.file, size, sha256 }] : [],
  )
  const sizes = await Promise.all(files.map(sizeOfFile))
  const sizeOf = new Map(files.map(({ file }, index) => [file, sizes[index] ?? null]))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let done = 0
  for (const one of files) {
    const hash = createHash('sha256')
    for await (const chunk of reading(one.file, createReadStream(one.file, { highWaterMark: 1 << 20 }))) {
      signal.throwIfAborted()
      hash.update(chunk)
      done += chunk.length
      onProgress({ type: 'runtime', step: 'verify', done, total })
    }
    const found = hash.digest('hex')
    if (found !== one.sha256) throw another(one.file, `the sha256 ${one.sha256}`, one.sha256, found)
  }
  return sources.map((source) =>
    'file' in source.from ? { ...source, size: sizeOf.get(source.from.file) ?? null } : source,
  )
}

async function sizeOfFile({ file, size: expected }: FileOf): Promise<number> {
  const received = await bytesOf(file)
  if (expected !== null && received !== expected) throw another(file, `${expected} bytes`, expected, received)
  return received
}

async function bytesOf(file: string): Promise<number> {
  try {
    const handle = await openRegular(file)
    const { size } = await handle.stat()
    await handle.close()
    return size
  } catch (error) {
    throw notRead(file, error)
  }
}

function another<T>(file: string, what: string, expected: T, received: T): LibtorchError {
  return new LibtorchError(
    'RUNTIME_INVALID',
    `Expected ${shownPath(basename(file))} to have ${what} but found ${received}: it is another archive, or damaged. ` +
      "'npx wuerstchen runtime install --dry-run' prints the address of the right one. For another official archive pass its " +
      'own hash with --sha256.',
    { details: { file, expected, received } },
  )
}
