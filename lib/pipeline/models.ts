/** Models before they are pipelines: fetched ahead of time, or listed. */

import { checkNames } from '../checks/names'
import * as check from '../checks/values'
import { type CachedModel, cachedModels } from '../hub/cached'
import type { DownloadProgress } from '../hub/download'
import { checkRevision } from '../hub/id'
import { type HubOptions, hubSettings } from '../hub/settings'
import { openModel } from '../model/layout'
import { locateModel, type ModelFolders, readModelName } from './locate'
import { checkHubOptions, checkVariant } from './options'

/** Options of `pullModel()`: which files, from where, and who hears of it. */
export interface PullOptions extends HubOptions {
  /** Id of another prior than the one that the model's card names. */
  readonly prior?: string | undefined
  /** As for `fromPretrained()`. */
  readonly variant?: string | undefined
  /** Branch, tag or commit of the model. Defaults to `'main'`. */
  readonly revision?: string | undefined
  /** Called as bytes arrive. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** Stops the download; what is finished stays for the next one. */
  readonly signal?: AbortSignal | undefined
}

const PULL_NAMES: Readonly<Record<keyof PullOptions, true>> = {
  prior: true,
  variant: true,
  revision: true,
  token: true,
  cacheDir: true,
  localFilesOnly: true,
  onProgress: true,
  signal: true,
}

/**
 * Downloads a model and its prior from the hub, or finds them in the cache. Checks that a pipeline can be made of them.
 * @param model `org/name`, `org/name@revision`, or a folder.
 * @returns the model's folders, which `fromPretrained()` takes.
 * @throws ModelError, HubError, DownloadError, InvalidArgumentError; rejects with the signal's reason when it aborts.
 */
export async function pullModel(model: string | URL, options: PullOptions = {}): Promise<ModelFolders> {
  checkNames(options, Object.keys(PULL_NAMES))
  const { prior, revision, onProgress, signal } = options
  const variant = checkVariant(options.variant)
  const folders = await locateModel(model, {
    prior: prior === undefined ? undefined : readModelName('prior', prior),
    variant,
    revision: revision === undefined ? undefined : checkRevision(revision),
    hub: hubSettings(checkHubOptions(options)),
    onProgress: onProgress === undefined ? undefined : check.callback('onProgress', onProgress),
    signal: signal === undefined ? undefined : check.abortSignal('signal', signal),
  })
  const { priorFolder } = await openModel(folders.decoder, folders.prior, folders.rest, variant)
  return { ...folders, prior: folders.prior ?? priorFolder }
}

/** The Würstchen models in the cache, as they are there; nothing is asked of the hub. */
export function listModels(options: Pick<HubOptions, 'cacheDir'> = {}): readonly CachedModel[] {
  checkNames(options, ['cacheDir'])
  return cachedModels(hubSettings(checkHubOptions(options)))
}
