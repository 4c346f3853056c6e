/** The story of a download: which commit, which files, what is missing, fetched, verified, shown. */

import { join } from 'node:path'
import { callbacks } from '../checks/callbacks'
import { joinSignals } from '../checks/signals'
import { warn } from '../checks/warn'
import type { Download } from '../download/download'
import { HubError } from '../errors'
import { locked } from '../files/lock'
import { listRepository } from './api'
import { RepositoryCache } from './cache'
import { HubClient } from './client'
import { type DownloadProgress, downloadRepository } from './download'
import { neededFiles } from './files'
import { type HubId, isCommit } from './id'
import type { HubSettings } from './settings'
import { asOurs, notCached, notFetched, refuseBrokenCache } from './snapshot-error'
import { lacksCard, missingFiles } from './whole'

export interface SnapshotOptions {
  readonly settings: HubSettings
  /** Weights of this kind where there are any, such as `fp16`. */
  readonly variant?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** Free bytes where a folder lies; tests give other answers. */
  readonly freeBytes?: Download['freeBytes']
}

/** The folder of a repository at a revision, with every file that a pipeline needs. */
export async function fetchSnapshot(id: HubId, options: SnapshotOptions): Promise<string> {
  const { settings } = options
  refuseBrokenCache(settings)
  const cache = new RepositoryCache(settings.cacheDir, id)
  const commit = cache.knownCommit()
  const folder = commit === null ? null : cache.snapshot(commit)
  const missing = folder === null ? null : missingFiles(folder)
  const whole = missing?.length === 0 ? folder : null
  if (settings.offline && whole === null) throw notCached(id, settings, missing)
  // A commit never changes, so nobody needs to be asked.
  if (whole !== null && (settings.offline || (isCommit(id.revision) && !lacksCard(whole)))) return whole
  // What a caller's function throws is the caller's: it is passed on as it is.
  const calls = callbacks()
  try {
    const fetched = await fetchFrom(id, cache, { ...options, onProgress: calls.calling(options.onProgress) })
    await calls.finished()
    return fetched
  } catch (error) {
    options.signal?.throwIfAborted()
    if (calls.threw(error)) throw error
    const ours = asOurs(error, settings)
    // The model of last time is better than none, as Python does it.
    if (whole !== null && FALLS_BACK.includes(ours.code)) return asItWas(whole, id, ours)
    if (ours instanceof HubError && ours.code === 'ERR_WUERSTCHEN_HUB_UNREACHABLE')
      throw notFetched(id, settings, { missing, cause: ours })
    throw ours
  }
}

const FALLS_BACK: readonly string[] = [
  'ERR_WUERSTCHEN_HUB_UNREACHABLE',
  'ERR_WUERSTCHEN_HUB_ACCESS_DENIED',
  'ERR_WUERSTCHEN_CACHE_UNUSABLE',
]

function asItWas(folder: string, { repository, revision }: HubId, reason: Error): string {
  warn(`Using ${repository} (revision ${revision}) as it was last downloaded, because: ${reason.message}`)
  return folder
}

async function fetchFrom(
  id: HubId,
  cache: RepositoryCache,
  options: SnapshotOptions & { readonly onProgress: (progress: DownloadProgress) => void },
): Promise<string> {
  const { settings, onProgress, freeBytes } = options
  const { repository } = id
  const stop = joinSignals(options.signal)
  const abort = () => stop.abort()
  let displaced = false
  const { signal } = stop
  const client = new HubClient(settings, signal)
  try {
    const { commit, files } = await listRepository(client, id)
    const needed = neededFiles(repository, files, options.variant)
    if (cache.isPublished(commit, needed)) return cache.snapshot(commit)
    await locked(lockOf(settings, id), { signal }, async (lost) => {
      lost.addEventListener('abort', () => {
        displaced = true
        abort()
      })
      await downloadRepository(needed, { client, cache, repository, commit, onProgress, freeBytes, abort })
      await cache.publish(commit, needed)
      await cache.sweep()
    })
    return cache.snapshot(commit)
  } catch (error) {
    if (!displaced || options.signal?.aborted) throw error
  } finally {
    stop.abort()
    stop.release()
    await client.close()
  }
  // Taken for dead, for this process was stopped for a while: it waits in line like any other.
  return fetchFrom(id, cache, options)
}

/** Beside Python's own locks, under a name that it does not use. */
function lockOf({ cacheDir }: HubSettings, { repository }: HubId): string {
  return join(cacheDir, '.locks', `models--${repository.replaceAll('/', '--')}`, 'wuerstchen.lock')
}
