/** Where a model's folders are: as given, or downloaded from the hub first. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkNames, nearest } from '../checks/names'
import { expected, InvalidArgumentError, ModelError } from '../errors'
import { absolute } from '../files/absolute'
import { homeFolder } from '../files/caches'
import { isThere } from '../files/probe'
import type { DownloadProgress } from '../hub/download'
import { type HubId, parseHubId } from '../hub/id'
import type { HubSettings } from '../hub/settings'
import { fetchSnapshot } from '../hub/snapshot'
import { isBarePrior, namedPrior } from '../model/prior-folder'

/** Where all of a model lies: what `pullModel()` returns and `fromPretrained()` takes. Absolute paths. */
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

interface LocateOptions {
  readonly prior: string | PriorPair | undefined
  readonly revision: string | undefined
  readonly variant?: string | undefined
  readonly hub: HubSettings
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: DownloadProgress) => void) | undefined
}

const FOLDER_OR_ID = 'the path of a folder or the id of a model'

/** A path or an id, of what callers pass: a path, an id, or a `file:` URL as text or object. */
export function readModelName(name: string, given: unknown): string {
  if (given instanceof URL) return readModelName(name, given.href)
  if (typeof given !== 'string' || given === '' || given.includes('\0'))
    throw expected(name, FOLDER_OR_ID, given)
  if (/^file:/i.test(given)) return pathOf(name, given)
  if (ADDRESS.test(given) && !isThere(given)) {
    const [, page = ''] = PAGE.exec(given) ?? []
    const hint = parseHubId(page) === null ? '' : `: for a model on the hub say '${page}'`
    throw expected(name, `${FOLDER_OR_ID}, not an address${hint},`, given)
  }
  if (given.startsWith('~') && !isThere(given)) {
    const home = /^~(?![^/\\])/.test(given) ? homeFolder() : null
    const hint = home === null ? '' : `, here it is '${join(home, given.slice(2))}'`
    throw expected(name, `${FOLDER_OR_ID}: only shells know ~${hint},`, given)
  }
  return given
}

/** With a scheme, or that of a hub's page without one. */
const ADDRESS = /^(?:[a-z][a-z0-9+.-]*:\/\/|(?:huggingface|hf)\.co\/)/i
/** The id in the address of a model's page, or in an address of the Python client's file system. */
const PAGE = /^(?:hf:\/\/(?:models\/)?|(?:https?:\/\/)?[^/]+\/)([^/?#]+\/[^/?#]+)/i

function pathOf(name: string, url: string): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new InvalidArgumentError(
      `Expected ${name} to be a file: URL of this machine but ${(cause as Error).message}`,
      {
        cause,
        details: { name },
      },
    )
  }
}

/** What a caller may call a model: a folder, an id on the hub, a `file:` URL, or what `pullModel()` returned. */
export type ModelName = string | URL | ModelFolders

/** `name` is the folder of a decoder or its id on the hub, and so is `prior`, in any combination. */
export async function locateModel(name: ModelName, options: LocateOptions): Promise<ModelFolders> {
  if (isFolders(name)) return readFolders(name, options)
  const model = readModelName('model', name)
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

function isFolders(name: ModelName): name is ModelFolders {
  return typeof name === 'object' && name !== null && !(name instanceof URL)
}

function readFolders(folders: ModelFolders, { prior, revision }: LocateOptions): ModelFolders {
  refuseOptions(folders)
  checkNames(folders, FOLDERS)
  if (prior !== undefined) throw expected('prior', 'left out where model names its folders', prior)
  if (revision !== undefined) throw expected('revision', 'left out where model names its folders', revision)
  const read = (part: 'prior' | 'rest' | 'other') =>
    folders[part] === undefined ? undefined : absolute(readModelName(`model.${part}`, folders[part]))
  const decoder = absolute(readModelName('model.decoder', folders.decoder))
  return { decoder, prior: read('prior'), rest: read('rest'), other: read('other') }
}

const FOLDERS = ['decoder', 'prior', 'rest', 'other']

/** Who wants the model of the package passes options alone, and passes them first. */
function refuseOptions(given: object): void {
  const names = Object.keys(given)
  if (Array.isArray(given) || names.some((name) => nearest(name, FOLDERS) === 'decoder')) return
  const received = names.length === 0 ? 'an object' : `an object with ${names.slice(0, 3).join(', ')}`
  throw new InvalidArgumentError(
    `Expected model to be ${FOLDER_OR_ID}, or what pullModel() returned, but received ${received}. ` +
      'Options are the second argument: undefined before them means the model of the package.',
    { details: { name: 'model' } },
  )
}

/** The prior that the card of a downloaded decoder names; a folder's prior lies beside it. */
async function priorOnHub(model: string, decoder: string): Promise<string | undefined> {
  if (hubIdOf(model) === null) return undefined
  const named = await namedPrior(decoder)
  return named !== null && parseHubId(named) !== null ? named : undefined
}

async function locate(name: string, given: string, options: LocateOptions): Promise<string> {
  const id = hubIdOf(given, options.revision)
  if (id === null) return absolute(given)
  const { hub: settings, variant, signal, onProgress } = options
  return fetchSnapshot(id, { settings, variant, signal, onProgress }).catch((error: unknown) => {
    throw notFound(name, given, error)
  })
}

/** A folder of that name wins over the hub. */
function hubIdOf(given: string, revision?: string): HubId | null {
  const id = isThere(given) ? null : parseHubId(given)
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
