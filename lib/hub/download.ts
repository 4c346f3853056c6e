/** A repository's files, handed to the downloader. */

import { type Download, download, type Received, type Wanted } from '../download/download'
import type { RepositoryCache } from './cache'
import type { HubClient } from './client'
import type { RemoteFile } from './files'

/** Bytes arrived. */
export interface DownloadProgress {
  readonly type: 'download'
  /** Repository and file. */
  readonly repository: string
  readonly file: string
  /** Bytes of this file that are here, of `size`. */
  readonly received: number
  readonly size: number
  /** The same for all files of the repository that are needed. */
  readonly receivedTotal: number
  readonly total: number
}

interface RepositoryDownload extends Pick<Download, 'abort' | 'freeBytes'> {
  readonly client: HubClient
  readonly cache: RepositoryCache
  readonly repository: string
  readonly commit: string
  readonly onProgress: (progress: DownloadProgress) => void
}

/** Brings every file's blob into the cache. */
export async function downloadRepository(
  files: readonly RemoteFile[],
  { client, cache, repository, commit, onProgress, ...rest }: RepositoryDownload,
): Promise<void> {
  const { endpoint } = client.settings
  const wanted = files.map(({ path, size, etag }): Wanted => {
    const encoded = path.split('/').map(encodeURIComponent).join('/')
    const url = new URL(`${endpoint}/${repository}/resolve/${commit}/${encoded}`)
    return { url, name: path, size, hash: etag, target: cache.blob(etag) }
  })
  await download(wanted, {
    ...rest,
    folder: cache.folder,
    open: (url, headers) => client.get(url, repository, headers),
    persist: client.persist,
    onProgress: (received) => onProgress(progressOf(repository, received)),
  })
}

function progressOf(
  repository: string,
  { file, received, receivedTotal, total }: Received,
): DownloadProgress {
  const { name, size } = file
  return { type: 'download', repository, file: name, received, size, receivedTotal, total }
}
