/** The story of a download: which commit, which files, what is missing, fetched, verified, shown. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { HubError } from '../errors'
import { locked } from '../files/lock'
import { listRepository } from './api'
import { RepositoryCache } from './cache'
import { type Download, type DownloadProgress, download } from './download'
import { neededFiles } from './files'
import { HubClient } from './http'
import { type HubId, isCommit } from './id'
import type { HubSettings } from './settings'

export interface SnapshotOptions {
  readonly settings: HubSettings
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** Free bytes where a folder lies; tests give other answers. */
  readonly freeBytes?: Download['freeBytes']
}

/** The folder of a repository at a revision, with every file that a pipeline needs. */
export async function fetchSnapshot(id: HubId, options: SnapshotOptions): Promise<string> {
  const { settings, onProgress = () => undefined, freeBytes } = options
  const cache = new RepositoryCache(settings.cacheDir, id)
  const cached = snapshotInCache(cache)
  // A commit never changes, so nobody needs to be asked.
  if (cached !== null && (settings.offline || isCommit(id.revision))) return cached
  if (settings.offline) throw notCached(id, settings)

  const stop = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  const client = new HubClient(settings, signal)
  try {
    const { commit, files } = await listRepository(client, id)
    const needed = neededFiles(id.repository, files)
    if (!cache.isPublished(commit, needed)) {
      const { repository } = id
      const abort = () => stop.abort()
      await locked(lockOf(settings, id), { signal }, async (lost) => {
        lost.addEventListener('abort', abort)
        await download(needed, { client, cache, repository, commit, onProgress, freeBytes, abort })
        await cache.publish(commit, needed)
        await cache.sweep()
      })
    }
    return cache.snapshot(commit)
  } catch (error) {
    options.signal?.throwIfAborted()
    // Without a network the model of last time is better than none, as Python does it.
    if (cached !== null && isUnreachable(error)) return cached
    throw error
  } finally {
    stop.abort()
    await client.close()
  }
}

/** A snapshot shows its index last, or was made by Python, which checks what it opens. */
function snapshotInCache(cache: RepositoryCache): string | null {
  const commit = cache.knownCommit()
  const folder = commit === null ? null : cache.snapshot(commit)
  if (folder === null) return null
  return ['model_index.json', 'config.json'].some((name) => existsSync(join(folder, name))) ? folder : null
}

/** Beside Python's own locks, under a name that it does not use. */
function lockOf({ cacheDir }: HubSettings, { repository }: HubId): string {
  return join(cacheDir, '.locks', `models--${repository.replaceAll('/', '--')}`, 'wuerstchen.lock')
}

function isUnreachable(error: unknown): boolean {
  return error instanceof HubError && error.code === 'ERR_WUERSTCHEN_HUB_UNREACHABLE'
}

function notCached({ repository, revision }: HubId, { cacheDir }: HubSettings): HubError {
  return new HubError(
    'HUB_OFFLINE',
    `Expected ${repository} (revision ${revision}) in ${cacheDir} but found none, and downloads are switched off ` +
      '(option localFilesOnly or HF_HUB_OFFLINE).',
    { details: { repository, revision, cacheDir } },
  )
}
