/** A file on its way: written in parts, remembered across processes, verified before anybody sees it. */

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DownloadError } from '../errors'
import { makeFolder } from '../files/folder'
import { noSpace } from './messages'
import { PART_BYTES, PartNotes } from './part-notes'
import type { Wanted } from './wanted'

export class PartialFile {
  private constructor(
    readonly file: Wanted,
    private readonly handle: FileHandle,
    private readonly notes: PartNotes,
  ) {}

  /** Goes on where an earlier process stopped. Its name is ours alone: other programs' partial files grow from the front. */
  static async open(file: Wanted): Promise<PartialFile> {
    const { target } = file
    await makeFolder(dirname(target))
    // Never emptied: what is there may be the bytes of a process that only seemed dead.
    const handle = await open(partialOf(target), constants.O_RDWR | constants.O_CREAT)
    try {
      const { size } = await handle.stat()
      const notes = await PartNotes.read(file, notesOf(target), size === file.size)
      const partial = new PartialFile(file, handle, notes)
      // Sparse: the size alone takes no space.
      if (size !== file.size) await partial.guarded(() => handle.truncate(file.size))
      return partial
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** First byte and the one after the last of every part that is missing. */
  missing(): readonly (readonly [number, number])[] {
    return this.notes
      .missing()
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

  /** The part from `start` on is written. A file of one part needs no notes: it is whole or begun anew. */
  async complete(start: number): Promise<void> {
    if (this.notes.count > 1) await this.guarded(() => this.notes.add(start / PART_BYTES, this.handle))
  }

  /** Compares the hash and gives the file its name; what is corrupt is thrown away. */
  async publish(): Promise<void> {
    await this.guarded(() => this.handle.sync())
    const found = await hashOf(this.handle, this.file)
    await this.handle.close()
    if (found !== this.file.hash) {
      await this.discard()
      throw corrupt(this.file, found)
    }
    await rename(partialOf(this.file.target), this.file.target)
    await this.notes.remove()
  }

  /** Keeps what is there for the next try. */
  async close(): Promise<void> {
    await this.handle.close()
  }

  private async discard(): Promise<void> {
    // The notes first: without the bytes they would be a lie.
    await this.notes.remove()
    await rm(partialOf(this.file.target), { force: true })
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      if (['ENOSPC', 'EDQUOT'].includes(code)) {
        throw noSpace(dirname(this.file.target), this.file.size - this.received, null, error)
      }
      throw error
    }
  }
}

function partialOf(target: string): string {
  return `${target}.wuerstchen-partial`
}

function notesOf(target: string): string {
  return `${target}.wuerstchen-parts.json`
}

/** Large files are named by their sha256, small ones as git names blobs. */
async function hashOf(handle: FileHandle, { hash: wanted, size }: Wanted): Promise<string> {
  const hash = wanted.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  const stream = handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 })
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

function corrupt({ name, hash, size }: Wanted, found: string): DownloadError {
  const kind = hash.length === 64 ? 'sha256' : 'git hash'
  return new DownloadError(
    'DOWNLOAD_CORRUPT',
    `Expected ${name} (${size} bytes) to have the ${kind} ${hash} but received ${found}. It was thrown away.`,
    { details: { path: name, expected: hash, received: found } },
  )
}
