/** Where a model's folders are: as given, or downloaded from the hub first. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { expected, ModelError } from '../errors'
import type { DownloadProgress } from '../hub/download'
import { type HubId, parseHubId } from '../hub/id'
import type { HubSettings } from '../hub/settings'
import { fetchSnapshot } from '../hub/snapshot'
import { isBarePrior, namedPrior } from '../model/prior-folder'

/** The arguments of `openModel()`. */
export interface ModelFolders {
  readonly decoder: string
  /** Undefined: the folder beside the decoder's that its model card names. */
  readonly prior: string | undefined
  /** What completes a prior that was published as a network alone. */
  readonly rest: string | undefined
  /** The prior to go towards, where two are mixed. */
  readonly other: string | undefined
}

/** Two priors of one kind and a place between them. */
export interface PriorPair {
  /** Folders or ids. */
  readonly from: readonly [string, string]
  /** From 0, the first, to 1, the second. */
  readonly weight: number
}

export interface LocateOptions {
  readonly prior: string | PriorPair | undefined
  readonly revision: string | undefined
  readonly hub: HubSettings
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: DownloadProgress) => void) | undefined
}

/** `model` is the folder of a decoder or its id on the hub, and so is `prior`, in any combination. */
export async function locateModel(model: string, options: LocateOptions): Promise<ModelFolders> {
  const decoder = await locate('model', model, options)
  const named = await priorOnHub(model, decoder)
  const { prior = named } = options
  if (prior === undefined) return { decoder, prior: undefined, rest: undefined, other: undefined }
  const find = (given: string) => locate('prior', given, { ...options, revision: undefined })
  const [first, second] = typeof prior === 'string' ? [prior] : prior.from
  const folder = await find(first)
  const other = second === undefined ? undefined : await find(second)
  const bare = [folder, ...(other === undefined ? [] : [other])].some(isBarePrior)
  const rest = bare && named !== undefined ? await find(named) : undefined
  return { decoder, prior: folder, rest, other }
}

/** The prior that the card of a downloaded decoder names; a folder's prior lies beside it. */
async function priorOnHub(model: string, decoder: string): Promise<string | undefined> {
  if (hubIdOf(model) === null) return undefined
  const named = await namedPrior(decoder)
  return named !== null && parseHubId(named) !== null ? named : undefined
}

async function locate(name: string, given: string, options: LocateOptions): Promise<string> {
  if (typeof given !== 'string' || given === '')
    throw expected(name, 'the path of a folder or the id of a model', given)
  const id = hubIdOf(given, options.revision)
  if (id === null) return resolve(given)
  const { hub: settings, signal, onProgress } = options
  return fetchSnapshot(id, { settings, signal, onProgress }).catch((error: unknown) => {
    throw notFound(name, given, error)
  })
}

/** A folder of that name wins over the hub. */
function hubIdOf(given: string, revision?: string): HubId | null {
  const id = existsSync(given) ? null : parseHubId(given)
  return id === null || revision === undefined ? id : { ...id, revision }
}

/** Who mistyped a folder's name should not look for it on the hub. */
function notFound(name: string, given: string, error: unknown): unknown {
  if (!(error instanceof ModelError) || error.code !== 'ERR_WUERSTCHEN_MODEL_NOT_FOUND') return error
  const message = `Expected ${name} to be a folder here or a model on the hub but '${given}' is neither. ${error.message}`
  return new ModelError('MODEL_NOT_FOUND', message, {
    cause: error,
    details: { ...error.details, [name]: given },
  })
}
