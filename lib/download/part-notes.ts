/** Which parts of a file are on the disk, noted beside it for whoever goes on after a crash. */

import { type FileHandle, readFile, rm } from 'node:fs/promises'
import { writeFileAtomically } from '../files/write'
import type { Wanted } from './wanted'

/** What of a file tells it from every other. */
type Identity = Pick<Wanted, 'hash' | 'size'>

/** What one request asks for. After a cut only the parts that were under way are fetched again. */
export const PART_BYTES = 16 * 1024 * 1024

export class PartNotes {
  private last: Promise<void> = Promise.resolve()
  private next: Promise<void> | null = null

  private constructor(
    private readonly file: Identity,
    private readonly path: string,
    private readonly done: Set<number>,
  ) {}

  /** Notes of another file, or of another size of parts, count for nothing. */
  static async read(file: Identity, path: string, fits: boolean): Promise<PartNotes> {
    const done = fits ? await readDone(file, path) : []
    return new PartNotes(file, path, new Set(done))
  }

  get count(): number {
    return Math.max(1, Math.ceil(this.file.size / PART_BYTES))
  }

  /** Numbers of the parts that are missing. */
  missing(): readonly number[] {
    return Array.from({ length: this.count }, (_, index) => index).filter((index) => !this.done.has(index))
  }

  /**
   * Notes a part that is written. Connections finish parts at the same time: the notes have one writer, which takes along
   * all that were finished when it starts. Bytes go to the disk first, then the notes that say so.
   */
  add(index: number, handle: FileHandle): Promise<void> {
    this.done.add(index)
    this.next ??= this.last.catch(() => undefined).then(() => this.write(handle))
    return this.next
  }

  remove(): Promise<void> {
    return rm(this.path, { force: true })
  }

  private async write(handle: FileHandle): Promise<void> {
    this.last = this.next ?? this.last
    this.next = null
    const { hash, size } = this.file
    const text = JSON.stringify({ etag: hash, size, partBytes: PART_BYTES, done: [...this.done] })
    await handle.datasync()
    await writeFileAtomically(this.path, text)
  }
}

async function readDone({ hash, size }: Identity, path: string): Promise<readonly number[]> {
  try {
    const notes = JSON.parse(await readFile(path, 'utf8'))
    const fits = notes.etag === hash && notes.size === size && notes.partBytes === PART_BYTES
    return fits && Array.isArray(notes.done) ? notes.done : []
  } catch {
    return []
  }
}
