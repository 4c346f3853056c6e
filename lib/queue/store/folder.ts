import { randomUUID } from 'node:crypto'
import { link, open, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { makeFolder } from '../../files/folder'

/** Made once, by whoever comes first: it tells whether two processes see the same folder. */
const MARK = 'store-id'

/** Pictures as files: a folder of one machine, or of a network file system. */
export class FolderStore {
  private readonly folder: string

  constructor(folder: string) {
    this.folder = resolve(folder)
  }

  async identity(): Promise<string> {
    const mark = join(this.folder, MARK)
    await makeFolder(this.folder)
    const draft = `${mark}.${randomUUID()}`
    await writeFile(draft, randomUUID(), { flag: 'wx' })
    // A link, unlike a rename, leaves what another process has made.
    await link(draft, mark).catch(ignore('EEXIST'))
    await rm(draft, { force: true })
    return `folder ${await readFile(mark, 'utf8')}`
  }

  /** Its folder and file are made while the picture is still being encoded. */
  async put(place: string, data: Promise<Uint8Array>): Promise<void> {
    const path = this.pathOf(place)
    const draft = `${path}.${randomUUID()}.tmp`
    await makeFolder(dirname(path))
    try {
      await write(draft, data)
      await rename(draft, path)
    } catch (error) {
      await this.removeFile(draft).catch(() => undefined)
      throw error
    }
  }

  async get(place: string): Promise<Uint8Array | null> {
    const file = await open(this.pathOf(place)).catch(ignore('ENOENT'))
    if (file === null) return null
    try {
      return await file.readFile()
    } finally {
      // Not waited for: what was read stays what it is.
      file.close().catch(() => undefined)
    }
  }

  async remove(place: string): Promise<void> {
    await this.removeFile(this.pathOf(place))
  }

  close(): void {}

  private async removeFile(path: string): Promise<void> {
    await rm(path, { force: true })
    // A job's folder goes with its last picture.
    await rmdir(dirname(path)).catch(ignore('ENOTEMPTY', 'ENOENT', 'EEXIST'))
  }

  private pathOf(place: string): string {
    return join(this.folder, ...place.split('/'))
  }
}

/** Resolves once it is on the disk. */
async function write(path: string, data: Promise<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(await data)
    await file.sync()
  } finally {
    await file.close()
  }
}

function ignore(...codes: string[]): (error: unknown) => null {
  return (error) => {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
