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

  async put(place: string, data: Uint8Array): Promise<void> {
    const path = this.pathOf(place)
    const draft = `${path}.${randomUUID()}.tmp`
    await makeFolder(dirname(path))
    const file = await open(draft, 'wx')
    try {
      await file.writeFile(data)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  }

  async get(place: string): Promise<Uint8Array | null> {
    return readFile(this.pathOf(place)).catch(ignore('ENOENT'))
  }

  async remove(place: string): Promise<void> {
    const path = this.pathOf(place)
    await rm(path, { force: true })
    // A job's folder goes with its last picture.
    await rmdir(dirname(path)).catch(ignore('ENOTEMPTY', 'ENOENT', 'EEXIST'))
  }

  close(): void {}

  private pathOf(place: string): string {
    return join(this.folder, ...place.split('/'))
  }
}

function ignore(...codes: string[]): (error: unknown) => null {
  return (error) => {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
