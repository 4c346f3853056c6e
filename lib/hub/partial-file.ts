/** A file on its way: written in parts, remembered across processes, verified before anybody sees it. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HubError } from '../errors'
import { writeAtomically } from './cache'
import type { RemoteFile } from './files'
import { noSpace } from './hub-error'

/** What one request asks for. After a cut only the parts that were under way are fetched again. */
export const PART_BYTES = 16 * 1024 * 1024

export class PartialFile {
  private constructor(
    readonly file: RemoteFile,
    private readonly blob: string,
    private readonly handle: FileHandle,
    private readonly done: Set<number>,
  ) {}

  /** Goes on where an earlier process stopped. Its name is ours alone: Python's partial files grow from the front. */
  static async open(file: RemoteFile, blob: string): Promise<PartialFile> {
    await mkdir(dirname(blob), { recursive: true })
    const done = await readDone(file, blob)
    const handle = await open(partialOf(blob), done.size > 0 ? 'r+' : 'w')
    const partial = new PartialFile(file, blob, handle, done)
    // Sparse: the size alone takes no space.
    await partial.guarded(() => handle.truncate(file.size))
    return partial
  }

  /** First byte and the one after the last of every part that is missing. */
  missing(): readonly (readonly [number, number])[] {
    const count = Math.max(1, Math.ceil(this.file.size / PART_BYTES))
    return Array.from({ length: count }, (_, index) => index)
      .filter((index) => !this.done.has(index))
      .map((index) => [index * PART_BYTES, Math.min(this.file.size, (index + 1) * PART_BYTES)])
  }

  /** Bytes that need not be fetched. */
  get received(): number {
    return this.file.size - this.missing().reduce((sum, [start, end]) => sum + end - start, 0)
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.guarded(async () => {
      for (let at = 0; at < bytes.length; ) {
        at += (await this.handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten
      }
    })
  }

  /** Everything from `start` to before `end` is written. */
  async complete(start: number, end: number): Promise<void> {
    for (let index = start / PART_BYTES; index * PART_BYTES < end || index === 0; index++)
      this.done.add(index)
    const { etag, size } = this.file
    const state = { etag, size, partBytes: PART_BYTES, done: [...this.done] }
    if (this.missing().length > 0)
      await this.guarded(() => writeAtomically(stateOf(this.blob), JSON.stringify(state)))
  }

  /** Compares the hash and gives the file its name; what is corrupt is thrown away. */
  async publish(): Promise<void> {
    await this.guarded(() => this.handle.sync())
    await this.handle.close()
    const found = await hashOf(partialOf(this.blob), this.file)
    if (found !== this.file.etag) {
      await this.discard()
      throw corrupt(this.file, found)
    }
    await rename(partialOf(this.blob), this.blob)
    await rm(stateOf(this.blob), { force: true })
  }

  /** Keeps what is there for the next try. */
  async close(): Promise<void> {
    await this.handle.close()
  }

  private async discard(): Promise<void> {
    await rm(partialOf(this.blob), { force: true })
    await rm(stateOf(this.blob), { force: true })
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      if (['ENOSPC', 'EDQUOT'].includes(code)) {
        throw noSpace(dirname(this.blob), this.file.size - this.received, null, error)
      }
      throw error
    }
  }
}

function partialOf(blob: string): string {
  return `${blob}.wuerstchen-partial`
}

function stateOf(blob: string): string {
  return `${blob}.wuerstchen-parts.json`
}

/** Parts that an earlier process finished; none when its notes do not fit. */
async function readDone({ etag, size }: RemoteFile, blob: string): Promise<Set<number>> {
  try {
    const state = JSON.parse(await readFile(stateOf(blob), 'utf8'))
    const fits = state.etag === etag && state.size === size && state.partBytes === PART_BYTES
    const handle = await open(partialOf(blob), 'r')
    const found = (await handle.stat()).size
    await handle.close()
    return new Set<number>(fits && found === size ? state.done : [])
  } catch {
    return new Set()
  }
}

/** Large files are named by their sha256, small ones as git names blobs. */
async function hashOf(path: string, { etag, size }: RemoteFile): Promise<string> {
  const hash = etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest('hex')
}

function corrupt({ path, etag, size }: RemoteFile, found: string): HubError {
  const kind = etag.length === 64 ? 'sha256' : 'git hash'
  return new HubError(
    'DOWNLOAD_CORRUPT',
    `Expected ${path} (${size} bytes) to have the ${kind} ${etag} but received ${found}. It was thrown away.`,
    { details: { path, expected: etag, received: found } },
  )
}
