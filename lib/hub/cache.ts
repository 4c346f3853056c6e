/**
 * The folder of downloaded models, laid out as the Python client has it, so that both share one copy:
 *
 *   models--org--name/blobs/<hash>                     a file's bytes, named by their hash
 *   models--org--name/snapshots/<commit>/<path>        a link to a blob
 *   models--org--name/refs/<revision>                  the commit that a branch or tag stood at
 */

import { statSync } from 'node:fs'
import { copyFile, link, symlink } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { makeFolder } from '../files/folder'
import { readRegularSync } from '../files/open'
import { sweepDrafts } from '../files/sweep'
import { placeAtomically, writeIntoFolder } from '../files/write'
import type { RemoteFile } from './files'
import { type HubId, isCommit } from './id'

/** Parts of files of another commit, which somebody may yet go on with. */
const UNFINISHED = /\.wuerstchen-(partial|parts\.json)$/
const FORGOTTEN_AFTER_MS = 14 * 24 * 3600 * 1000

export class RepositoryCache {
  readonly folder: string

  constructor(
    cacheDir: string,
    private readonly id: HubId,
  ) {
    this.folder = join(cacheDir, `models--${id.repository.replaceAll('/', '--')}`)
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag)
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit)
  }

  /** The commit that the revision stood at when it was last asked for. */
  knownCommit(): string | null {
    if (isCommit(this.id.revision)) return this.id.revision
    try {
      const commit = readRegularSync(this.reference()).trim()
      return isCommit(commit) ? commit : null
    } catch {
      return null
    }
  }

  /** Whether the snapshot has this file, whole. A blob is only ever renamed into place after it was verified. */
  has(commit: string, { path, size }: RemoteFile): boolean {
    return sizeOf(join(this.snapshot(commit), path)) === size
  }

  /** Whether nothing is left to do: every file is under its name, and the revision is known to stand at this commit. */
  isPublished(commit: string, files: readonly RemoteFile[]): boolean {
    return files.every((file) => this.has(commit, file)) && this.knownCommit() === commit
  }

  /** Shows the files under their names. The index comes last: a snapshot that has one has everything. */
  async publish(commit: string, files: readonly RemoteFile[]): Promise<void> {
    const last = (file: RemoteFile) => Number(file.path === 'model_index.json' || file.path === 'config.json')
    for (const file of [...files].sort((a, b) => last(a) - last(b))) {
      if (!this.has(commit, file)) await show(this.blob(file.etag), join(this.snapshot(commit), file.path))
    }
    if (!isCommit(this.id.revision)) await writeIntoFolder(this.reference(), commit)
  }

  /** Removes what killed processes left behind. Only for whoever holds the repository's lock: nobody else writes here. */
  async sweep(): Promise<void> {
    await sweepDrafts(this.folder, { olderThanMs: 0 })
    await sweepDrafts(join(this.folder, 'blobs'), { also: UNFINISHED, olderThanMs: FORGOTTEN_AFTER_MS })
  }

  private reference(): string {
    return join(this.folder, 'refs', ...this.id.revision.split('/'))
  }
}

function sizeOf(path: string): number | null {
  try {
    return statSync(path).size
  } catch {
    return null
  }
}

/** A relative link, so that the folder may be moved; where links are forbidden, a second name, or a copy. */
async function show(blob: string, path: string): Promise<void> {
  await makeFolder(dirname(path))
  const target = relative(dirname(path), blob).split(sep).join('/')
  await placeAtomically(path, async (draft) => {
    await symlink(target, draft).catch(() => link(blob, draft).catch(() => copyFile(blob, draft)))
  })
}
