/** Brings the archives of a build here: downloaded and verified, or verified where they lie. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename, join } from 'node:path'
import { download, type Wanted } from '../download/download'
import { HttpClient } from '../download/http'
import { LibtorchError } from '../errors'
import { openRegular } from '../files/open'
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

/** Archives that somebody brought along are read where they are. */
async function verifyFiles(sources: readonly Source[], { signal, onProgress }: Installation): Promise<void> {
  const files = sources.flatMap(({ from, sha256 }) => ('file' in from ? [{ file: from.file, sha256 }] : []))
  const sizes = await Promise.all(files.map(({ file }) => sizeOfFile(file)))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let done = 0
  for (const { file, sha256 } of files) {
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      signal.throwIfAborted()
      hash.update(chunk)
      done += chunk.length
      onProgress({ type: 'runtime', step: 'verify', done, total })
    }
    const found = hash.digest('hex')
    if (found !== sha256) throw otherHash(file, sha256, found)
  }
}

/** What can be said of files before they are read. @throws LibtorchError for one that is not there, or of another size. */
export async function checkFiles(sources: readonly Source[]): Promise<void> {
  for (const { from, size: expected } of sources) {
    if (!('file' in from)) continue
    const { file } = from
    const received = await sizeOfFile(file)
    if (expected === null || received === expected) continue
    const message = `Expected ${file} to have ${expected} bytes but it has ${received}: it is another archive, or damaged`
    throw new LibtorchError('RUNTIME_INVALID', message, { details: { file, expected, received } })
  }
}

async function sizeOfFile(file: string): Promise<number> {
  try {
    const handle = await openRegular(file)
    const { size } = await handle.stat()
    await handle.close()
    return size
  } catch (cause) {
    throw new LibtorchError(
      'RUNTIME_INVALID',
      `Expected an archive at ${file} but ${(cause as Error).message}`,
      {
        cause,
        details: { file },
      },
    )
  }
}

function otherHash(file: string, expected: string, received: string): LibtorchError {
  return new LibtorchError(
    'RUNTIME_INVALID',
    `Expected ${basename(file)} to have the sha256 ${expected} but found ${received}: it is another archive, or damaged. ` +
      "'wuerstchen runtime install --dry-run' prints the address of the right one. For another official archive pass its " +
      'own hash with --sha256.',
    { details: { file, expected, received } },
  )
}
