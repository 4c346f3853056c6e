/** Why a snapshot could not be had, with the settings that would change it. */

import { noSpace } from '../download/messages'
import { shownProxies, Unreachable } from '../download/network-error'
import { bug, HubError, WuerstchenError } from '../errors'
import { obstacleTo } from '../files/links'
import { shownPath } from '../files/shown-path'
import type { HubId } from './id'
import type { HubSettings } from './settings'

const MOST_LISTED = 8

/** Whatever was thrown on the way becomes one of our errors. */
export function asOurs(error: unknown, settings: HubSettings): WuerstchenError {
  if (error instanceof WuerstchenError) return error
  if (error instanceof Unreachable) {
    const { message, cause, details } = error
    return new HubError('HUB_UNREACHABLE', message, { cause, ...(details ? { details } : {}) })
  }
  const code = (error as NodeJS.ErrnoException | null)?.code
  if (code === 'ENOSPC' || code === 'EDQUOT') return noSpace(settings.cacheDir, null, null, error)
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return unusable(settings, error as Error)
  return bug(`A download failed: ${error instanceof Error ? error.message : String(error)}.`, {
    cause: error,
  })
}

/** One behind a file, or a link that leads nowhere, has nothing and takes nothing: that is no empty cache. */
export function refuseBrokenCache(settings: HubSettings): void {
  const reason = obstacleTo(settings.cacheDir)
  if (reason !== null) throw unusable(settings, new Error(reason))
}

function unusable({ cacheDir, cacheSetting }: HubSettings, cause: Error): HubError {
  return new HubError(
    'CACHE_UNUSABLE',
    `Expected the folder of downloaded models (${cacheSetting}) to be a folder that can be read and written, but of ` +
      `${shownPath(cacheDir)}: ${cause.message}`,
    { cause, details: { folder: cacheDir, setting: cacheSetting } },
  )
}

/** Nothing may be asked, and the cache has not all of it. `missing` is null where it has nothing. */
export function notCached(id: HubId, settings: HubSettings, missing: readonly string[] | null): HubError {
  const { cacheDir } = settings
  return new HubError(
    'HUB_OFFLINE',
    `Expected ${id.repository} (revision ${id.revision}) in ${cacheDir}, which has ${lack(missing)}, and downloads are ` +
      'switched off (option localFilesOnly or HF_HUB_OFFLINE).',
    { details: { ...id, cacheDir, missing } },
  )
}

/** The same where the hub does not answer. */
export function notFetched(
  id: HubId,
  settings: HubSettings,
  { missing, cause }: { readonly missing: readonly string[] | null; readonly cause: HubError },
): HubError {
  const { endpoint, cacheDir, cacheSetting } = settings
  return new HubError(
    'HUB_UNREACHABLE',
    `${asSentence(cause.message)} Wanted was ${id.repository} (revision ${id.revision}), of which ${cacheDir} has ${lack(missing)}. ` +
      `What may help: HF_ENDPOINT (${endpoint}), ${shownProxies()}, NO_PROXY, or a folder that has it (${cacheSetting}).`,
    { cause, details: { ...cause.details, ...id, endpoint, cacheDir, missing } },
  )
}

const asSentence = (message: string) => (/[.!?]$/.test(message) ? message : `${message}.`)

function lack(missing: readonly string[] | null): string {
  if (missing === null || missing.length === 0) return 'none of it'
  const more = missing.length > MOST_LISTED ? ` and ${missing.length - MOST_LISTED} more` : ''
  return `no ${missing.slice(0, MOST_LISTED).join(', ')}${more}`
}
